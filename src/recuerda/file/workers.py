"""OS threads that do the blocking work of a file storage, and queues for the work that excludes itself.

Two writes of one stripe exclude each other. If each of them had an OS thread, the second would wait in it for the
first, and a stripe that another process holds would soon stop all threads. So the writes of a stripe wait in a queue,
and take one thread at a time. They also run in the order in which they came.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from recuerda.storage.jobs import Job, Outcome, settle

T = TypeVar("T")


class Workers:
    """A pool of OS threads, which start when they are needed.

    Args:
        threads: the largest number of threads.
        name: the start of their names.
    """

    def __init__(self, threads: int, name: str) -> None:
        self._pool = ThreadPoolExecutor(threads, name)
        self._waiting: dict[int, deque[Job[Any]]] = {}  # the queues of the stripes that have a thread
        self._mutex = threading.Lock()

    def submit(self, run: Callable[[], T], *, stripe: int | None = None) -> Job[T]:
        """Queue a job, and return it. Jobs of one stripe run one after the other.

        A job that is cancelled while it waits does not run. A job that has started runs to its end.

        Raises:
            RuntimeError: the threads have been stopped.
        """
        loop = asyncio.get_running_loop()
        job = Job[T](run, loop.create_future(), loop)
        if stripe is None:
            self._pool.submit(_do, job)
            return job
        with self._mutex:
            if stripe in self._waiting:
                self._waiting[stripe].append(job)
            else:
                self._pool.submit(self._do_in_turn, stripe, job)
                self._waiting[stripe] = deque()
        return job

    def stop(self) -> None:
        """Let the waiting jobs finish. The call blocks until that is done."""
        self._pool.shutdown()

    def _do_in_turn(self, stripe: int, job: Job[Any] | None) -> None:
        """Do a job, and let the next job of its stripe take its turn behind the stripes that wait for a thread."""
        while job is not None:
            _do(job)
            if (job := self._next(stripe)) is not None:
                try:
                    self._pool.submit(self._do_in_turn, stripe, job)
                except RuntimeError:  # the threads stop: what waits is done here
                    continue
                return

    def _next(self, stripe: int) -> Job[Any] | None:
        with self._mutex:
            if waiting := self._waiting[stripe]:
                return waiting.popleft()
            del self._waiting[stripe]
            return None


def _do(job: Job[Any]) -> None:
    settle([(job, None, None) if job.future.cancelled() else _outcome(job)])


def _outcome(job: Job[Any]) -> Outcome:
    try:
        return job, job.run(), None
    except BaseException as error:  # noqa: BLE001 - given to the caller, who would wait for ever otherwise
        return job, None, error
