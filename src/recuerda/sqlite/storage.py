"""The SQLite storage: each hook is one short transaction.

Two workers share the file in WAL mode, one for reads and one for writes, so a read never waits for an fsync. With the
default `synchronous="FULL"` an acknowledged turn survives a power failure. With "NORMAL" it survives a crash of the
process, and short writes need no worker.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import weakref
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from types import CoroutineType
from typing import Any, ClassVar, Literal, Self, TypeVar
from urllib.parse import unquote, urlsplit

from recuerda._drivers.sqlite import DRIVER_ERRORS
from recuerda._drivers.sqlite_names import Place
from recuerda.errors import (
    ConfigurationError,
    EncodeError,
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from recuerda.sqlite import drafts, forks, leases, threads, turns
from recuerda.sqlite.erasing import LATE_S
from recuerda.sqlite.schema import connect, connect_to_nothing
from recuerda.sqlite.worker import Worker
from recuerda.sqlite.writer import Writer
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.recent import MAX_BYTES, RecentReads
from recuerda.storage.records import Blob
from recuerda.storage.thread_filter import ListedThreads, ThreadFilter
from recuerda.storage.thread_info import ThreadInfo

T = TypeVar("T")

MAX_BLOB_BYTES = 999_999_000
"""The length of the longest blob. SQLite keeps up to 1,000,000,000 bytes in a row; see https://sqlite.org/limits.html"""


class SQLiteStorage(Storage):
    """Keep threads in one SQLite file.

    Args:
        path: the path of the file. The file and its folder are created if they are missing, for their owner alone
            (modes 0600 and 0700). The files with `-wal` and `-shm` at the end of the name belong to it.
        synchronous: with "FULL" (the default), an acknowledged turn is on the disk. "NORMAL" is faster; a power failure
            may undo the last commits, but never damages the file. See https://sqlite.org/pragma.html#pragma_synchronous
        busy_timeout_s: the seconds to wait for another process's write before `StorageBusy`.
        clock: gives the time in microseconds since 1970.

    The first operation opens the file, or makes it. The path must be on a local disk, because WAL needs shared memory.
    If the file, its `-wal` or its `-shm` is removed, renamed or replaced while it is open, the next operation raises
    `StorageUnavailable`, also a read. From then on, every write raises it until the storage is closed and a new one is
    made, and a read reads the file that is in place now, or finds no thread if there is no file.
    """

    kind: ClassVar[str] = "sqlite"
    max_blob_bytes: ClassVar[int | None] = MAX_BLOB_BYTES
    # Each write that is not done at once is one job in an OS thread, and waits for its end.
    write_patience_s: float | None = None
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        synchronous: Literal["FULL", "NORMAL"] = "FULL",
        busy_timeout_s: float = 10.0,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        if synchronous not in ("FULL", "NORMAL"):
            raise ConfigurationError(f"synchronous must be 'FULL' or 'NORMAL', not {synchronous!r}")
        self.path: Path = Path(path).expanduser()
        if str(path) in ("", ":memory:"):
            raise ConfigurationError("a SQLite storage needs a file; for threads in RAM use the URL 'memory:'")
        if "\0" in str(path):
            raise ConfigurationError("a SQLite storage needs the path of a file, without a NUL character")
        self._synchronous = synchronous
        self._commits_here = synchronous != "FULL"
        self._busy_timeout_s = busy_timeout_s
        self._place = Place(self.path)
        self._workers: tuple[Worker, Writer] | None = None
        self._recent = RecentReads()
        self._is_closed = False

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage at `sqlite:///relative.db` or, with four slashes, `sqlite:////absolute.db`."""
        parts = urlsplit(url)
        path = unquote(parts.path[1:])
        # Without the slashes, the first character of the path would be lost: `sqlite:memory.db` is not `emory.db`.
        has_slashes = url[len(parts.scheme) :].startswith(":///")
        if not has_slashes or parts.query or parts.fragment or not path:
            raise ConfigurationError("the URL of a SQLite storage is sqlite:///relative.db, or sqlite:////absolute.db")
        return cls(path)

    # Each coroutine that awaits another one costs as much as a short statement. So the hooks of a turn return the
    # coroutine that does the work.

    def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> CoroutineType[Any, Any, Appended]:
        # An undo, a trim, a replacement and a limit erase turns. A limit does so with each append.
        erase_s = 0.0 if record.kind != "turn" or record.target else None if record.keep_messages is None else LATE_S
        is_in_memory = self._recent.grow(thread_id, [record], guard) and self._commits_here
        run = partial(turns.append, thread_id, record, guard)
        if is_in_memory and erase_s is None and len(record.body) <= MAX_BYTES and not record.blobs:
            return self._write_small(run)
        return self._write(run, erase_s=erase_s)

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        self._recent.grow(thread_id, records, guard)
        return await self._write(partial(turns.append_all, thread_id, records, guard))

    def _read(self, thread_id: str, query: ReadQuery) -> CoroutineType[Any, Any, ThreadSlice]:
        return self._read_on(thread_id, query) if query.after else self._read_anew(thread_id, query)

    async def _read_on(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """Continue a read. If nothing is new and the connection is free, this needs no hop to the reader's thread.

        The thread was read before, so its row is in memory, and the event loop does not wait for the disk.
        """
        found = await self._run_now(partial(turns.read_row, thread_id, query))
        return found or await self._look(partial(turns.read, thread_id, query))

    async def _read_anew(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        """Begin a read. A short one needs no hop to the reader's thread if a connection is free."""
        run = partial(turns.read, thread_id, query)
        found = None
        if self._recent.is_short(thread_id, query):
            found = await self._run_now(self._recent.timed(run))
        found = found or await self._look(run)
        self._recent.note(thread_id, query, found)
        return found

    async def _run_now(self, run: Callable[[sqlite3.Connection], T | None]) -> T | None:
        """Run a short read on a connection that is free, and return its result; None if none is free.

        The writer's connection has the newest pages in its own memory, so it is asked first.
        """
        if (workers := self._free_workers()) is None:
            return None
        try:
            done = workers[1].run_now(run) or workers[0].run_now(run)
        except StorageUnavailable:
            await self._stop_if_lost()
            raise
        return None if done is None else done[0]

    def _free_workers(self) -> tuple[Worker, Writer] | None:
        """Return the reader and the writer if the caller may use their connections; None if it may not.

        While many conversations write at once, their reads go to the reader's thread together. A read in the event loop
        would let the writer's thread begin with a part of their next writes.
        """
        workers = self._workers
        return None if workers is None or self._place.problem is not None or workers[1].is_busy else workers

    async def _heads(self, thread_ids: Sequence[str]) -> dict[str, ThreadInfo]:
        return await self._look(partial(threads.heads, thread_ids))

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        return await self._look(partial(threads.list_threads, wanted, limit, position))

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        return await self._look(partial(threads.walk, user_id, position))

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        return await self._write(partial(threads.update, thread_id, changes, now_us, guard), erase_s=LATE_S)

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        self._recent.forget(thread_id)
        return await self._write(partial(threads.delete, thread_id, guard), erase_s=0.0)

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        # The first step replaces a draft that has ended.
        return await self._write(
            partial(drafts.save, thread_id, step, guard), erase_s=LATE_S if step.number == 1 else None
        )

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        return await self._look(partial(drafts.load, thread_id, guard))

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        return await self._look(partial(drafts.list_infos, limit, user_id, position))

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        return await self._write(partial(drafts.drop, thread_id, turn_id, guard), erase_s=0.0)

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        return await self._write(partial(turns.rewrite, thread_id, change, now_us, guard), erase_s=0.0)

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        return await self._write(partial(turns.replace_blob, thread_id, digest, blob, guard), erase_s=0.0)

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        return await self._write(partial(leases.take, thread_id, holder, ttl_us, guard))

    async def _release(self, thread_id: str, holder: str) -> None:
        await self._write(partial(leases.release, thread_id, holder))

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        return await self._look(partial(leases.list_held, limit))

    async def _clean_up(self) -> None:
        await self._write(lambda _connection: None, erase_s=0.0)

    async def _close(self) -> None:
        with forks.gate:
            self._is_closed = True
            workers, self._workers = self._workers, None
        if workers is not None:
            await asyncio.to_thread(_stop, workers)

    async def _look(self, run: Callable[[sqlite3.Connection], T]) -> T:
        if self._place.problem is not None and not self._is_closed:
            return await asyncio.to_thread(self._look_now, run)
        with forks.gate:
            job = self._started()[0].submit(run)
        try:
            return await job.future
        except StorageUnavailable:
            await self._stop_if_lost()
            raise

    def _look_now(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Read the file that is in place now. The caller has been told that it is not the file that was open."""
        with forks.gate, closing(self._opened_now()) as connection:
            return run(connection)

    def _opened_now(self) -> sqlite3.Connection:
        return self._opener(is_writer=False)() if self._place.path.exists() else connect_to_nothing()

    async def _write_small(self, run: Callable[[sqlite3.Connection], T]) -> T:
        """Run a job that writes little, to pages that are in memory."""
        if (workers := self._free_workers()) is not None:
            try:
                done = workers[1].write_now(run)
            except StorageUnavailable:
                await self._stop_if_lost()
                raise
            if done is not None:
                return done[0]
        return await self._write(run)

    async def _write(self, run: Callable[[sqlite3.Connection], T], *, erase_s: float | None = None) -> T:
        """Run a job that writes. If it erases something, the write-ahead log is emptied within `erase_s` seconds."""
        with forks.gate:
            job = self._started()[1].submit(run, erase_s=erase_s)
        try:
            return await job.future
        except asyncio.CancelledError as cancelled:
            raise cancelled from await job.failure()
        except StorageUnavailable:
            await self._stop_if_lost()
            raise

    async def _stop_if_lost(self) -> None:
        """Stop the workers if their file is not in place any more."""
        if self._place.problem is not None and (workers := self._workers) is not None:
            # A connection that is left open would share its -shm with a storage that is opened now.
            await asyncio.to_thread(_stop, workers)

    def _started(self) -> tuple[Worker, Writer]:
        if self._is_closed:
            raise StorageUnavailable(f"the storage of {self.path} has been closed; make a new one")
        if self._place.problem is not None:
            raise StorageUnavailable(self._place.problem)
        if self._workers is None or self._workers[0].is_stopped:
            name, place = "recuerda-sqlite-", self._place
            watch = self._recent.timed if self._commits_here else None
            self._workers = (
                Worker(self._opener(is_writer=False), name=f"{name}reader", place=place),
                Writer(self._opener(is_writer=True), name=f"{name}writer", place=place, watch=watch),
            )
            weakref.finalize(self, _stop, self._workers)
        return self._workers

    def _opener(self, *, is_writer: bool) -> Callable[[], sqlite3.Connection]:
        # The result does not hold the storage: the worker of a storage that is forgotten has to end.
        return partial(
            connect,
            str(self._place.path),
            synchronous=self._synchronous,
            busy_timeout_s=self._busy_timeout_s,
            is_reader=not is_writer,
        )

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        start = f"could not {action}: {self.path}"
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StorageBusy(
                f"{start} has been locked by another process for over {self._busy_timeout_s:g} s; try again"
            )
        if code == sqlite3.SQLITE_FULL:
            return StorageFull(f"{start} cannot grow because the disk is full; free some space and try again")
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return StorageReadOnly(f"{start} may not be written to; check its permissions and those of its folder")
        if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return StorageUnavailable(
                f"{start} is not a SQLite file, or is damaged; restore a copy, or try sqlite3's .recover"
            )
        if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, OSError | UnicodeError):
            return StorageUnavailable(f"{start} cannot be opened ({error}); check the path and its permissions")
        if code == sqlite3.SQLITE_TOOBIG or isinstance(error, sqlite3.DataError):
            return EncodeError("the turn", "SQLite keeps at most 1,000,000,000 bytes in one record")
        return StorageError(f"{start}: {error}")


def _stop(workers: tuple[Worker, Writer]) -> None:
    for worker in workers:
        worker.stop()
