"""The failure of a run, as it is kept in the thread if the caller asked for it.

The text must hold no secret. Errors of recuerda hold none by design. The text of any other error may hold one, such as
an address with a password, so only the error's type is kept.
"""

from __future__ import annotations

from recuerda.errors import DraftConflict, RecuerdaError, ThreadConflict

MAX_LENGTH = 300
"""The length of the longest text of an error that is kept, in characters."""


def failure_text(error: BaseException) -> str:
    """Return a short text about an error, for people who read the thread."""
    name = type(error).__name__
    if not isinstance(error, RecuerdaError) or not str(error).strip():
        return name
    text = f"{name}: {' '.join(str(error).split())}".encode(errors="replace").decode()
    return text if len(text) <= MAX_LENGTH else text[: MAX_LENGTH - 1].rstrip() + "…"


def is_lost_race(error: BaseException) -> bool:
    """Return True if another writer was first. Then the thread belongs to its turn, and nothing is added."""
    return isinstance(error, ThreadConflict | DraftConflict)
