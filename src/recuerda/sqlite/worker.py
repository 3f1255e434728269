"""An OS thread that owns one SQLite connection.

SQLite blocks, and an event loop must not. Jobs from any event loop queue here, and those that wait together run as a
group. Before a group runs, the worker checks that the file is in place. `Worker` runs jobs that read; `writer.py` has
the worker that writes.

While jobs come in groups, those of one round of the event loop are queued together. Otherwise the OS thread would take
the first of them as soon as the event loop waits for anything, and each would be a group of its own.

A short read may also run in the caller's thread, on the same connection, while no job uses it.
"""

from __future__ import annotations

import asyncio
import enum
import queue
import sqlite3
import threading
import weakref
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from recuerda._drivers.per_loop import keep_in_children
from recuerda._drivers.sqlite_names import OpenFile, Place
from recuerda.errors import StorageUnavailable
from recuerda.sqlite import forks
from recuerda.sqlite.erasing import LATE_S, Eraser, mark_due
from recuerda.storage.jobs import Job, settle

T = TypeVar("T")
Connect: TypeAlias = Callable[[], sqlite3.Connection]
Outcome: TypeAlias = "tuple[WorkerJob[Any], Any, BaseException | None]"

MAX_GROUP = 256
"""The largest number of jobs in one group. It limits how long the first of them waits."""


class _Signal(enum.Enum):
    """What the OS thread may find among its jobs, beside jobs."""

    STOP = enum.auto()
    WAKE = enum.auto()


class WorkerJob(Job[T], eq=False):
    """A job of a worker. Its future gets the outcome when its transaction has ended.

    Attributes:
        erase_s: the seconds within which the job's erased bytes leave the write-ahead log; None if it erases nothing.
    """

    erase_s: float | None = None


class Worker:
    """Run jobs that read, on a connection in a thread of its own.

    Args:
        connect: opens the connection, in the thread, when the first job comes. If it fails, the next job tries again.
        name: the name of the OS thread.
        place: the place of the file.

    Attributes:
        is_busy: True if the last group had several jobs.
    """

    def __init__(self, connect: Connect, *, name: str, place: Place) -> None:
        self._connect = connect
        self._place = place
        self._file: OpenFile | None = None
        self._connection: sqlite3.Connection | None = None
        self._use = threading.Lock()  # held by the thread that uses the connection
        self._jobs: queue.SimpleQueue[WorkerJob[Any] | _Signal] = queue.SimpleQueue()
        self._gathered: list[WorkerJob[Any]] = []  # the jobs of the present round of one event loop
        self.is_busy: bool = False
        self._is_closed = False
        self._loop: Callable[[], asyncio.AbstractEventLoop | None] = lambda: None
        self._mutex = threading.Lock()
        self._eraser = Eraser()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        forks.watch(self)
        self._thread.start()

    @property
    def is_stopped(self) -> bool:
        """True when the worker takes no more jobs."""
        return self._is_closed

    def submit(self, run: Callable[[sqlite3.Connection], T], *, erase_s: float | None = None) -> WorkerJob[T]:
        """Queue a job, and return it.

        A job that is cancelled while it waits does not run. A job that has started runs to its end. With `erase_s`, the
        job erases something, and the write-ahead log is emptied within about this number of seconds (see `erasing.py`).
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop():
            keep_in_children(loop)
            self._loop = weakref.ref(loop)
        job = WorkerJob(run, loop.create_future(), loop, erase_s=erase_s)
        with self._mutex:
            if self._is_closed:
                raise StorageUnavailable("the SQLite storage has been closed; make a new one")
            if self.is_busy:
                self._gather(job)
            else:
                self._jobs.put(job)
        return job

    def _gather(self, job: WorkerJob[Any]) -> None:
        """Keep a job until the callbacks that are ready have run. They may submit further jobs."""
        if not self._gathered or self._gathered[0].loop is not job.loop:
            self._queue_gathered()
            job.loop.call_soon(self._end_round)
        self._gathered.append(job)

    def _end_round(self) -> None:
        with self._mutex:
            self._queue_gathered()

    def _queue_gathered(self) -> None:
        for job in self._gathered:
            self._jobs.put(job)
        self._gathered.clear()

    def run_now(self, run: Callable[[sqlite3.Connection], T]) -> tuple[T] | None:
        """Run a short read in the calling thread, and return its result in a tuple.

        Return None if the connection is in use or not open, or if the read fails. Then the caller submits a job.

        Raises:
            StorageUnavailable: the file is not in place any more.
        """
        if not self._use.acquire(blocking=False):
            return None
        try:
            if self._connection is None:
                return None
            self._check_place()
            return (run(self._connection),)
        except (sqlite3.Error, OSError):
            return None  # The job meets the same error, and reports it.
        finally:
            self._use.release()

    def stop(self) -> None:
        """Let the waiting jobs finish, then close the connection. The call blocks until that is done."""
        if not self._is_closed:
            with self._mutex:
                self._is_closed = True
                self._queue_gathered()
                self._jobs.put(_Signal.STOP)
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _wake(self) -> None:
        """Let the OS thread do what it does while no job waits."""
        self._jobs.put(_Signal.WAKE)

    def _work(self) -> None:
        try:
            self._run_jobs()
        finally:
            forks.forget(self)

    def _run_jobs(self) -> None:
        is_open = True
        while is_open:
            group, is_open = self._next_group(None if self._connection is None else self._eraser.timeout_s())
            if group:
                self.is_busy = len(group) > 1
            with self._use:
                outcomes = self._attend(group) if group else self._rest()
            if outcomes:
                settle(outcomes)
            del (
                group,
                outcomes,
            )  # Otherwise the results, perhaps a long thread, would stay in memory until the next job.
        with self._use:
            if self._connection is not None and self._is_in_place():
                self._eraser.finish(self._connection)
            self._close()

    def _attend(self, group: list[WorkerJob[Any]]) -> list[Outcome]:
        """Run a group of jobs, and return their outcomes. Close the connection if it failed to open, or broke."""
        is_usable = False
        try:
            connection = self._opened()
            outcomes = self._run(connection, group)
            is_usable = self._place.problem is None
        except Exception as error:  # noqa: BLE001 - given to the callers that wait
            outcomes: list[Outcome] = [(job, None, error) for job in group]
        if self._connection is not None and is_usable:
            self._tidy(self._connection, outcomes)
        else:
            self._close()
        return outcomes

    def _rest(self) -> list[Outcome]:
        """Tidy the file while no job waits."""
        if self._connection is not None and self._is_in_place():
            self._tidy(self._connection, [])
        else:
            self._close()
        return []

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection, self._file = self._place.open(self._connect)
            self._note_opening(self._connection)
        return self._connection

    def _note_opening(self, connection: sqlite3.Connection) -> None:
        self._eraser.note_opening(connection, is_writer=False)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _check_place(self) -> None:
        if self._file is not None:
            self._place.check(self._file)

    def _is_in_place(self) -> bool:
        try:
            self._check_place()
        except (StorageUnavailable, OSError):
            return False  # the next job meets the same error, and its caller gets it
        return True

    def _tidy(self, connection: sqlite3.Connection, outcomes: list[Outcome]) -> None:
        """Remove copies of erased text, after a group of jobs or while no job waits."""
        self._eraser.work(connection)

    def _next_group(self, timeout_s: float | None) -> tuple[list[WorkerJob[Any]], bool]:
        group: list[WorkerJob[Any]] = []
        try:
            job = self._jobs.get(timeout=timeout_s)
        except queue.Empty:
            return group, True
        while job is not _Signal.STOP:
            if isinstance(job, WorkerJob):
                group.append(job)
            if len(group) >= MAX_GROUP or self._jobs.empty():  # nobody else takes jobs
                return group, True
            job = self._jobs.get()
        return group, False

    def _run(self, connection: sqlite3.Connection, group: list[WorkerJob[Any]]) -> list[Outcome]:
        """Run jobs that read. A job of more than one statement makes a snapshot for itself."""
        try:
            self._check_place()
        except (StorageUnavailable, OSError) as error:
            return [(job, None, error) for job in group]
        outcomes = [attempt(connection, job, Exception) for job in group]
        if connection.in_transaction:
            connection.rollback()
        return outcomes


def attempt(connection: sqlite3.Connection, job: WorkerJob[Any], expected: type[Exception]) -> Outcome:
    """Run a job, unless its caller was cancelled while it waited. An error that was expected is its outcome."""
    if job.future.cancelled():
        return job, None, None
    try:
        result = job.run(connection)
        if job.erase_s is not None and job.erase_s < LATE_S:
            mark_due(connection)
    except expected as error:
        return job, None, error
    else:
        return job, result, None
