"""The lock for which the runs of one thread queue, within a process.

A process may have several event loops, each in an OS thread of its own: some web frameworks give every request a loop,
and `run_sync` has one. `asyncio.Lock` belongs to one loop, so it cannot put the runs of all loops in order.

A run whose event loop was closed never ends, so it no longer holds the lock.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from types import TracebackType
from typing import Self
from weakref import WeakValueDictionary

CHECK_S = 1.0
"""The seconds after which a waiter looks again by itself, because the loop of the waiter before it may have stopped."""

_naming = threading.Lock()


class RunLock:
    """A fair lock for coroutines of any number of event loops. Use it with `async with`.

    Attributes:
        held_by: any object by which the holder of the lock makes itself known to those who wait. The holder sets it and
            resets it to None.
    """

    def __init__(self) -> None:
        self.held_by: object = None
        self._mutex = threading.Lock()
        self._holder: asyncio.AbstractEventLoop | None = None
        self._waiting: deque[_Waiter] = deque()

    def locked(self) -> bool:
        """Return True if a run holds the lock."""
        return self._holder is not None and not self._holder.is_closed()

    async def acquire(self, *, look: Callable[[], None] | None = None) -> bool:
        """Wait until the lock is free, and take it. Return True, as `asyncio.Lock.acquire` does.

        Args:
            look: is called every `CHECK_S` seconds while the lock is not free. If it raises an error, the waiting ends.
        """
        loop = asyncio.get_running_loop()
        with self._mutex:
            if not self.locked() and not self._waiting:
                self._holder = loop
                return True
            waiter = _Waiter(loop)
            self._waiting.append(waiter)
        try:
            while not waiter.has_lock:
                await asyncio.wait([waiter.called], timeout=CHECK_S)
                self._call_next()
                if look is not None and not waiter.has_lock:
                    look()
        except BaseException:
            self._give_up(waiter)
            raise
        return True

    def release(self, loop: asyncio.AbstractEventLoop | None = None) -> None:
        """Give the lock to the run that waits longest, or free it.

        Args:
            loop: the event loop in which the run took the lock. If another loop has the lock by now, nothing is done:
                the garbage collector ends the runs of a closed loop late. None for the loop that has the lock.
        """
        with self._mutex:
            if loop is not None and loop is not self._holder:
                return
            self._holder = None
        self._call_next()

    async def __aenter__(self) -> Self:
        await self.acquire()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def _call_next(self) -> None:
        """If the lock is free, give it to the first waiter whose event loop runs."""
        with self._mutex:
            if self.locked():
                return
            for waiter in self._waiting:
                if waiter.called_in_time():
                    self._waiting.remove(waiter)
                    self._holder = waiter.loop
                    waiter.has_lock = True
                    return

    def _give_up(self, waiter: _Waiter) -> None:
        with self._mutex:
            if not waiter.has_lock:
                self._waiting.remove(waiter)
                return
        self.release(waiter.loop)


class RunLocks:
    """Locks by a name, such as the id of a thread. A lock is forgotten when nobody has it any more."""

    def __init__(self) -> None:
        self._locks: WeakValueDictionary[str, RunLock] = WeakValueDictionary()

    def __len__(self) -> int:
        return len(self._locks)

    def of(self, name: str) -> RunLock:
        """Return the lock with a name. Every OS thread gets the same lock."""
        with _naming:
            lock = self._locks.get(name)
            if lock is None:
                lock = self._locks[name] = RunLock()
            return lock


class _Waiter:
    """A coroutine that waits for the lock."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.called: asyncio.Future[None] = loop.create_future()
        self.has_lock = False
        self.loop = loop

    def called_in_time(self) -> bool:
        """Wake the coroutine, and return True; return False if its event loop does not run."""
        if not self.loop.is_running():
            return False
        try:
            self.loop.call_soon_threadsafe(self._wake)
        except RuntimeError:  # The loop was closed at this moment.
            return False
        return True

    def _wake(self) -> None:
        if not self.called.done():
            self.called.set_result(None)
