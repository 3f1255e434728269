"""The PostgreSQL storage: each hook is one statement.

A turn is one call of a function in the database: it locks the thread's row, checks the thread's user and state, looks
for the turn's id, numbers the turn from the row and writes it. So a turn costs two round trips, one to read and one to
append, and the order of turns comes from the thread, not from a sequence or a clock. Statements run in autocommit mode
and leave nothing behind in a session. So any connection will do, including a connection through PgBouncer in
transaction mode.

When many conversations append and read at the same time, one statement makes the appends, or the reads, that wait
(`groups.py`).
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, ClassVar, Self, TypeVar

import msgspec

from recuerda._drivers.per_loop import PerLoop
from recuerda._drivers.postgres.address import DEFAULT_SCHEMA, PostgresAddress, check_schema, split_schema
from recuerda._drivers.postgres.database import Database, Row, Work, rows
from recuerda._drivers.postgres.failures import DRIVER_ERRORS, translate
from recuerda._drivers.postgres.pools import Connection, GivenPool, PoolSettings
from recuerda.errors import (
    ConfigurationError,
    DraftConflict,
    RecuerdaError,
    StorageUnavailable,
    ThreadConflict,
    TurnDropped,
    TurnGone,
)
from recuerda.ids import check_limit, new_call
from recuerda.postgres.groups import Answer, Call, Groups, split, to_columns
from recuerda.postgres.refusals import check_outcome
from recuerda.postgres.rows import to_appended, to_info, to_metadata_json, to_slice
from recuerda.postgres.schema import ensure_tables
from recuerda.postgres.statements import Statements
from recuerda.storage.contract import Clock, Storage, system_clock
from recuerda.storage.drafts import DraftInfo, DraftStep
from recuerda.storage.finishing import settled
from recuerda.storage.hooks import WALK_PAGE
from recuerda.storage.leases import LeaseInfo
from recuerda.storage.operations import Appended, Guard, NewBodies, NewRecord, ReadQuery, ThreadChanges, ThreadSlice
from recuerda.storage.records import Blob
from recuerda.storage.rules import check_user
from recuerda.storage.thread_filter import ListedThreads, Position, ThreadFilter, look_through
from recuerda.storage.thread_info import ThreadInfo

T = TypeVar("T")

_MAX_BIGINT = 2**63 - 1
_TRIP_RECORDS = 500
_TRIP_BYTES = 8_000_000

_GROUPED_BYTES = 64 * 1024
"""The longest body that is appended together with others."""

_GROUPED_MESSAGES = 200
"""The largest window that is read together with others."""

_GROUP_LOCK_TIMEOUT_MS = 20
"""The time that a group waits for a thread that another writer has locked. Then each of its appends is made alone."""


class PostgresStorage(Storage):
    """Keep threads in a schema of a PostgreSQL database.

    Args:
        url: `postgresql://user:password@host:5432/database`, with any parameter of libpq; or a libpq connection
            string. Parts that it leaves out come from libpq's environment variables and password file.
        schema: the name of the schema that holds the tables. It is created if it does not exist.
        max_connections: the largest number of connections of each event loop. Connections open when needed, and close
            after ten minutes without use.
        timeout_s: the seconds to wait for a connection, and for a thread that another writer has locked, before
            `StorageBusy` or `StorageUnavailable`.
        pool: the application's own pool, such as `psycopg_pool.AsyncConnectionPool`. The application opens and closes
            it, and uses the storage on the pool's event loop. `url` and `max_connections` are then ignored.
        clock: gives the time in microseconds since 1970.

    Connecting is lazy: the first operation makes the tables. When a connection breaks, the operation is retried for up
    to `timeout_s`, so a short restart of the server goes unnoticed. The record's id prevents a second write. The
    server's `synchronous_commit` decides how durable an acknowledged turn is: by default, it is on the disk.

    Raises:
        ConfigurationError: the URL or the schema's name cannot be used.
    """

    kind: ClassVar[str] = "postgresql"
    driver_errors: ClassVar[tuple[type[Exception], ...]] = DRIVER_ERRORS
    # A field has up to 1 GB: https://www.postgresql.org/docs/current/limits.html
    max_body_bytes: ClassVar[int | None] = 1_000_000_000
    max_blob_bytes: ClassVar[int | None] = 1_000_000_000
    # `_change` and `Groups` see to this.
    write_patience_s: float | None = None

    def __init__(
        self,
        url: str = "",
        *,
        schema: str = DEFAULT_SCHEMA,
        max_connections: int = 10,
        timeout_s: float = 10.0,
        pool: GivenPool | None = None,
        clock: Clock = system_clock,
    ) -> None:
        super().__init__(clock=clock)
        if not timeout_s > 0:
            raise ConfigurationError(f"timeout_s is a number of seconds above 0, not {timeout_s!r}")
        address = PostgresAddress.parse(url, application_name="recuerda", timeout_s=timeout_s)
        self.place: str = address.place if pool is None else "the application's pool"
        """Where the threads are, `host:port/database`: without credentials, so it can be shown."""
        self.schema: str = check_schema(schema)
        settings = PoolSettings(
            address=address,
            name=f"the storage of {self.place}",
            max_connections=check_limit(max_connections, "max_connections"),
            timeout_s=timeout_s,
            prepares=True,
            given=pool,
        )
        self._database = Database(settings)
        self._appends = PerLoop(partial(Groups, are_writes=True), Groups.close)
        self._reads = PerLoop(partial(Groups, are_writes=False), Groups.close)
        self._has_tables = False
        self._lock_timeout_ms = max(1, round(timeout_s * 1000))
        self._sql = Statements(schema)
        weakref.finalize(self, self._database.abandon)

    @classmethod
    def from_url(cls, url: str) -> Self:
        """Return the storage at `postgresql://user:password@host:5432/database`; `?schema=name` sets the schema."""
        address, schema = split_schema(url)
        return cls(address, schema=schema)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.place!r}, schema={self.schema!r})"

    async def _append(self, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
        files = _blob_values(record.blobs) if record.blobs else ()
        conditions = (*_conditions(thread_id, guard), guard.last_step)
        given = (
            record.call or None,
            record.id,
            record.created_us,
            None if record.committed_us == record.created_us else record.committed_us,
            record.message_count,
            record.body,
            record.kind,
            record.target,
            record.undo_id,
            _bigint(record.keep_messages),
            _json(record.title),
            self._lock_timeout_ms,
            *files,
        )
        call = (*conditions, not record.is_new_id, *given)

        async def alone(*, is_again: bool) -> Answer:
            statement = self._sql.append_with_blobs if files else self._sql.append
            again = (*conditions, True, *given)
            return await self._write(statement, again if is_again else call, again=again)

        if files or len(record.body) > _GROUPED_BYTES:
            row, *names = await alone(is_again=False)
        else:
            appends = await self._appends.get()
            row, *names = await appends.make(call, alone=alone, together=self._append_together)
        if row[0] == "dropped" and record.is_new_id:
            # An attempt whose answer was lost has written the record, and another writer has deleted it since.
            return to_appended(("created" if row[1] == 1 else "appended", row[1]), record)
        _check_appended(row, thread_id, guard, record.id)
        if row[0] == "draft":
            raise DraftConflict(thread_id, turn_id=record.id, number=0)
        if row[0] == "gone":
            raise TurnGone(thread_id, turn=record.target or 0, revision=row[1])
        return to_appended(row, record, names)

    async def _append_together(self, calls: Sequence[Call]) -> Sequence[Answer]:
        columns = to_columns(calls)
        columns[-1] = _GROUP_LOCK_TIMEOUT_MS
        return await self._together(self._sql.append_together, columns, len(calls))

    async def _read_together(self, calls: Sequence[Call]) -> Sequence[Answer | None]:
        *columns, _ = to_columns(calls)
        answers = await self._together(self._sql.read_together, columns, len(calls))
        # Blobs may be large, so a read that needs some is made alone.
        return [
            None if call[-1] and any(row[0] == "name" for row in answer) else answer
            for call, answer in zip(calls, answers, strict=True)
        ]

    async def _together(self, statement: bytes, columns: Sequence[Any], count: int) -> Sequence[Answer]:
        work = partial(self._with_tables, partial(rows, statement, columns))
        return split(await self._database.once(work), count)

    async def _append_all(self, thread_id: str, records: Sequence[NewRecord], guard: Guard) -> list[Appended]:
        async def append_all(connection: Connection) -> list[Appended]:
            done: list[Appended] = []
            async with connection.transaction():
                for part in _trips(records):
                    conditions = Guard(user_id=guard.user_id) if done else guard
                    values = (
                        *_conditions(thread_id, conditions),
                        [record.call or None for record in part],
                        [record.id for record in part],
                        [record.created_us for record in part],
                        [record.committed_us for record in part],
                        [record.message_count for record in part],
                        [record.body for record in part],
                        _json(part[0].title),
                        self._lock_timeout_ms,
                    )
                    blobs = [blob for record in part for blob in record.blobs]
                    owners = [record.id for record in part for _ in record.blobs]
                    if blobs:
                        values = (*values, owners, *_blob_values(blobs))
                    statement = self._sql.append_all_with_blobs if blobs else self._sql.append_all
                    found = await rows(statement, values, connection)
                    _check_appended(found[0], thread_id, conditions, found[0][2])
                    names = found[len(part) :]
                    done += [to_appended(row, record, names) for row, record in zip(found, part, strict=False)]
            return done

        return await self._change(append_all) if records else []

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        values = (
            thread_id,
            _bigint(query.after),
            query.incarnation,
            query.record_id,
            _bigint(query.edits),
            _bigint(query.last_messages),
            _bigint(query.last_turns),
            query.turn_id,
            query.with_summary,
            _bigint(query.before),
            _bigint(query.blobs),
            list(query.digests) or None,
        )

        async def alone(**_: bool) -> Answer:
            return await self._query(self._sql.read, values)

        if query.digests or not _is_short(query):
            return to_slice(await alone())
        reads = await self._reads.get()
        call = (*values[:-2], query.blobs != 0)
        return to_slice(await reads.make(call, alone=alone, together=self._read_together))

    async def _heads(self, thread_ids: Sequence[str]) -> dict[str, ThreadInfo]:
        infos = [to_info(text) for (text,) in await self._query(self._sql.heads, (list(thread_ids),))]
        return {info.id: info for info in infos}

    async def _list(self, wanted: ThreadFilter, limit: int, position: tuple[int, str] | None) -> ListedThreads:
        async def read_page(place: Position | None, count: int) -> Sequence[ThreadInfo]:
            found = await self._query(*self._sql.list(wanted, place, count))
            return [to_info(text) for (text,) in found]

        return await look_through(read_page, wanted, limit, position)

    async def _walk(self, user_id: str | None, position: str | None) -> tuple[list[ThreadInfo], str | None]:
        place = (int(position or 0), WALK_PAGE)
        if user_id is None:
            found = await self._query(self._sql.walk, place)
        else:
            found = await self._query(self._sql.walk_user, (user_id, *place))
        return [to_info(text) for _, text in found], str(found[-1][0]) if len(found) == WALK_PAGE else None

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        unset = msgspec.UNSET
        values = (
            *_conditions(thread_id, guard),
            new_call(),
            now_us,
            changes.user_id is not unset,
            None if changes.user_id is unset else changes.user_id,
            changes.title is not unset,
            None if changes.title is unset else _json(changes.title),
            changes.title_turn,
            None if changes.metadata is unset else to_metadata_json(changes.metadata),
            changes.parent is not unset,
            None if changes.parent is unset else _json(changes.parent),
            None if changes.archived is unset else changes.archived,
            None if changes.tags is unset else _json(changes.tags),
            changes.changed_us,
            self._lock_timeout_ms,
        )
        ((outcome, revision, text),) = await self._write(self._sql.update, values)
        check_outcome(thread_id, guard, outcome, revision)
        return to_info(text)

    async def _delete(self, thread_id: str, guard: Guard) -> bool:
        values = (*_conditions(thread_id, guard), self._lock_timeout_ms)

        async def delete_again(connection: Connection) -> Sequence[Row]:
            found = await rows(self._sql.delete, values, connection)
            if found[0][0] == "nothing":
                raise StorageUnavailable(
                    f"the answer of {self.place} to the deletion of thread {thread_id!r} was lost, and now there is no "
                    "such thread; delete it again to be sure of the indexes and mirrors that follow the storage"
                )
            return found

        ((outcome, revision),) = await self._change(partial(rows, self._sql.delete, values), delete_again)
        check_outcome(thread_id, guard, outcome, revision)
        return outcome == "done"

    async def _save_draft(self, thread_id: str, step: DraftStep, guard: Guard) -> str:
        values = (
            *_conditions(thread_id, guard),
            step.number,
            step.id,
            step.previous,
            step.turn_id,
            _bigint(step.revision),
            step.body,
            step.created_us,
            self._lock_timeout_ms,
        )
        ((outcome, revision, incarnation),) = await self._write(self._sql.save_draft, values)
        check_outcome(thread_id, guard, outcome, revision)
        if outcome == "draft":
            raise DraftConflict(thread_id, turn_id=step.turn_id, number=step.number)
        if outcome == "moved":
            raise ThreadConflict(thread_id, expected=step.revision, actual=revision)
        return incarnation

    async def _load_draft(self, thread_id: str, guard: Guard) -> list[DraftStep]:
        found = await self._query(self._sql.load_draft, (thread_id,))
        check_user(thread_id, guard, found[0][0] if found else None)
        return [
            DraftStep(turn_id=turn_id, revision=revision, number=number, body=body, created_us=created_us, id=id)
            for _, turn_id, revision, number, body, created_us, id in found
            if turn_id is not None
        ]

    async def _list_drafts(self, limit: int, user_id: str | None, position: tuple[int, str] | None) -> list[DraftInfo]:
        begun_us, last_id = position or (-1, "")
        rows = await self._query(self._sql.list_drafts, (begun_us, begun_us, last_id, user_id, user_id, limit))
        return [DraftInfo(thread_id=thread_id, user_id=user, begun_us=begun) for thread_id, user, begun in rows]

    async def _drop_draft(self, thread_id: str, turn_id: str | None, guard: Guard) -> bool:
        values = (*_conditions(thread_id, guard), guard.last_step, turn_id, new_call(), self._lock_timeout_ms)
        ((outcome, revision),) = await self._write(self._sql.drop_draft, values)
        check_outcome(thread_id, guard, outcome, revision)
        if outcome == "draft":
            raise DraftConflict(thread_id, turn_id=turn_id or "", number=0)
        return outcome == "done"

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        pairs = [(number, digest) for number, digests in change.released.items() for digest in digests]
        names = [number for number, _ in pairs], [digest for _, digest in pairs]
        bodies = list(change.bodies.keys()), list(change.bodies.values())
        given = (new_call(), *bodies, *names, now_us, self._lock_timeout_ms)
        ((outcome, revision, edits),) = await self._write(self._sql.rewrite, (*_conditions(thread_id, guard), *given))
        check_outcome(thread_id, guard, outcome, revision)
        return edits

    async def _replace_blob(self, thread_id: str, digest: str, blob: Blob, guard: Guard) -> bool:
        values = (*_conditions(thread_id, guard), digest, blob.digest, blob.data, self._lock_timeout_ms)
        ((outcome, revision),) = await self._write(self._sql.replace_blob, values)
        check_outcome(thread_id, guard, outcome, revision)
        return outcome == "done"

    async def _lease(self, thread_id: str, holder: str, ttl_us: int, guard: Guard) -> bool:
        values = (thread_id, guard.user_id, holder, ttl_us, self._lock_timeout_ms)
        ((outcome,),) = await self._write(self._sql.lease, values)
        check_outcome(thread_id, guard, outcome, 0)
        return outcome == "done"

    async def _release(self, thread_id: str, holder: str) -> None:
        await self._write(self._sql.release, (thread_id, holder))

    async def _list_leases(self, limit: int) -> list[LeaseInfo]:
        rows = await self._query(self._sql.list_leases, (limit,))
        return [LeaseInfo(thread_id=thread_id, left_us=left_us) for thread_id, left_us in rows]

    async def _close(self) -> None:
        await self._appends.close()
        await self._reads.close()
        await self._database.close()

    def _translate(self, error: Exception, action: str) -> RecuerdaError:
        return translate(error, f"could not {action}: {self.place}")

    async def _query(self, statement: bytes, values: Sequence[Any]) -> Sequence[Row]:
        """Run one statement that only reads."""
        return await self._run(partial(rows, statement, values))

    async def _write(
        self, statement: bytes, values: Sequence[Any], *, again: Sequence[Any] | None = None
    ) -> Sequence[Row]:
        """Run one statement that writes. `again` has the values for another attempt, if the answer was lost."""
        second = None if again is None else partial(rows, statement, again)
        return await self._change(partial(rows, statement, values), second)

    async def _change(self, work: Work[T], again: Work[T] | None = None) -> T:
        """Run work that writes. If the caller is cancelled, the work ends when its outcome is certain."""
        # The driver cancels a statement on the server at once, and waits for the outcome.
        return await settled(self._run(work, again), patience_s=0.0)

    async def _run(self, work: Work[T], again: Work[T] | None = None) -> T:
        return await self._database.run(
            partial(self._with_tables, work), None if again is None else partial(self._with_tables, again)
        )

    async def _with_tables(self, work: Work[T], connection: Connection) -> T:
        if not self._has_tables:
            await ensure_tables(connection, self.schema, self.place)
            self._has_tables = True
        return await work(connection)


def _conditions(thread_id: str, guard: Guard) -> Sequence[Any]:
    """Return the first six arguments of every function that checks a guard."""
    return (
        thread_id,
        guard.user_id,
        _bigint(guard.revision),
        guard.incarnation,
        guard.record_id,
        _bigint(guard.edits),
    )


def _check_appended(row: Row, thread_id: str, guard: Guard, record_id: str) -> None:
    outcome, number = row[:2]
    check_outcome(thread_id, guard, outcome, number)
    if outcome == "dropped":
        raise TurnDropped(thread_id, turn_id=record_id, number=number)


def _trips(records: Sequence[NewRecord]) -> Iterator[list[NewRecord]]:
    """Cut records into parts to send. No part is large, and no part has two records with the same id."""
    part: dict[str, NewRecord] = {}
    size = 0
    for record in records:
        if len(part) == _TRIP_RECORDS or size + _size(record) > _TRIP_BYTES or record.id in part:
            if part:
                yield list(part.values())
            part, size = {}, 0
        part[record.id] = record
        size += _size(record)
    yield list(part.values())


def _is_short(query: ReadQuery) -> bool:
    """Return whether a read returns a few records, and cannot hold up the others of its group."""
    limit = query.last_messages if query.last_turns is None else query.last_turns
    return query.after > 0 or (limit is not None and limit <= _GROUPED_MESSAGES)


def _blob_values(blobs: Sequence[Blob]) -> tuple[list[str], list[bytes]]:
    return [blob.digest for blob in blobs], [blob.data for blob in blobs]


def _size(record: NewRecord) -> int:
    return len(record.body) + sum([len(blob.data) for blob in record.blobs])


def _bigint(value: int | None) -> int | None:
    """Return the number, or PostgreSQL's largest bigint if the number is larger. No thread comes near that limit."""
    return None if value is None else min(value, _MAX_BIGINT)


def _json(value: object) -> str | None:
    return None if value is None else msgspec.json.encode(value).decode()
