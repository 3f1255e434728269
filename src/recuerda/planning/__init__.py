"""Choosing what of a thread fits a window, and making the rest fit."""

from recuerda.planning.choosing import Choice, Limits, choose, roundest
from recuerda.planning.shortening import elided, fitted
from recuerda.planning.tally import NumberedTurn, Tally

__all__ = ["Choice", "Limits", "NumberedTurn", "Tally", "choose", "elided", "fitted", "roundest"]
