"""An event loop in its own operating-system thread, for callers that have no event loop.

One loop serves the whole process and keeps running, so connections that belong to it survive from call to call.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

from recuerda.errors import ConfigurationError

T = TypeVar("T")

_mutex = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None
_thread: threading.Thread | None = None


def run_in_background(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the background loop and return its result.

    If the caller is interrupted, the coroutine is cancelled.

    Raises:
        ConfigurationError: the caller itself runs on the background loop, and would wait for itself.
    """
    if threading.current_thread() is _thread:
        work.close()
        raise ConfigurationError(
            "run_sync was called by async code that run_sync itself runs; await agent.run there instead"
        )
    future = asyncio.run_coroutine_threadsafe(work, _background_loop())
    try:
        return future.result()
    except BaseException:
        future.cancel()
        raise


def _background_loop() -> asyncio.AbstractEventLoop:
    global _loop, _thread  # noqa: PLW0603 - one for the process, created when it is first needed
    with _mutex:
        # A forked process has a copy of the loop, but not the thread that ran it.
        if _loop is None or _thread is None or not _thread.is_alive():
            _loop = asyncio.new_event_loop()
            _thread = threading.Thread(target=_loop.run_forever, name="recuerda-run-sync", daemon=True)
            _thread.start()
        return _loop
