"""Work that runs to its end even if its caller is cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 30.0
"""The default of the seconds for which work goes on after its caller was cancelled."""

AGAIN_S = 10.0
"""The seconds after which work that does not end is cancelled once more."""


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
            await _end_of(running)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None and (failure := running.exception()) is not None:
        raise cancelled from failure
    return running.result(), cancelled


def _end_of(running: asyncio.Future[Any]) -> asyncio.Future[None]:
    """Return a future that is done when `running` is. Each commit waits so, and `asyncio.wait` would cost more."""
    end = running.get_loop().create_future()

    def note(_: asyncio.Future[Any]) -> None:
        if not end.done():
            end.set_result(None)

    running.add_done_callback(note)
    return end


async def settled(work: Awaitable[T], *, patience_s: float = PATIENCE_S) -> T:
    """Return the result of `work`. If the caller is cancelled, the cancellation is raised when `work` has ended.

    Args:
        work: the work: a coroutine, for which a task is made, or a future.
        patience_s: the seconds for which the work may go on after the first cancellation. Then it is cancelled itself,
            and once more each `AGAIN_S` seconds.
    """
    running = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError as cancelled:
        await until_ended(running, patience_s=patience_s)
        failure = None if running.cancelled() else running.exception()
        raise cancelled from failure


async def until_ended(running: asyncio.Future[Any], *, patience_s: float = PATIENCE_S) -> None:
    """Wait until a future is done, however often the caller is cancelled. Cancel it after `patience_s` seconds."""
    loop = asyncio.get_running_loop()
    end = loop.time() + patience_s
    while not running.done():
        if loop.time() >= end:
            running.cancel()
            end = loop.time() + AGAIN_S
        with suppress(asyncio.CancelledError):
            await asyncio.wait([running], timeout=end - loop.time())
