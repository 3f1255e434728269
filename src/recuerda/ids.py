"""Random ids, and the rules for thread, turn and user ids on every backend.

An id is data. No storage builds a path, a key or SQL from an id without encoding it. An id is refused here if some
storage could not keep it unchanged.
"""

from __future__ import annotations

import base64
import os
import time
from collections import deque
from collections.abc import Sequence

from recuerda.errors import InvalidInput

MAX_ID_BYTES = 512
"""The length of the longest id, in bytes of UTF-8. Every backend can index ids of this length."""

_DRAWN = 64
_YEAR_10000_US = 253_402_300_800_000_000

_SORTED = "-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"

_ready: deque[str] = deque()
_ready_for_turns: deque[str] = deque()
# A forked child must not use ids that its parent has already drawn.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_ready.clear)
    os.register_at_fork(after_in_child=_ready_for_turns.clear)


def new_id() -> str:
    """Return a new random id: 16 URL-safe characters, 96 bits from the system's random source."""
    try:
        return _ready.popleft()
    except IndexError:
        # One system call costs as much as the rest of an append, so many ids are drawn at once.
        drawn = base64.urlsafe_b64encode(os.urandom(12 * _DRAWN)).decode()
        _ready.extend(drawn[at : at + 16] for at in range(16, len(drawn), 16))
        return drawn[:16]


def new_turn_id() -> str:
    """Return a new id for a turn, or for another record of a thread: 16 URL-safe characters, 54 random bits.

    The first seven characters are about the time in milliseconds, and sort as the times do. So the newest turns of a
    thread lie side by side in a database's index of ids, and an append writes to a page that is in memory. The id of a
    thread is another matter: nobody shall guess it, so `new_id` draws all of it at random.
    """
    try:
        return _ready_for_turns.popleft()
    except IndexError:
        now_ms = time.time_ns() // 1_000_000
        start = "".join([_SORTED[now_ms >> shift & 63] for shift in range(36, -1, -6)])
        drawn = base64.urlsafe_b64encode(os.urandom(27 * _DRAWN // 4)).decode()
        _ready_for_turns.extend(start + drawn[at : at + 9] for at in range(9, len(drawn), 9))
        return start + drawn[:9]


def new_call() -> int:
    """Return a new random number from 1 to 2**63 - 1 for one call. It tells a retry of the call from another call."""
    return (int.from_bytes(os.urandom(8)) >> 1) or 1


def check_id(value: object, name: str) -> str:
    """Return `value` if it can be an id on every backend.

    Raises:
        InvalidInput: `value` is not a string of 1 to 512 bytes of UTF-8, or it holds a NUL or a lone surrogate.
    """
    if not isinstance(value, str):
        raise InvalidInput(f"a {name} must be a str, not {type(value).__name__}")
    try:
        size = len(value.encode())
    except UnicodeEncodeError:
        raise InvalidInput(f"the {name} {value!r} must not hold a lone surrogate") from None
    if not 1 <= size <= MAX_ID_BYTES:
        raise InvalidInput(f"a {name} must have 1 to {MAX_ID_BYTES} bytes of UTF-8, and this one has {size}")
    if "\x00" in value:
        raise InvalidInput(f"the {name} {value!r} must not hold a NUL character")
    return value


def check_limit(value: object, name: str) -> int:
    """Return `value` if it is a positive integer.

    Raises:
        InvalidInput: it is not a positive integer. For "no limit", give None, not 0.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise InvalidInput(f"{name} must be a positive integer, or None for no limit, not {value!r}")
    return value


def check_choice(value: object, choices: Sequence[str], name: str) -> None:
    """Check that `value` is one of the choices.

    Raises:
        InvalidInput: it is another value.
    """
    if value not in choices:
        raise InvalidInput(f"{name} must be {' or '.join(map(repr, choices))}, not {value!r}")


def check_time(value: int, name: str) -> int:
    """Return `value` if it is a time in microseconds since 1970 (UTC), before the year 10000.

    Raises:
        InvalidInput: it is earlier or later.
    """
    if not 0 <= value < _YEAR_10000_US:
        raise InvalidInput(f"{name} is from 1970 to 9999 in microseconds, not {value}")
    return value


def check_count(value: object, name: str) -> int:
    """Return `value` if it is an integer of at least 0.

    Raises:
        InvalidInput: it is not such an integer.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidInput(f"{name} must be an integer of at least 0, not {value!r}")
    return value
