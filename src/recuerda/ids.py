"""What an id may be: the rules that hold for thread, turn and user ids on every backend.

Ids are data. No storage builds a path, a key or SQL out of one without encoding it; what is refused here could not be
kept faithfully somewhere.
"""

from __future__ import annotations

import base64
import os
from collections import deque

from recuerda.errors import InvalidInput

MAX_ID_BYTES = 512
"""Longest id, in bytes of UTF-8: every backend can index it."""


_DRAWN = 64

_ready: deque[str] = deque()
# A child must not draw the ids that its parent has ready.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ready.clear)


def new_id() -> str:
    """Return a new random id: 12 URL-safe characters, 72 bits from the system's random source."""
    try:
        return _ready.popleft()
    except IndexError:
        # Each call of the system costs as much as everything else about an append, so many ids are drawn at once.
        drawn = base64.urlsafe_b64encode(os.urandom(9 * _DRAWN)).decode()
        _ready.extend(drawn[at : at + 12] for at in range(12, len(drawn), 12))
        return drawn[:12]


def check_id(value: object, name: str) -> str:
    """Return `value` if it can be an id on every backend.

    Raises:
        InvalidInput: unless it is a text of 1 to 512 bytes of UTF-8, without NUL or lone surrogates.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"a {name} is a str, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"the {name} {value!r} has a lone surrogate") from None
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidInput(f"a {name} has 1 to {MAX_ID_BYTES} bytes of UTF-8, this one {size}")
    if "\x00" in value:
        raise InvalidInput(f"the {name} {value!r} has a NUL character")
    return value


def check_limit(value: object, name: str) -> int:
    """Return `value` if it is a positive integer.

    Raises:
        InvalidInput: otherwise; 0 does not mean "no limit", None does.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInput(f"{name} must be a positive integer, or None for no limit; not {value!r}")
    return value


def check_count(value: object, name: str) -> int:
    """Return `value` if it is an integer from 0 on.

    Raises:
        InvalidInput: otherwise.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{name} must be an integer from 0 on, not {value!r}")
    return value
