"""Work on large requests, beside the event loop.

A request with thousands of parts takes a tenth of a second to check. On the event loop, all other clients would wait
for it. In another thread, Python lets the loop run in between. There is one such thread: more would not be faster,
because only one thread runs Python at a time, and they would take the time from the loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

_LARGE_BYTES = 16 * 1024
_MANY_OBJECTS = 50


class Beside:
    """Run functions in a thread of their own if the request that they work on is large."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="recuerda-large")

    async def run(self, body: bytes, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return `function(*args, **kwargs)`.

        Args:
            body: the request that the function works on. Its size decides where the function runs.
            function: a function that neither blocks nor uses the event loop.
            args: the function's positional arguments.
            kwargs: the function's keyword arguments.
        """
        if len(body) < _LARGE_BYTES and body.count(b"{") < _MANY_OBJECTS:
            return function(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._thread, partial(function, *args, **kwargs))
