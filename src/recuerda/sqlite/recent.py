"""Decides which reads are so short that the event loop may do them itself.

A read in SQLite's own OS thread costs two changes of the thread, more than the read of a window. But the event loop
must not wait for a disk. So it repeats only small reads that were done a short time ago: then the system has their
pages in memory. If such a read has to wait all the same, the OS thread does all reads for a while. So a slow disk costs
the event loop at most one slow read in each pause.
"""

from __future__ import annotations

import sqlite3
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TypeVar

import msgspec

from recuerda.storage.records import NewRecord, ReadQuery, ThreadSlice

T = TypeVar("T")
MAX_THREADS = 1024
MAX_RECORDS = 100
MAX_BYTES = 64 * 1024
FRESH_S = 60.0
"""The seconds after a read for which its pages are expected to be in memory."""

SLOW_S = 0.001
"""The time from which on a wait, for the disk or for a processor, is long. The time in which the thread works does not
count."""

PAUSE_S = 0.1


class _Window(msgspec.Struct):
    """The last window that was read from a thread: the query, the bytes of its bodies, and the time of the read."""

    query: ReadQuery
    size: int
    read_at: float


class RecentReads:
    """The windows that one storage has read lately, and how fast it read them.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._paused_until = float("-inf")

    def is_short(self, thread_id: str, query: ReadQuery) -> bool:
        """Return True if a read only repeats a small one that was done lately."""
        window, now = self._windows.get(thread_id), self._clock()
        if window is None or window.size > MAX_BYTES or now - window.read_at > FRESH_S or now < self._paused_until:
            return False
        return query == window.query or query.last_turns == 0

    def note(self, thread_id: str, query: ReadQuery, found: ThreadSlice) -> None:
        """Remember a read that began anew."""
        if query.last_turns == 0 or query.turn_id or query.digests or query.before is not None:
            return
        if found.info is None or len(found.records) > MAX_RECORDS:
            self.forget(thread_id)
            return
        size = sum([len(record.body) for record in found.records])
        if found.summary is not None:
            size += len(found.summary.body)
        if found.blobs:
            size += sum(map(len, found.blobs.values()))
        self._windows[thread_id] = _Window(query, size, self._clock())
        self._windows.move_to_end(thread_id)
        if len(self._windows) > MAX_THREADS:
            self._windows.popitem(last=False)

    def grow(self, thread_id: str, records: Sequence[NewRecord]) -> None:
        """Count the bytes of records that are appended: the next window may hold them."""
        if (window := self._windows.get(thread_id)) is None:
            return
        window.size += sum([len(record.body) for record in records])
        if window.query.blobs != 0:
            window.size += sum([len(one.data) for record in records for one in record.blobs])

    def forget(self, thread_id: str) -> None:
        """Forget a thread."""
        self._windows.pop(thread_id, None)

    def timed(self, read: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
        """Return the read with a watch: if it has to wait, no read is short for a while."""

        def run(connection: sqlite3.Connection) -> T:
            began, worked = time.perf_counter(), time.thread_time()
            try:
                return read(connection)
            finally:
                took_s = time.perf_counter() - began
                # The processor time of a thread takes a system call, which a fast read omits.
                if took_s > SLOW_S and took_s - (time.thread_time() - worked) > SLOW_S:
                    self._paused_until = self._clock() + PAUSE_S

        return run
