"""Work that is done after a reply, so that no caller waits for it: learning, summaries and indexes.

A job runs as a task of the event loop that started it, because its connections belong to that loop. Jobs with the same
key (such as a thread's id) run one after the other in the order of their start, even if they come from different loops.
Jobs with different keys run at the same time. The number of jobs is bounded. At the limit, `start` waits, so that a
slow service slows its callers down instead of filling the memory. No failure is lost: if a job fails, or is cancelled
because its loop ends, the failure is logged and kept until `take_failures` is called.

If a service hangs, each job takes its whole time limit. Nobody waits for all of them at the end: after a job that took
too long, the jobs of its key are left out.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeAlias

from recuerda._events import fields
from recuerda.ids import check_limit

Work: TypeAlias = Callable[[], Awaitable[object]]
"""The work of a job. It must not call `start` or `finish` of the same `Deferred`, because it would wait for itself."""

_STUCK_CHECK_S = 0.5
_STOPPED = "its event loop was stopped before it ended"

_logger = logging.getLogger("recuerda.providers")


class Deferred:
    """Do work later and in order, and report failures.

    It may be used from several event loops and threads. The owner awaits `finish` when it closes.

    Args:
        owner: the name of the owner in reports of failures, such as a provider's name.
        max_waiting: the largest number of jobs that run or wait at the same time.
    """

    def __init__(self, owner: str, *, max_waiting: int = 100) -> None:
        self._owner = owner
        self._max_waiting = check_limit(max_waiting, "max_waiting")
        self._mutex = threading.Lock()
        self._jobs: dict[_Job, None] = {}  # the jobs that have not ended, in the order of their start
        self._failures: deque[str] = deque(maxlen=self._max_waiting)
        self._finishing = 0

    async def start(self, key: str, work: Work, *, is_optional: bool = False, is_single: bool = False) -> None:
        """Start a job that calls and awaits `work` after the earlier jobs of `key` have ended, even if they failed.

        Returns at once or, if there are already `max_waiting` jobs, as soon as one of them has ended. If the caller is
        cancelled while it waits, the job is not started. A later cancellation of the caller does not affect the job.
        `is_optional` is True for work that is done again later. It is left out at the limit of jobs, and its failure is
        neither kept nor logged as a warning. `is_single` is True for work that does everything that is left to do for
        its key. It is left out if a job of the key has not begun yet.
        """
        for job in [job for job in self._unfinished() if job.is_lost]:
            self._drop(job, _STOPPED)
        if is_single and any(job.key == key and not (job.has_begun or job.is_stuck) for job in self._unfinished()):
            return
        while isinstance(job := self._admitted(key, is_optional=is_optional), _Blocked):
            if is_optional:
                return
            await job.by.over()
        # From here on the mutex is not needed: the job belongs to this loop, and nothing has been awaited since.
        task = asyncio.ensure_future(self._carry_out(job, work))
        job.task = task
        # A `finally` in the coroutine would not do: a task that is cancelled before its first step never enters it.
        task.add_done_callback(partial(self._ended, job))

    async def finish_within(self, limit_s: float) -> None:
        """Wait as `finish` does, but not longer than a number of seconds. The jobs that are left then are cancelled.

        They count as failed, so the log and `take_failures` name them.
        """
        try:
            async with asyncio.timeout(limit_s):
                await self.finish()
        except TimeoutError:
            for job in self._unfinished():
                self._drop(job, f"it had not ended {limit_s:g} s after the close, so it was left out")
                job.cancel()

    async def finish(self) -> None:
        """Wait until every job has ended, including jobs of other event loops and jobs that start during the wait.

        A job whose loop no longer runs cannot end; it counts as failed. After a job that failed with `TimeoutError`, or
        because of one, the waiting jobs of its key are left out, and count as failed too. A cancellation ends the
        waiting, not the jobs.
        """
        with self._mutex:
            self._finishing += 1
        try:
            while jobs := self._unfinished():
                job = jobs[0]
                await job.over()
                if not job.has_ended.is_set():
                    self._drop(job, _STOPPED)
        finally:
            with self._mutex:
                self._finishing -= 1

    def take_failures(self) -> tuple[str, ...]:
        """Return the failures since the last call, the oldest first. Each was logged when it happened.

        Only the last `max_waiting` failures are kept.
        """
        with self._mutex:
            failures = tuple(self._failures)
            self._failures.clear()
        return failures

    async def _carry_out(self, job: _Job, work: Work) -> None:
        previous, job.previous = job.previous, None
        if previous is not None:
            await previous.over()
            if self._finishing and previous.took_too_long:
                job.took_too_long = True
                raise TimeoutError("the work before it took too long, so it was left out")
        job.has_begun = True
        try:
            await work()
        except Exception as error:
            job.took_too_long = isinstance(error, TimeoutError) or isinstance(error.__cause__, TimeoutError)
            raise

    def _unfinished(self) -> list[_Job]:
        with self._mutex:
            return list(self._jobs)

    def _admitted(self, key: str, *, is_optional: bool) -> _Job | _Blocked:
        with self._mutex:
            waiting = [job for job in self._jobs if not job.is_stuck]
            if len(waiting) >= self._max_waiting:
                return _Blocked(waiting[0])
            previous = next((job for job in reversed(waiting) if job.key == key), None)
            job = _Job(key, previous, is_optional=is_optional)
            self._jobs[job] = None
            return job

    def _ended(self, job: _Job, task: asyncio.Future[Any]) -> None:
        if task.cancelled():
            self._drop(job, "it was cancelled because its event loop ended")
        elif (error := task.exception()) is not None:
            self._drop(job, f"{type(error).__name__}: {error}")
        else:
            self._drop(job)
        job.end()

    def _drop(self, job: _Job, failure: str | None = None) -> None:
        with self._mutex:
            was_there = job in self._jobs
            self._jobs.pop(job, None)
            if failure is None or not was_there:
                return
            if job.is_optional:
                _logger.debug(
                    "%s: optional work after a reply ended early (%s): %s",
                    self._owner,
                    job.key,
                    failure,
                    extra=fields("deferred_work_skipped", provider=self._owner, error=type(failure).__name__),
                )
                return
            text = f"{self._owner}: work after a reply failed ({job.key}): {failure}"
            self._failures.append(text)
        _logger.warning("%s", text, extra=fields("deferred_work_failed", provider=self._owner))


class _Job:
    """One piece of work, on the loop that started it."""

    def __init__(self, key: str, previous: _Job | None, *, is_optional: bool) -> None:
        self.key = key
        self.is_optional = is_optional
        self.has_begun = False
        self.took_too_long = False
        self.previous = previous
        self.task: asyncio.Future[Any] | None = None
        self.has_ended = threading.Event()
        self._loop = asyncio.get_running_loop()
        self._mutex = threading.Lock()
        self._waiters: set[_Waiter] = set()

    @property
    def is_stuck(self) -> bool:
        """True if its loop does not run, so that the job cannot continue."""
        return not self._loop.is_running() and not self.has_ended.is_set()

    @property
    def is_lost(self) -> bool:
        """True if its loop will never run again."""
        return self._loop.is_closed() and not self.has_ended.is_set()

    def cancel(self) -> None:
        """Cancel the job's task, on its own loop. If the loop has been closed, there is nothing to cancel."""
        if self.task is not None:
            with suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self.task.cancel)

    def end(self) -> None:
        """Wake the callers that wait for the job."""
        with self._mutex:
            self.has_ended.set()
            waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            waiter.wake()

    async def over(self) -> None:
        """Wait, on any loop, until the job has ended or is stuck."""
        waiter = _Waiter()
        with self._mutex:
            if self.has_ended.is_set():
                return
            self._waiters.add(waiter)
        try:
            while not self.has_ended.is_set() and not self.is_stuck:
                await waiter.wait()
        finally:
            with self._mutex:
                self._waiters.discard(waiter)


class _Blocked:
    """The result of `_admitted` if another job has to end first."""

    def __init__(self, by: _Job) -> None:
        self.by = by


class _Waiter:
    """An event of one loop that any thread can set."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Wake the waiting caller. If the caller's loop has been closed, there is no caller to wake."""
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        """Wait to be woken, but only for a short time, because there is no signal when another loop stops."""
        try:
            async with asyncio.timeout(_STUCK_CHECK_S):
                await self._event.wait()
        except TimeoutError:
            return
