"""What a turn costs: recuerda beside the raw driver, in the same run. `python -m bench` prints tables and verdicts.

Absolute times say little across machines, so every figure that has a limit is a ratio to a floor: the least that a
program without recuerda would do for the same durability. Floor and library take turns, round by round, so that both
meet the same disk and the same neighbours; medians are compared.
"""
