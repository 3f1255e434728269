"""One value for each event loop, such as a client with its connections, created and closed in that loop.

A connection belongs to the event loop that opened it, and a program that uses both `run` and `run_sync` has two loops.
So each loop gets its own value. An asynchronous generator of that loop guards the value. Python closes such a
generator before the loop ends, and when nothing refers to it any more. In both cases the guard closes the value, so
nothing stays open after the loop has ended or the owner was dropped without `close`.

A forked child has copies of its parent's connections, and any use of a copy would disturb the parent. Even a finalizer
would do so, because it would notify an event loop that also belongs to the parent. So a child forgets the values of its
parent, keeps them from ever being collected, and creates its own.
"""

from __future__ import annotations

import asyncio
import ctypes
import os
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar
from weakref import WeakSet, finalize, ref

T = TypeVar("T")

_POLL_S = 0.05


class PerLoop(Generic[T]):
    """Keep a value for each event loop that asks for one.

    Args:
        make: creates a value; called in the loop that will use it.
        close: closes a value; runs in the value's loop.
        finish: closes a value at once and without its loop, after the loop has ended; None if that is impossible.
        refusal: returns the error that `get` raises after `close`. None: the next `get` creates a new value.

    None of the functions may refer to the object that holds this one. The values are closed when that object is
    collected, and a reference would prevent it.
    """

    def __init__(
        self,
        make: Callable[[], T],
        close: Callable[[T], Awaitable[None]],
        *,
        finish: Callable[[T], None] | None = None,
        refusal: Callable[[], Exception] | None = None,
    ) -> None:
        self._make = make
        self._close = close
        self._finish = finish
        self._refusal = refusal
        self._leases: dict[asyncio.AbstractEventLoop, _Lease[T]] = {}
        self._mutex = threading.Lock()
        self._is_closed = False
        # The registry of `finalize` holds the values until this object is gone. So the garbage collector, when it finds
        # this object in a cycle of references, never takes a value together with it, before its guard has closed it.
        finalize(self, self._leases.clear).atexit = False
        _every.add(self)

    def __len__(self) -> int:
        """Return how many event loops have a value."""
        return len(self._leases)

    async def get(self) -> T:
        """Return the value of the running event loop."""
        loop = asyncio.get_running_loop()
        lease = self._leases.get(loop)
        if lease is None:
            lease = self._new_lease(loop)
            await anext(lease.guard)  # does not wait: it registers the guard with the loop
        return lease.value

    async def close(self) -> None:
        """Close every value, each in its loop. Closing twice is fine.

        Raises:
            Exception: the first error of `close`, after every value has been closed.
        """
        with self._mutex:
            self._is_closed = True
            leases = self._take_all()
        closings = [self._close_lease(loop, lease) for loop, lease in leases.items()]
        for outcome in await asyncio.gather(*closings, return_exceptions=True):
            if isinstance(outcome, BaseException):
                raise outcome

    def finish(self) -> None:
        """Close every value at once, if `finish` was given. Call it when nobody uses the values any more."""
        with self._mutex:
            leases = self._take_all()
        for lease in leases.values():
            self._finish_value(lease.value)

    def _new_lease(self, loop: asyncio.AbstractEventLoop) -> _Lease[T]:
        with self._mutex:
            if self._is_closed and self._refusal is not None:
                raise self._refusal()
            for ended in [one for one in self._leases if one.is_closed()]:
                self._finish_value(self._leases.pop(ended).value)
            value = self._make()
            lease = self._leases[loop] = _Lease(value, _guard(ref(self), loop, value, self._close))
            return lease

    async def _close_lease(self, loop: asyncio.AbstractEventLoop, lease: _Lease[T]) -> None:
        if loop is asyncio.get_running_loop():
            await lease.guard.aclose()
        elif loop.is_running():
            await _close_elsewhere(loop, lease.guard)
        self._finish_value(lease.value)

    def _finish_value(self, value: T) -> None:
        if self._finish is not None:
            self._finish(value)

    def _take_all(self) -> dict[asyncio.AbstractEventLoop, _Lease[T]]:
        taken = dict(self._leases)
        self._leases.clear()
        return taken

    def _forget(self, loop: asyncio.AbstractEventLoop, value: T) -> None:
        with self._mutex:
            if loop in self._leases and self._leases[loop].value is value:
                del self._leases[loop]

    def _leave_to_the_parent(self) -> None:
        # Another thread of the parent may have held the mutex; that thread does not exist here.
        self._mutex = threading.Lock()
        keep_for_ever(self._take_all())


@dataclass(frozen=True, slots=True)
class _Lease(Generic[T]):
    value: T
    guard: AsyncGenerator[None]


async def _guard(
    owner: ref[PerLoop[T]], loop: asyncio.AbstractEventLoop, value: T, close: Callable[[T], Awaitable[None]]
) -> AsyncGenerator[None]:
    process = os.getpid()
    try:
        yield
    finally:
        # A child that ends the loop that it was forked in closes the parent's guards.
        if os.getpid() == process:
            if (per_loop := owner()) is not None:
                per_loop._forget(loop, value)  # pyright: ignore[reportPrivateUsage] - the guard is a part of the class
            await close(value)


async def _close_elsewhere(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None]) -> None:
    closing = asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_aclose(guard), loop))
    # The loop may end before it runs this. Then its end closes the guard.
    while loop.is_running() and not closing.done():
        await asyncio.wait([closing], timeout=_POLL_S)
    if closing.done() and not closing.cancelled():
        closing.result()


async def _aclose(guard: AsyncGenerator[None]) -> None:
    await guard.aclose()


async def leave_open(value: object) -> None:
    """Close nothing: for values that belong to somebody else."""


def keep_for_ever(value: object) -> None:
    """Keep a value from being collected, even when the process ends.

    A reference from a module would not be enough: Python empties the modules when the process ends, and the finalizers
    run then.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(value))


def keep_in_children(loop: asyncio.AbstractEventLoop) -> None:
    """Keep an event loop and its waiting tasks from being collected in a forked child, where they would warn."""
    _loops.add(loop)


def _leave_all_to_the_parent() -> None:
    keep_for_ever(tuple(_loops))
    _loops.clear()
    for one in list(_every):
        one._leave_to_the_parent()  # pyright: ignore[reportPrivateUsage] - one of this module's own


_every: WeakSet[PerLoop[Any]] = WeakSet()
_loops: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_all_to_the_parent)
