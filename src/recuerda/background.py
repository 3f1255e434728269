"""An event loop in a thread of its own, for callers that have none.

One loop serves the whole process and stays, so that connections which belong to a loop survive from call to call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_mutex = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result; an interruption of the caller cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, _background_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop  # noqa: PLW0603 - one for the process, made when first needed
    with _mutex:
        if _loop is None or _loop.is_closed():
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="recuerda-run-sync", daemon=True).start()
        return _loop
