"""Decides which operations on a file are so short that the event loop may do them itself.

An operation in an OS thread costs two changes of the thread, more than the read of a window. But the event loop must
not wait for a disk. So it repeats only small reads that were done a short time ago: then the system has their pages in
memory. If an operation has to wait all the same, the OS threads do everything for a while. So a slow disk costs the
event loop at most one slow operation in each pause.
"""

from __future__ import annotations

import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import ParamSpec, TypeVar

import msgspec

from recuerda.storage.operations import Guard, NewRecord, ReadQuery, ThreadSlice

if sys.platform == "linux":
    import resource

    def _work_of_thread() -> tuple[float, int]:
        """Return the calling thread's processor time in seconds, and how often it waited for something."""
        used = resource.getrusage(resource.RUSAGE_THREAD)
        return used.ru_utime + used.ru_stime, used.ru_nvcsw

else:

    def _work_of_thread() -> tuple[float, int]:
        """Return the calling thread's processor time in seconds, and a new number: each long time may be a wait."""
        return time.thread_time(), time.perf_counter_ns()


P = ParamSpec("P")
T = TypeVar("T")
MAX_THREADS = 1024
MAX_RECORDS = 100
MAX_BYTES = 64 * 1024
FRESH_S = 60.0
"""The seconds after a read for which its pages are expected to be in memory."""

SLOW_S = 0.001
"""The time from which on a wait, for the disk or for another thread, is long. Time in which the thread works does not
count, and time in which the system has given its processor to another program does not count where the system tells."""

PAUSE_S = 0.1


class _Window(msgspec.Struct):
    """The last window that was read from a thread: the query, the bytes of its bodies, and the times of use.

    The query is None for a thread that was made here lately: the window has all of it. An append is a use too.
    """

    query: ReadQuery | None
    size: int
    read_at: float
    used_at: float


class RecentReads:
    """The windows that one storage has read lately, and how fast it read them.

    Args:
        clock: a monotonic clock, in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._paused_until = float("-inf")

    @property
    def is_paused(self) -> bool:
        """True for a while after an operation that had to wait."""
        return self._clock() < self._paused_until

    def is_short(self, thread_id: str, query: ReadQuery) -> bool:
        """Return True if a read only repeats a small one that was done lately."""
        window, now = self._windows.get(thread_id), self._clock()
        if window is None or window.size > MAX_BYTES or now - window.read_at > FRESH_S or now < self._paused_until:
            return False
        return window.query is None or query == window.query or query.last_turns == 0

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
        self._keep(thread_id, query, size)

    def grow(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> bool:
        """Count the bytes of records that are appended: the next window may hold them.

        Return True if the end of the thread was read or written lately, so that the append needs no disk. An append
        that expects no record begins a thread, and needs none either.
        """
        window, now = self._windows.get(thread_id), self._clock()
        if window is None:
            if guard.revision != 0:
                return False
            window = self._keep(thread_id, None, 0)
        was_used = now - window.used_at <= FRESH_S
        window.used_at = now
        window.size += sum([len(record.body) for record in records])
        if window.query is None or window.query.blobs != 0:
            window.size += sum([len(one.data) for record in records for one in record.blobs])
        return was_used and now >= self._paused_until

    def _keep(self, thread_id: str, query: ReadQuery | None, size: int) -> _Window:
        now = self._clock()
        window = self._windows[thread_id] = _Window(query, size, now, now)
        self._windows.move_to_end(thread_id)
        if len(self._windows) > MAX_THREADS:
            self._windows.popitem(last=False)
        return window

    def forget(self, thread_id: str) -> None:
        """Forget a thread."""
        self._windows.pop(thread_id, None)

    def timed(self, operation: Callable[P, T]) -> Callable[P, T]:
        """Return the operation with a watch: if it has to wait, none is short for a while."""

        def run(*arguments: P.args, **options: P.kwargs) -> T:
            began, (worked, waits) = time.perf_counter(), _work_of_thread()
            try:
                return operation(*arguments, **options)
            finally:
                took_s = time.perf_counter() - began
                if took_s > SLOW_S:  # usually not, and then the system is not asked again
                    worked_now, waits_now = _work_of_thread()
                    if took_s - (worked_now - worked) > SLOW_S and waits_now != waits:
                        self._paused_until = self._clock() + PAUSE_S

        return run
