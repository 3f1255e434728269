"""OS threads that do the blocking work of a file storage, and queues for the work that excludes itself.

Two writes of one stripe exclude each other. If each of them had an OS thread, the second would wait in it for the
first, and a stripe that another process holds would soon stop all threads. So the writes of a stripe wait in a queue,
and take one thread at a time. They also run in the order in which they came.

A thread goes on with the next job that waits. It may give the outcomes of short jobs to the event loop together: to
wake the loop and a thread for each of them would cost more than the jobs.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple, TypeVar

from recuerda.storage.jobs import Job, Outcome, settle

T = TypeVar("T")

PATIENCE_S = 0.001
"""The time from which on an outcome does not wait for the next job."""


class _Ready(NamedTuple):
    """A job that a thread may do now, and its stripe."""

    job: Job[Any]
    stripe: int | None


class Workers:
    """A pool of OS threads, which start when they are needed.

    Args:
        threads: the largest number of threads.
        name: the start of their names.
        share: the number of jobs that one thread is given before a further one starts. It gives the outcomes of up to
            this number of jobs to the event loop together, so the number is 1 for jobs that may wait long.
    """

    def __init__(self, threads: int, name: str, *, share: int = 1) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._threads = threads
        self._share = share
        self._busy = 0
        self._ready: deque[_Ready] = deque()
        self._behind: dict[int, deque[Job[Any]]] = {}  # the jobs of a stripe behind the one that runs or is ready
        self._mutex = threading.Lock()

    def submit(self, run: Callable[[], T], *, stripe: int | None = None) -> Job[T]:
        """Queue a job, and return it. Jobs of one stripe run one after the other.

        A job that is cancelled while it waits does not run. A job that has started runs to its end.

        Raises:
            RuntimeError: the threads have been stopped.
        """
        loop = asyncio.get_running_loop()
        job = Job[T](run, loop.create_future(), loop)
        with self._mutex:
            if stripe in self._behind:
                self._behind[stripe].append(job)
                return job
            if self._busy < self._threads and len(self._ready) >= self._busy * (self._share - 1):
                self._pool.submit(self._work)
                self._busy += 1
            self._ready.append(_Ready(job, stripe))
            if stripe is not None:
                self._behind[stripe] = deque()
        return job

    def has(self, stripe: int) -> bool:
        """Return True if a job of a stripe runs or waits."""
        return stripe in self._behind

    def stop(self) -> None:
        """Let the waiting jobs finish. The call blocks until that is done."""
        self._pool.shutdown()

    def _work(self) -> None:
        """Do jobs until none is ready."""
        outcomes: list[Outcome] = []
        began = 0.0
        while (ready := self._take()) is not None:
            began = began if outcomes else time.monotonic()
            outcomes.append(_outcome(ready.job))
            if ready.stripe is not None:
                self._let_next(ready.stripe)
            if len(outcomes) >= self._share or time.monotonic() - began > PATIENCE_S:
                settle(outcomes)
                outcomes = []
        if outcomes:
            settle(outcomes)

    def _take(self) -> _Ready | None:
        """Return the next job. With None, the calling thread has left."""
        with self._mutex:
            if self._ready:
                return self._ready.popleft()
            self._busy -= 1
            return None

    def _let_next(self, stripe: int) -> None:
        """Let the next job of a stripe take its turn behind the stripes that are ready."""
        with self._mutex:
            if behind := self._behind[stripe]:
                self._ready.append(_Ready(behind.popleft(), stripe))
            else:
                del self._behind[stripe]


def _outcome(job: Job[Any]) -> Outcome:
    if job.future.cancelled():
        return job, None, None
    try:
        return job, job.run(), None
    except BaseException as error:  # noqa: BLE001 - given to the caller, who would wait for ever otherwise
        return job, None, error
