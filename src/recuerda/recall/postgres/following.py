"""The changes of the index. Each happens whole or not at all.

A change is one call of a function in the database. If it removes documents, it is one transaction, which also takes
their terms out of the postings.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from psycopg.sql import SQL, Composable, Identifier

from recuerda._drivers.postgres.database import Row, composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.facts import NewFact
from recuerda.recall.index import Document, Forgetting, NewDocument, Position, ThreadUpdate
from recuerda.recall.postgres.arrays import number_array, text_array
from recuerda.recall.postgres.entering import MANY, Entering
from recuerda.recall.postgres.schema import ANSWER, SHAPE
from recuerda.recall.postgres.terms import HIGHEST_COUNT, Leaving, counts_of
from recuerda.recall.postgres.texts import digest_of, stored_text
from recuerda.recall.vectors import MAX_COMPARED, parts

_APPLIED = SQL(
    "%s::integer, %s::integer, %s, %s, %s, %s::bigint, %s, %s::bigint, %s, %s, %s::bigint, %s, %s::bigint, "
    "%s::boolean, %s::bigint, %s::bigint[], %s::bigint[], %s::bigint[], %s::integer[], %s::bigint[], "
    "%s::integer[], %s::integer[], %s::integer[], %s::boolean[], %s::text[], %s::text[], %s::integer[], "
    "%s::text[], %s::bytea[]"
)
"""The arguments of `recall_apply` after the first one."""

_IS_CURRENT = SQL(
    "EXISTS (SELECT FROM {table} t WHERE t.id = %s AND t.first = %s "
    "AND t.incarnation = %s AND t.revision = %s AND t.record_id = %s AND t.edits = %s)"
)
_MAY_READ = (
    b"SELECT CASE WHEN pg_catalog.has_schema_privilege(n.oid, 'USAGE') THEN EXISTS ("
    b"SELECT FROM pg_catalog.pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'threads' "
    b"AND pg_catalog.has_table_privilege(c.oid, 'SELECT')) END FROM pg_catalog.pg_namespace n WHERE n.nspname = %s"
)


class Following:
    """The statements that write to the tables of one schema.

    Args:
        schema: the name of the schema that holds the tables.
        entering: enters the terms of many new documents.
        lock_timeout_ms: the milliseconds to wait for another writer.
    """

    def __init__(self, schema: str, entering: Entering, *, lock_timeout_ms: int) -> None:
        composed = composer(schema)
        self._entering = entering
        self._lock_timeout_ms = lock_timeout_ms
        self._leaving = Leaving(schema)
        self._schema = schema
        self._apply = self._applying(SQL("true"))
        self._apply_checked: dict[str, bytes] = {}
        self._forget = composed(
            "SELECT {schema}.recall_forget(%s::integer, %s::text[], %s::text[], %s::text[], %s::bigint[], %s::bigint[])"
        )
        self._add_vectors = composed(
            "SELECT {schema}.recall_add_vectors(%s::integer, %s, %s, %s::bigint[], %s::real[], %s::bytea[], %s::bigint)"
        )
        self._add_facts = composed(
            "SELECT {schema}.recall_add_facts(%s::integer, %s, %s, %s, %s::bigint, %s::text[], %s::bigint[], "
            "%s::bigint[], %s::text[], %s::text)"
        )
        self._correct_message = composed(
            "SELECT {schema}.recall_correct_message(%s::integer, %s, %s, %s, %s::bigint, %s, %s::integer, %s, "
            "%s::text, %s::bigint, %s, %s, %s::bigint)"
        )
        self._correct_fact = composed(
            "SELECT {schema}.recall_correct_fact(%s::integer, %s, %s::bigint, %s, %s::bigint)"
        )
        self._take_back = composed("SELECT {schema}.recall_take_back(%s::integer, %s, %s::bigint)")
        self._next_to_check = composed("SELECT {schema}.recall_next_to_check(%s::integer)")
        self._erase = composed("SELECT {schema}.recall_erase(%s::integer, %s::text[], %s::text)")

    async def apply(self, update: ThreadUpdate, connection: Connection) -> tuple[int, int] | None:
        """Return the key of the scope and the number of its pending documents; None if nothing was changed."""
        return await self._applied(self._apply, [], update, connection)

    async def apply_checked(
        self, update: ThreadUpdate, threads: str, first: int, connection: Connection
    ) -> tuple[int, int] | None:
        """Return the same as `apply`. Change nothing if the thread is not at its new position in a schema of threads.

        Args:
            update: the update, which leaves the thread in the index.
            threads: the name of the schema that has the table of the threads.
            first: the number that the thread's `first` must have.
            connection: the connection.
        """
        statement = self._apply_checked.get(threads)
        if statement is None:
            is_current = _IS_CURRENT.format(table=Identifier(threads, "threads"))
            statement = self._apply_checked[threads] = self._applying(is_current)
        _, *version = _values(update.position)
        return await self._applied(statement, [update.thread_id, first, *version], update, connection)

    def _applying(self, is_current: Composable) -> bytes:
        name = Identifier(self._schema, "recall_apply")
        return SQL("SELECT * FROM {}({}, {})").format(name, is_current, _APPLIED).as_bytes()

    async def _applied(
        self, statement: bytes, condition: Sequence[Any], update: ThreadUpdate, connection: Connection
    ) -> tuple[int, int] | None:
        is_large = len(update.added) >= MANY
        values: list[Any] = [
            *condition,
            SHAPE,
            self._lock_timeout_ms,
            update.thread_id,
            *(_values(update.expected)),
            *(_values(update.position)),
            update.is_fresh,
            update.first,
            number_array(sorted(update.undone)),
            number_array(update.forgotten),
            *_columns(update.added, is_pending=not is_large),
        ]
        if not is_large and not _may_remove(update):
            found = await rows(statement, values, connection, prepare=True)
        else:
            async with connection.transaction():
                found = await rows(statement, values, connection, prepare=True)
                if _may_remove(update):
                    await self._leaving.take_out(connection)
                if is_large and found:
                    await self._enter(update.added, found[0], connection)
        return (found[0][0], found[0][1]) if found else None

    async def can_look(self, threads: str, thread_id: str, incarnation: str, connection: Connection) -> bool:
        """Return True if this database has a thread in a schema of threads, and the role may read it there."""
        may_read = await rows(_MAY_READ, (threads,), connection)
        if not may_read or not may_read[0][0]:
            return False
        query = SQL("SELECT FROM {} WHERE id = %s AND incarnation = %s").format(Identifier(threads, "threads"))
        return bool(await rows(query.as_bytes(), (thread_id, incarnation), connection))

    async def _enter(self, added: Sequence[NewDocument], applied: Row, connection: Connection) -> None:
        scope, _, places, numbers = applied
        documents: dict[int, Mapping[str, int]] = {}
        for place, number in zip(places or (), numbers or (), strict=True):
            documents[number] = added[place - 1].terms
        await self._entering.enter(scope, documents, connection)

    async def forget(self, forgettings: Sequence[Forgetting], connection: Connection) -> int:
        columns = (
            [one.scope for one in forgettings],
            [one.thread_id for one in forgettings],
            [one.incarnation for one in forgettings],
            [one.first for one in forgettings],
            [one.last for one in forgettings],
        )
        return (await self._removing(self._forget, (self._lock_timeout_ms, *columns), connection))[0][0]

    async def next_to_check(self, limit: int, connection: Connection) -> list[str]:
        return (await rows(self._next_to_check, (limit,), connection))[0][0]

    async def erase(self, thread_ids: Sequence[str], scope: str | None, connection: Connection) -> int:
        values = (self._lock_timeout_ms, list(thread_ids), scope)
        return (await self._removing(self._erase, values, connection))[0][0]

    async def _removing(self, statement: bytes, values: Sequence[Any], connection: Connection) -> Sequence[Row]:
        """Run a statement that removes documents, and take them out of the postings in the same transaction."""
        async with connection.transaction():
            found = await rows(statement, values, connection)
            await self._leaving.take_out(connection)
        return found

    async def add_vectors(
        self, scope: str, model_id: str, vectors: Mapping[int, Sequence[float]], connection: Connection
    ) -> None:
        stored = [parts(vector) for vector in vectors.values()]
        scales, data = [scale for scale, _ in stored], [data for _, data in stored]
        values = (self._lock_timeout_ms, scope, model_id, list(vectors), scales, data, MAX_COMPARED)
        await rows(self._add_vectors, values, connection)

    async def add_facts(
        self,
        thread_id: str,
        position: Position,
        turn: int,
        facts: Sequence[NewFact],
        connection: Connection,
        *,
        turn_id: str | None,
    ) -> None:
        values = (
            self._lock_timeout_ms,
            thread_id,
            position.scope,
            position.incarnation,
            turn,
            [new.text for new in facts],
            [new.valid_from_us for new in facts],
            [new.confirms for new in facts],
            [f"{{{','.join(map(str, new.replaces))}}}" for new in facts],
            turn_id,
        )
        await rows(self._add_facts, values, connection)

    async def correct_message(
        self, message: Document, position: Position, text: str, at_us: int, connection: Connection
    ) -> int | None:
        values = (
            self._lock_timeout_ms,
            position.scope,
            position.incarnation,
            message.thread_id,
            message.turn,
            message.turn_id,
            message.position,
            message.role,
            message.speaker,
            message.created_us,
            message.text,
            text,
            at_us,
        )
        return (await rows(self._correct_message, values, connection))[0][0]

    async def correct_fact(self, scope: str, fact: int, text: str, at_us: int, connection: Connection) -> int | None:
        return (await rows(self._correct_fact, (self._lock_timeout_ms, scope, fact, text, at_us), connection))[0][0]

    async def take_back(self, scope: str, fact: int, connection: Connection) -> bool:
        return (await rows(self._take_back, (self._lock_timeout_ms, scope, fact), connection))[0][0]


def _may_remove(update: ThreadUpdate) -> bool:
    if update.expected is None:
        return False
    return update.position is None or update.is_fresh or bool(update.undone) or update.first > 1


def _values(position: Position | None) -> tuple[Any, ...]:
    return (None,) * 5 if position is None else msgspec.structs.astuple(position)


def _columns(added: Sequence[NewDocument], *, is_pending: bool) -> tuple[Any, ...]:
    documents = [new.document for new in added]
    turns = [None, *(of.turn for of in documents)]
    return (
        number_array([of.turn for of in documents]),
        number_array([of.position for of in documents]),
        number_array([of.created_us for of in documents]),
        number_array([new.traits for new in added]),
        number_array([min(new.size, HIGHEST_COUNT) for new in added]),
        number_array([min(len(new.terms), HIGHEST_COUNT) for new in added]),
        number_array([of.role == ANSWER for of in documents]),
        text_array([of.speaker or "" for of in documents]),
        text_array(["" if of.turn == before else of.turn_id for of, before in zip(documents, turns, strict=False)]),
        number_array([digest_of(of.text) for of in documents]),
        text_array([counts_of(new.terms) for new in added]) if is_pending else None,
        [stored_text(of.text) for of in documents],
    )
