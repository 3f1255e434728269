"""Notice that threads change, also by other processes, at a bounded cost.

A storage tells nobody about a new turn, so somebody has to ask. However many pages show a thread, one task asks once in
a while for its version, and wakes the pages up. The task ends with the last page.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TypeAlias

from recuerda.storage.contract import Storage
from recuerda.studio.faults import Fault

MOST_THREADS = 100
"""The largest number of threads that are watched at the same time."""

State: TypeAlias = tuple[object, ...]


class Watching:
    """Watch the threads of a storage that pages show.

    Args:
        storage: the storage.
        interval_s: the seconds between two looks at a thread.
    """

    def __init__(self, storage: Storage, *, interval_s: float) -> None:
        self._storage = storage
        self._interval_s = interval_s
        self._watches: dict[str, _Watch] = {}

    @property
    def threads(self) -> int:
        """The number of threads that are watched."""
        return len(self._watches)

    def check_room(self, thread_id: str) -> None:
        """Check that a thread can be watched. A stream asks this before it begins to answer.

        Raises:
            Fault: too many threads are watched.
        """
        if thread_id not in self._watches and len(self._watches) >= MOST_THREADS:
            raise Fault(503, "busy", "fault.busy", count=MOST_THREADS)

    @asynccontextmanager
    async def watched(self, thread_id: str) -> AsyncGenerator[_Watch]:
        """Watch a thread for one page.

        Raises:
            Fault: too many threads are watched.
        """
        self.check_room(thread_id)
        watch = self._watches.get(thread_id)
        if watch is None:
            watch = self._watches[thread_id] = _Watch(self._storage, thread_id, self._interval_s)
        watch.pages += 1
        try:
            yield watch
        finally:
            watch.pages -= 1
            if not watch.pages:
                del self._watches[thread_id]
                await watch.stop()


class _Watch:
    """One watched thread."""

    def __init__(self, storage: Storage, thread_id: str, interval_s: float) -> None:
        self._storage = storage
        self._thread_id = thread_id
        self._interval_s = interval_s
        self._state: State | None = None
        self._changed = asyncio.Condition()
        self.pages: int = 0
        self.changes: int = 0
        self._task = asyncio.create_task(self._look())

    async def after(self, changes: int, *, patience_s: float) -> int:
        """Wait until the thread has changed since a count of changes, or for some seconds. Return the count."""
        try:
            async with asyncio.timeout(patience_s), self._changed:
                await self._changed.wait_for(lambda: self.changes > changes)
        except TimeoutError:
            return self.changes
        return self.changes

    async def stop(self) -> None:
        """End the task."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _look(self) -> None:
        while True:
            state = await self._read()
            if state != self._state:
                self._state = state
                async with self._changed:
                    self.changes += 1
                    self._changed.notify_all()
            await asyncio.sleep(self._interval_s)

    async def _read(self) -> State | None:
        """Return a value that changes with the thread and its draft; the last value if the storage does not answer."""
        try:
            found = await self._storage.read(self._thread_id, last_turns=0)
            draft = await self._storage.load_draft(self._thread_id) if found.has_draft else None
        except Exception:  # noqa: BLE001 - a driver may raise anything for a moment, and the pages would hear no more
            return self._state
        version = None if found.info is None else found.info.version
        return version, None if draft is None else (draft.turn_id, len(draft.steps))
