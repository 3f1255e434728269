"""The tables of memories: dropped, emptied, of another version, and without the right to make them."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from recuerda.errors import StorageReadOnly, StorageUnavailable
from recuerda.recall.facts import NewFact
from recuerda.recall.index import CandidateQuery
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.recall.postgres.schema import SHAPE
from recuerda.sqlite import SQLiteStorage
from tests.recall.postgres.memories import DERIVED, Connection, a_provider, counts, remember, said
from tests.recall.talking import pair, say
from tests.recall.test_meaning import Meanings

# -- dropped, emptied, of another version ------------------------------------------------------------------------------


async def drop_a_table(db: Connection, schema: str) -> None:
    await db.execute(SQL("DROP TABLE {} CASCADE").format(Identifier(schema, "recall_documents")))


async def drop_the_schema(db: Connection, schema: str) -> None:
    await db.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(schema)))


async def empty_the_tables(db: Connection, schema: str) -> None:
    tables = SQL(", ").join(Identifier(schema, f"recall_{name}") for name in (*DERIVED, "state"))
    await db.execute(SQL("TRUNCATE {}").format(tables))


async def make_the_shape_old(db: Connection, schema: str) -> None:
    await db.execute(SQL("UPDATE {} SET shape = 1").format(Identifier(schema, "recall_state")))


SPOILT: list[Callable[[Connection, str], Awaitable[None]]] = [
    drop_a_table,
    drop_the_schema,
    empty_the_tables,
    make_the_shape_old,
]


@pytest.mark.parametrize("is_new_process", [False, True], ids=["the same process", "another process"])
@pytest.mark.parametrize("spoil", SPOILT, ids=lambda spoil: spoil.__name__)
async def test_memories_that_are_gone_or_of_an_older_shape_are_made_anew_from_the_log(
    storage: SQLiteStorage, url: str, schema: str, db: Connection, spoil: Any, *, is_new_process: bool
) -> None:
    await say(storage, "one", *pair("I collect amber."))
    await say(storage, "two", *pair("I collect basalt."))
    index = PostgresRecallIndex(url, schema=schema)
    recall = a_provider(index, storage)
    assert (await said(recall, "amber"))[0] == "I collect amber."
    await spoil(db, schema)
    if is_new_process:
        await index.close()
        index = PostgresRecallIndex(url, schema=schema)
        recall = a_provider(index, storage)
    else:
        await say(storage, "three", *pair("I collect cobalt."))
    assert (await said(recall, "amber"))[0] == "I collect amber."
    assert (await said(recall, "basalt"))[0] == "I collect basalt."
    assert (await recall.stats()).documents == (4 if is_new_process else 6)
    await index.close()


async def test_a_process_notices_that_another_one_made_the_memories_anew(
    storage: SQLiteStorage, index: PostgresRecallIndex, url: str, schema: str, db: Connection
) -> None:
    for number in range(25):
        await say(storage, f"{number}", *pair(f"I collect stone {number}."))
    recall = a_provider(index, storage)
    assert (await said(recall, "stone 3"))[0] == "I collect stone 3."
    await drop_the_schema(db, schema)
    async with PostgresRecallIndex(url, schema=schema) as other:
        assert (await other.stats()).documents == 0
    assert (await said(recall, "stone 3"))[0] == "I collect stone 3."
    assert (await recall.stats()).documents == 50
    await recall.close()


@pytest.mark.parametrize("spoil", [drop_a_table, make_the_shape_old], ids=lambda spoil: spoil.__name__)
async def test_what_was_forgotten_stays_so_and_facts_stay_when_the_memories_are_made_anew(
    storage: SQLiteStorage, url: str, schema: str, db: Connection, spoil: Any
) -> None:
    await say(storage, "one", *pair("I collect amber."))
    await say(storage, "two", *pair("I collect basalt."))
    async with PostgresRecallIndex(url, schema=schema) as index:
        recall = a_provider(index, storage)
        await recall.catch_up()
        assert await recall.forget(thread="one") == 2
        has = (await index.positions(["two"]))["two"]
        await index.add_facts("two", has, 1, [NewFact(text="Ana collects basalt.", valid_from_us=1)])
    await spoil(db, schema)
    async with PostgresRecallIndex(url, schema=schema) as index:
        recall = a_provider(index, storage)
        assert [fact.text for fact in await index.facts("user:ana")] == ["Ana collects basalt."]
        assert "I collect amber." not in await said(recall, "collect amber")
        assert (await said(recall, "basalt"))[0] == "I collect basalt."


async def test_memories_of_a_newer_version_are_left_alone(
    index: PostgresRecallIndex, url: str, schema: str, db: Connection
) -> None:
    await remember(index, "one", ["a lantern"])
    await db.execute(SQL("UPDATE {} SET shape = 99999").format(Identifier(schema, "recall_state")))
    async with PostgresRecallIndex(url, schema=schema) as newcomer:
        with pytest.raises(StorageUnavailable, match=r"newer recuerda .* upgrade recuerda"):
            await newcomer.stats()
    with pytest.raises(StorageUnavailable, match="newer recuerda"):
        await remember(index, "two", ["a ribbon"])
    assert (await counts(db, schema))["documents"] == 1


async def test_many_that_start_at_once_make_the_tables_once(url: str, schema: str, db: Connection) -> None:
    async def start(number: int) -> bool:
        async with PostgresRecallIndex(url, schema=schema) as index:
            return await remember(index, f"{number}", ["a lantern"])

    assert all(await asyncio.gather(*(start(number) for number in range(8))))
    made = await db.execute(SQL("SELECT shape FROM {}").format(Identifier(schema, "recall_state")))
    assert await made.fetchall() == [(SHAPE,)]


# -- privileges --------------------------------------------------------------------------------------------------------


@asynccontextmanager
async def another_database(url: str, db: Connection, *, role: str | None = None) -> AsyncGenerator[str]:
    """Make a database, and a role that may only use its schema `memories`; give the URL."""
    name = f"bare_{uuid4().hex[:12]}"
    await db.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    there = make_conninfo(url, dbname=name)
    try:
        if role is not None:
            await db.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
            async with await psycopg.AsyncConnection.connect(there, autocommit=True) as admin:
                await admin.execute(SQL("CREATE SCHEMA memories AUTHORIZATION {}").format(Identifier(role)))
            there = make_conninfo(there, user=role)
        yield there
    finally:
        await db.execute(SQL("DROP DATABASE {} WITH (FORCE)").format(Identifier(name)))
        if role is not None:
            await db.execute(SQL("DROP ROLE {}").format(Identifier(role)))


async def test_vectors_of_another_dimension_under_the_same_name_are_not_compared(
    storage: SQLiteStorage, index: PostgresRecallIndex
) -> None:
    await say(storage, "one", *pair("We got a puppy."))
    recall = a_provider(index, storage, Meanings())
    assert (await said(recall, "hound?"))[0] == "We got a puppy."
    longer = a_provider(index, storage, Meanings(dimensions=9))
    assert await said(longer, "hound?") == []
    await say(storage, "two", *pair("A dog barked."))
    assert await said(longer, "hound?") == []
    assert (await index.stats()).vectors == 4
    assert (await said(recall, "hound?"))[0] == "We got a puppy."


async def test_a_role_without_the_right_to_make_a_schema_is_told(url: str, db: Connection) -> None:
    async with (
        another_database(url, db, role=f"plain_{uuid4().hex[:8]}") as there,
        PostgresRecallIndex(there, schema="another") as index,
    ):
        with pytest.raises(StorageReadOnly, match=r"permission denied .* may create and use the schema"):
            await index.stats()


async def test_a_read_only_database_can_be_searched(
    index: PostgresRecallIndex, url: str, schema: str, caplog: pytest.LogCaptureFixture
) -> None:
    await remember(index, "one", ["a lantern"])
    read_only = make_conninfo(url, options="-c default_transaction_read_only=on")
    async with PostgresRecallIndex(read_only, schema=schema) as reader:
        found = await reader.candidates(CandidateQuery(scope="user:ana", terms=("lantern",)))
        assert len(found.found) == 1
        with pytest.raises(StorageReadOnly, match="read-only"):
            await remember(reader, "two", ["a ribbon"])
    assert "lantern" not in caplog.text
