"""The key of the mark that a turn was forgotten on request; see `marking.py`."""

from __future__ import annotations

from recuerda.threads.history import StoredTurn

FORGOTTEN_KEY = "recuerda_forgotten"
"""The key in a turn's metadata. Such a turn is never remembered again."""


def is_forgotten(turn: StoredTurn) -> bool:
    """Return True if a turn was forgotten on request."""
    return FORGOTTEN_KEY in turn.metadata
