"""The embedded index: one SQLite file, used in an OS thread of its own.

SQLite blocks, and an event loop must not block. So every operation is a job for one worker thread, which owns the
connection. A damaged file is deleted and rebuilt. The readable part of its list of forgotten turns is saved.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
import threading
import weakref
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from recuerda._drivers.identity import identity
from recuerda._drivers.private_files import make_private_file, make_private_folder
from recuerda._drivers.sqlite import DRIVER_ERRORS, delete_files
from recuerda._drivers.sqlite_names import OpenFile
from recuerda._events import fields
from recuerda.errors import (
    ConfigurationError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from recuerda.recall.facts import Fact, NewFact
from recuerda.recall.index import (
    CandidateQuery,
    Candidates,
    Correction,
    Document,
    Forgetting,
    HeldDocuments,
    HeldTurn,
    IndexStats,
    Position,
    RecallIndex,
    ScopeInfo,
    ThreadUpdate,
    Unembedded,
)
from recuerda.recall.sqlite import copies, entries, following, meaning, searching
from recuerda.recall.sqlite import facts as fact_tables
from recuerda.recall.sqlite.cleaning import Cleaner
from recuerda.recall.sqlite.schema import connect, restore, salvage

T = TypeVar("T")

MAX_TRIES = 3
"""The number of attempts at a write if the file is removed or replaced before the write is acknowledged."""

_DAMAGED = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
_logger = logging.getLogger("recuerda.recall")


class SQLiteRecallIndex(RecallIndex):
    """Keep an index of memories in one SQLite file.

    Args:
        path: the path of the file. The file and its folder are created if they are missing, for their owner alone
            (modes 0600 and 0700). Several processes may use one file at once. ":memory:" keeps the index in RAM, for
            this object only.
        busy_timeout_s: seconds to wait for another process's write before `StorageBusy`.

    The file holds the messages in plain text, even if the storage encrypts them. It is opened when it is first used. If
    it is removed or replaced while it is open, the next operation, or the one at work, goes to the file in place, which
    is rebuilt from the log.
    """

    generation: int = 0

    def __init__(self, path: str | os.PathLike[str], *, busy_timeout_s: float = 10.0) -> None:
        if not str(path):
            raise ConfigurationError('the path of an index is empty; give a file, or ":memory:"')
        self.path: Path | None = None if str(path) == ":memory:" else Path(path).expanduser().absolute()
        self._busy_timeout_s = busy_timeout_s
        self._mutex = threading.RLock()
        self._executor: ThreadPoolExecutor | None = None
        self._connection: sqlite3.Connection | None = None
        self._file: OpenFile | None = None
        self._is_closed = False
        self._cleaner = Cleaner(timeout_s=busy_timeout_s)
        _watch(self)

    @classmethod
    def from_url(cls, url: str) -> SQLiteRecallIndex:
        """Return the index at `sqlite:///relative.db` or, with four slashes, `sqlite:////absolute.db`."""
        parts = urlsplit(url)
        path = unquote(parts.path[1:])
        # Without the slashes, the first character of the path would be lost: `sqlite:memory.db` is not `emory.db`.
        if not url.lower().startswith("sqlite:///") or parts.query or parts.fragment or not path:
            raise ConfigurationError("the URL of an index must be sqlite:///relative.db or sqlite:////absolute.db")
        return cls(path)

    def __repr__(self) -> str:
        return f"SQLiteRecallIndex({str(self.path or ':memory:')!r})"

    async def positions(self, thread_ids: Sequence[str]) -> dict[str, Position]:
        return await self._look(partial(searching.positions, thread_ids))

    async def followed(self, scope: str | None) -> dict[str, Position]:
        return await self._look(partial(searching.followed, scope))

    async def scopes(self, start: str, end: str) -> list[str]:
        return [] if self._is_missing() else await self._look(partial(searching.scopes, start, end))

    async def apply(self, update: ThreadUpdate) -> bool:
        applied = await self._write(partial(following.apply, update))
        if applied.full_scope is not None:
            self._enter_later(applied.full_scope)
        if applied.removed:
            self._cleaner.note()
            # A thread with a limit loses its oldest turns with each new turn. No caller waits for the clean-up.
            if update.first == 1 or update.undone:
                await self._look(self._cleaner.empty_log)
        if self._cleaner.is_due:
            self._later(partial(self._attend, self._cleaner.tidy, is_write=False))
        return applied.is_applied

    async def scope_info(self, scope: str) -> ScopeInfo:
        return await self._look(partial(searching.scope_info, scope))

    async def overview(
        self, thread_ids: Sequence[str], scopes: Sequence[str]
    ) -> tuple[dict[str, Position], dict[str, ScopeInfo]]:
        return await self._look(partial(searching.overview, thread_ids, scopes))

    async def candidates(self, query: CandidateQuery) -> Candidates:
        return await self._look(partial(searching.candidates, query))

    async def documents(self, keys: Sequence[int]) -> dict[int, Document]:
        return await self._look(partial(searching.documents, keys))

    async def documents_at(self, keys: Sequence[int]) -> tuple[dict[int, Document], dict[str, Position]]:
        return await self._look(partial(searching.documents_at, keys))

    async def holders(self, thread_id: str, turn: int) -> list[HeldTurn]:
        return await self._look(partial(copies.holders, thread_id, turn))

    async def held(self, turns: Sequence[Forgetting], limit: int) -> HeldDocuments:
        return await self._look(partial(searching.held, turns, limit))

    async def newest(self, scope: str, before: int | None, limit: int) -> list[int]:
        return await self._look(partial(searching.newest, scope, before, limit))

    async def forgotten(self, scope: str, limit: int) -> list[Forgetting]:
        return await self._look(partial(searching.forgotten, scope, limit))

    async def forget(self, forgettings: Sequence[Forgetting]) -> int:
        gone = await self._write(partial(following.forget, forgettings))
        self._cleaner.note()
        await self._look(self._cleaner.finish)
        return gone

    async def known_threads(self, after: str, limit: int) -> list[str]:
        return await self._look(partial(searching.known_threads, after, limit))

    async def next_to_check(self, limit: int) -> list[str]:
        return await self._write(partial(following.next_to_check, limit))

    async def erase(self, thread_ids: Sequence[str], scope: str | None) -> int:
        if self._is_missing():
            return 0  # nothing was ever remembered, so no file is created for it
        gone = await self._write(partial(following.erase, thread_ids, scope))
        if gone or scope is not None:
            # A repeated erasure of a user removes the copies that a killed process left, too.
            self._cleaner.note()
        if scope is not None:
            await self._look(self._cleaner.finish)
        elif self._cleaner.is_due:
            await self._look(self._cleaner.tidy)
        return gone

    async def unembedded(self, scope: str, model_id: str, limit: int) -> list[Unembedded]:
        return await self._look(partial(meaning.unembedded, scope, model_id, limit))

    async def copied_vectors(self, scope: str, model_id: str, keys: Sequence[int]) -> dict[int, Sequence[float]]:
        return await self._look(partial(meaning.copied_vectors, scope, model_id, keys))

    async def vector_models(self, scope: str) -> dict[str, int]:
        return await self._look(partial(meaning.vector_models, scope))

    async def vector_dimensions(self, scope: str, model_id: str) -> int | None:
        return await self._look(partial(meaning.vector_dimensions, scope, model_id))

    async def add_vectors(
        self,
        scope: str,
        model_id: str,
        vectors: Mapping[int, Sequence[float]],
        *,
        generation: int | None = None,
    ) -> None:
        def add(connection: sqlite3.Connection) -> None:
            if generation in (None, self.generation):
                meaning.add_vectors(scope, model_id, vectors, connection)

        await self._write(add)

    async def add_facts(
        self, thread_id: str, position: Position, turn: int, facts: Sequence[NewFact], *, turn_id: str | None = None
    ) -> None:
        await self._write(partial(fact_tables.add_facts, thread_id, position, turn, facts, turn_id=turn_id))

    async def correct_message(self, message: Document, position: Position, text: str, at_us: int) -> int | None:
        return await self._write(partial(fact_tables.correct_message, message, position, text, at_us))

    async def correct_fact(self, scope: str, fact: int, text: str, at_us: int) -> int | None:
        return await self._write(partial(fact_tables.correct_fact, scope, fact, text, at_us))

    async def take_back(self, scope: str, fact: int) -> bool:
        is_done = await self._write(partial(fact_tables.take_back, scope, fact))
        if is_done:
            self._cleaner.note()
            await self._look(self._cleaner.empty_log)
        return is_done

    async def corrections(self, scope: str) -> list[Correction]:
        return await self._look(partial(fact_tables.list_corrections, scope))

    async def facts_through(self, thread_id: str, incarnation: str) -> int | None:
        return await self._look(partial(fact_tables.facts_through, thread_id, incarnation))

    async def facts(self, scope: str, *, has_history: bool = False) -> list[Fact]:
        return await self._look(partial(fact_tables.list_facts, scope, has_history=has_history))

    async def stats(self) -> IndexStats:
        return await self._look(searching.stats)

    async def close(self) -> None:
        self._is_closed = True
        await asyncio.to_thread(self.rest)
        self._disconnect()  # `rest` keeps the connection of an index in RAM, because it holds the data

    def rest(self) -> None:
        """Finish pending jobs, and close the file until it is used again. This call blocks."""
        with self._mutex:
            executor, self._executor = self._executor, None
            if executor is None:
                return
            if self.path is not None:
                if self._cleaner.is_needed:
                    self._later(partial(self._attend, self._cleaner.finish, is_write=False), executor)
                executor.submit(self._disconnect)
        # Outside of the mutex, because a job may start another one.
        executor.shutdown(wait=True)

    def _is_missing(self) -> bool:
        """Return True if there is no file, and none is open."""
        return self.path is not None and self._connection is None and not self.path.exists()

    async def _look(self, run: Callable[[sqlite3.Connection], T]) -> T:
        return await self._submit(partial(self._attend, run, is_write=False))

    async def _write(self, run: Callable[[sqlite3.Connection], T]) -> T:
        return await self._submit(partial(self._attend, run, is_write=True))

    async def _submit(self, job: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._worker(), job)

    def _worker(self) -> ThreadPoolExecutor:
        with self._mutex:
            if self._is_closed:
                raise StorageUnavailable(f"the index {self.path or ':memory:'} has been closed; create a new one")
            if self._executor is None:
                self._executor = ThreadPoolExecutor(1, thread_name_prefix="recuerda-recall")
            return self._executor

    def _enter_later(self, scope: int) -> None:
        """Enter pending terms after the current jobs. Until then, a search reads them from the pending documents."""
        self._later(partial(self._enter, scope))

    def _enter(self, scope: int) -> None:
        if self._attend(partial(entries.enter_waiting, scope), is_write=True):
            self._enter_later(scope)

    def _later(self, job: Callable[[], object], executor: ThreadPoolExecutor | None = None) -> None:
        def run() -> None:
            try:
                job()
            except StorageError as error:
                _logger.warning(
                    "the clean-up of the index of memories failed, and is repeated later: %s",
                    error,
                    extra=fields("index_not_cleaned", error=type(error).__name__),
                )

        with self._mutex:
            if (worker := executor or self._executor) is not None:
                worker.submit(run)

    def _attend(self, run: Callable[[sqlite3.Connection], T], *, is_write: bool) -> T:
        try:
            try:
                return self._run(run, is_write=is_write)
            except sqlite3.DatabaseError as error:
                if _code(error) not in _DAMAGED or self.path is None:
                    raise
                self._make_anew(error)
                return self._run(run, is_write=is_write)
        except DRIVER_ERRORS as error:
            raise self._translated(error) from error

    def _run(self, run: Callable[[sqlite3.Connection], T], *, is_write: bool) -> T:
        for _ in range(MAX_TRIES):
            result = self._run_once(run, is_write=is_write)
            if not is_write or not self._is_lost():
                return result
        raise StorageUnavailable(
            f"the index {self.path} is removed or replaced again and again; let it be, and try again"
        )

    def _run_once(self, run: Callable[[sqlite3.Connection], T], *, is_write: bool) -> T:
        connection = self._connected()
        connection.execute("BEGIN IMMEDIATE" if is_write else "BEGIN")
        try:
            result = run(connection)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        return result

    def _connected(self) -> sqlite3.Connection:
        if self._is_lost():
            self._disconnect()
            self.generation += 1
        if self._connection is None:
            self._connection, self._file = self._opened()
        return self._connection

    def _is_lost(self) -> bool:
        """Return whether the open file is not the file in place: it was deleted, or rebuilt by another process."""
        return self._connection is not None and self._file is not None and self._file.problem() is not None

    def _opened(self) -> tuple[sqlite3.Connection, OpenFile | None]:
        if self.path is None:
            return connect(":memory:", busy_timeout_s=self._busy_timeout_s), None
        make_private_folder(self.path.parent)
        make_private_file(self.path)
        before = identity(self.path)
        connection = connect(str(self.path), busy_timeout_s=self._busy_timeout_s)
        file = OpenFile(self.path)
        if file.identity != before:
            connection.close()
            raise StorageUnavailable(f"the index {self.path} was replaced while it was being opened; try again")
        return connection, file

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _make_anew(self, error: sqlite3.Error) -> None:
        if self.path is None:
            return
        self._disconnect()
        forgotten = salvage(self.path)
        _logger.warning(
            "the index of memories %s is damaged (%s); it is rebuilt from the log",
            self.path,
            error,
            extra=fields("index_damaged", path=str(self.path), error=type(error).__name__),
        )
        delete_files(self.path)
        self.generation += 1
        restore(self._connected(), forgotten)

    def _translated(self, error: Exception) -> StorageError:
        code, where = _code(error), self.path or ":memory:"
        if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return StorageBusy(f"another process is writing to the index {where}; try again")
        if code == sqlite3.SQLITE_FULL:
            return StorageFull(
                f"the index {where} cannot grow, because the disk is full; free some space and try again"
            )
        if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM):
            return StorageReadOnly(f"the index {where} is read-only; check the permissions of the file and its folder")
        if code == sqlite3.SQLITE_CANTOPEN or isinstance(error, OSError):
            return StorageUnavailable(f"the index {where} cannot be opened ({error}); check the path")
        return StorageError(f"the index {where} failed: {error}")


def _code(error: Exception) -> int:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


_watched: weakref.WeakSet[SQLiteRecallIndex] = weakref.WeakSet()


def _watch(index: SQLiteRecallIndex) -> None:
    """Close the index before a fork: SQLite's locks do not survive one (https://sqlite.org/howtocorrupt.html)."""
    if not _watched and hasattr(os, "register_at_fork"):
        _register()
    _watched.add(index)


def _rest_all() -> None:
    for index in tuple(_watched):
        if index.path is not None:
            index.rest()


_is_registered: list[bool] = []


def _register() -> None:
    if not _is_registered:
        _is_registered.append(True)
        os.register_at_fork(before=_rest_all)
