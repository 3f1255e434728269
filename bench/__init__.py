"""The benchmark: the cost of a turn with recuerda and with the raw driver. `python -m bench` prints it.

Times of different machines cannot be compared. So every figure with a limit is a ratio to a floor: the least work that
a program without recuerda must do for the same durability. Floor and library run in turn, round by round, so that both
have the same disk and the same load beside them. The medians are compared.
"""
