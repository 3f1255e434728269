"""Changes of a thread that do not depend on what their caller has read."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable
from typing import TypeVar

from recuerda.errors import DraftConflict, ThreadConflict

T = TypeVar("T")

_TRIES = 10
"""The number of attempts."""

_PAUSE_S = 0.002
"""The shortest pause in seconds before the next attempt; the longest one doubles each time."""


async def insist(change: Callable[[], Awaitable[T]], *, but: tuple[type[Exception], ...] = ()) -> T:
    """Make a change. If another writer was faster, make it again.

    Args:
        change: reads the thread and makes the change.
        but: the conflicts after which the change cannot be made.

    Raises:
        ThreadConflict: another writer was faster each time.
        DraftConflict: as above.
    """
    for attempt in range(_TRIES - 1):
        try:
            return await change()
        except but:
            raise
        except (ThreadConflict, DraftConflict):
            await asyncio.sleep(_PAUSE_S * (1 + secrets.randbelow(2**attempt)))
    return await change()
