"""Work that runs to its end even if its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


async def finished(work: Coroutine[Any, Any, T]) -> tuple[T, asyncio.CancelledError | None]:
    """Return the result of `work`, which runs to its end however often the caller is cancelled.

    Returns the result together with the cancellation, if there was one. The caller raises it after it has used the
    result.

    Raises:
        Exception: the error of `work`.
        CancelledError: the caller was cancelled, and `work` failed as well; the failure is the cause.
    """
    running = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not running.done():
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and (failure := running.exception()) is not None:
        raise cancelled from failure
    return running.result(), cancelled
