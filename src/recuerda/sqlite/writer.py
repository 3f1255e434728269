"""The worker that writes. Writes that wait together run in one transaction, and one sync acknowledges all of them.

This gives many conversations a high throughput. A refused job (a conflict) has written nothing, so the other jobs
continue. A job that fails rolls the group back, and then each job is tried alone. The worker checks that the file is in
place before a group runs, and again before it is acknowledged.

With `synchronous="NORMAL"`, a commit only hands pages to the operating system. A change of the thread costs more than
that, so a small write runs in the caller's thread, unless others run in the same round of the event loop. What syncs
stays in the worker's thread: moving the write-ahead log into the file, and beginning the log anew. Otherwise SQLite
would do that in one of the commits, as often as the log has grown enough.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable
from typing import Any, TypeAlias, TypeVar

from recuerda._drivers.sqlite import busy_timeout
from recuerda._drivers.sqlite_names import Place
from recuerda.errors import RecuerdaError
from recuerda.sqlite.schema import touch
from recuerda.sqlite.worker import Connect, Outcome, Worker, WorkerJob, attempt

T = TypeVar("T")
Watch: TypeAlias = Callable[[Callable[..., Any]], Callable[..., Any]]

LOG_COMMITS = 150
"""The number of small commits after which the write-ahead log is moved into the file. They are about 1,000 pages."""

MAX_LOG_COMMITS = 200
"""The number of small commits from which on a write waits until the log was moved. Without a pause between the writes,
the worker's thread may not get the connection before."""

MAX_LOG_PAGES = 4000
"""The length of the write-ahead log from which on any commit moves it into the file."""


class Writer(Worker):
    """Run jobs that write, each group in `BEGIN IMMEDIATE … COMMIT`.

    Args:
        connect: opens the connection, as for `Worker`.
        name: the name of the OS thread.
        place: the place of the file.
        watch: puts a watch around a small write in the caller's thread, which notes whether it had to wait. None if
            commits sync the disk: then every write runs in the worker's thread.
    """

    def __init__(self, connect: Connect, *, name: str, place: Place, watch: Watch | None = None) -> None:
        self._commit_now = None if watch is None else watch(self._commit_one)
        self._is_in_round = False
        self._patience_s = 0.0
        self._commits = 0  # since the write-ahead log was moved into the file
        super().__init__(connect, name=name, place=place)

    def write_now(self, run: Callable[[sqlite3.Connection], T]) -> tuple[T] | None:
        """Commit a small write in the calling thread, and return its result in a tuple.

        Return None if the worker does not do that, if the connection is in use or the file locked, or if the log has to
        be moved first. Then the caller submits a job. So it does with a second write of one round of the event loop:
        from then on, the writes of a round share a transaction.
        """
        if self._commit_now is None or self.is_busy or self._has_round() or not self._use.acquire(blocking=False):
            return None
        if self._commits >= MAX_LOG_COMMITS:
            self._use.release()
            return None
        try:
            return self._commit_now(run)
        finally:
            self._use.release()

    def _has_round(self) -> bool:
        """Return True if there was another write in this round of the event loop, and note that the worker is busy."""
        if self._is_in_round:
            self.is_busy = True
            return True
        self._is_in_round = True
        asyncio.get_running_loop().call_soon(self._leave_round)
        return False

    def _leave_round(self) -> None:
        self._is_in_round = False

    def _commit_one(self, run: Callable[[sqlite3.Connection], T]) -> tuple[T] | None:
        connection = self._connection
        if connection is None:
            return None
        cursor = connection.cursor()
        if not _begin_now(cursor):
            return None
        try:
            self._check_place()
            result = run(connection)
            cursor.execute("COMMIT")
            self._check_place()
        finally:
            if connection.in_transaction:
                connection.rollback()
        self._commits += 1
        if self._commits == LOG_COMMITS:
            self._wake()
        return (result,)

    def _note_opening(self, connection: sqlite3.Connection) -> None:
        self._eraser.note_opening(connection, is_writer=True)
        if self._commit_now is not None:
            # The event loop does not wait for another process, nor does one of its commits move the log.
            self._patience_s = connection.execute("PRAGMA busy_timeout").fetchone()[0] / 1000
            connection.execute("PRAGMA busy_timeout = 0")
            connection.execute(f"PRAGMA wal_autocheckpoint = {MAX_LOG_PAGES}")

    def _run(self, connection: sqlite3.Connection, group: list[WorkerJob[Any]]) -> list[Outcome]:
        """Run jobs that write, in one transaction. If that fails, run each job alone."""
        cursor = connection.cursor()  # one for two statements, because each cursor has its cost
        try:
            self._begin(connection, cursor)
        except Exception as error:  # noqa: BLE001 - given to the callers that wait
            return [(job, None, error) for job in group]
        outcomes = self._commit(connection, cursor, group)
        if outcomes is None:
            return [outcome for job in group for outcome in self._run(connection, [job])]
        return outcomes

    def _begin(self, connection: sqlite3.Connection, cursor: sqlite3.Cursor) -> None:
        if self._commit_now is None:
            cursor.execute("BEGIN IMMEDIATE")  # The connection waits for other processes.
        elif not _begin_now(cursor):
            with busy_timeout(connection, self._patience_s):
                cursor.execute("BEGIN IMMEDIATE")

    def _commit(
        self, connection: sqlite3.Connection, cursor: sqlite3.Cursor, group: list[WorkerJob[Any]]
    ) -> list[Outcome] | None:
        """Run jobs in the transaction that has begun, and commit it. Return None if each has to be tried alone."""
        try:
            self._check_place()
            outcomes = [attempt(connection, job, RecuerdaError) for job in group]
            cursor.execute("COMMIT")
            self._check_place()
        except Exception as error:  # noqa: BLE001 - given to the callers that wait
            return [(group[0], None, error)] if len(group) == 1 else None
        finally:
            if connection.in_transaction:
                connection.rollback()
        return outcomes

    def _tidy(self, connection: sqlite3.Connection, outcomes: list[Outcome]) -> None:
        for job, _, error in outcomes:
            if job.erase_s is not None and error is None:
                self._eraser.note(job.erase_s)
        super()._tidy(connection, outcomes)
        if self._commit_now is not None:
            self._commits += len(outcomes)
            if self._commits >= LOG_COMMITS:
                self._move_log(connection)

    def _move_log(self, connection: sqlite3.Connection) -> None:
        """Move the write-ahead log into the file, and begin it anew. Both wait for the disk."""
        self._commits = 0
        with contextlib.suppress(sqlite3.Error):  # The next commit meets the same error, and reports it.
            _, pages, moved = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
            if pages == moved:
                touch(connection)


def _begin_now(cursor: sqlite3.Cursor) -> bool:
    """Begin to write. Return False if another connection writes."""
    try:
        cursor.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY:
            raise
        return False
    return True
