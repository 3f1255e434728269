"""Work on large requests, beside the event loop.

A request with thousands of parts takes a tenth of a second to check. On the event loop, all other clients would wait
for it. In another thread, Python lets the loop run in between. There is one such thread: more would not be faster,
because only one thread runs Python at a time, and they would take the time from the loop.

While that thread works, the loop waits for its turn at each event. So the thread rests after each piece of work for
twice as long as the work took. Large requests in any number then take a third of Python's time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LARGE_BYTES = 16 * 1024
_MANY_OBJECTS = 50
_REST = 2.0
"""The rest after a piece of work, in times of the work."""


def is_small(body: bytes) -> bool:
    """Return whether the work on a request is short enough for the event loop."""
    return len(body) < _LARGE_BYTES and body.count(b"{") < _MANY_OBJECTS


class Beside:
    """Run functions in a thread of their own if the request that they work on is large.

    Args:
        sleep: lets the thread rest for a number of seconds.
        worked: returns the seconds that the thread has worked.
    """

    def __init__(
        self, *, sleep: Callable[[float], None] = time.sleep, worked: Callable[[], float] = time.thread_time
    ) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recuerda-large")
        self._sleep = sleep
        self._worked = worked
        self._rests_until = 0.0

    async def run(self, body: bytes, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `function(*args, **kwargs)`.

        Args:
            body: the request that the function works on. Its size decides where the function runs.
            function: a function that neither blocks nor uses the event loop.
            args: the function's positional arguments.
            kwargs: the function's keyword arguments.
        """
        if is_small(body):
            return function(*args, **kwargs)
        work = partial(function, *args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._paced, work)

    def _paced(self, work: Callable[[], T]) -> T:
        """Do a piece of work, after the rest that is left from the work before it."""
        if (rest := self._rests_until - time.monotonic()) > 0:
            self._sleep(rest)
        started = self._worked()
        try:
            return work()
        finally:
            self._rests_until = time.monotonic() + _REST * (self._worked() - started)
