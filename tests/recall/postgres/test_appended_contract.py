"""Turns enter an index in the database of their threads in one trip, with the same cases as for SQLite."""

import asyncio
from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from recuerda import AgentThread, ChatMessageStore
from recuerda.postgres import PostgresStorage
from recuerda.recall import RecallProvider
from recuerda.recall.checking import CHECK_EVERY
from recuerda.recall.postgres import PostgresRecallIndex
from tests.recall import test_appended
from tests.recall.postgres.memories import Connection
from tests.recall.postgres.taking_over import cases
from tests.recall.talking import pair
from tests.recall.test_appended import held, index_of, indexed, tell
from tests.servers.transaction_pooler import transaction_pooler

globals().update(cases([test_appended]))


@pytest.fixture
async def storage(url: str, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(url, schema=schema) as storage:
        yield storage


@pytest.fixture
async def elsewhere(storage: PostgresStorage, url: str, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(url, schema=schema) as elsewhere:
        yield elsewhere


@pytest.mark.parametrize("is_beside", [True, False])
async def test_an_added_turn_is_one_trip(url: str, schema: str, *, is_beside: bool) -> None:
    async with (
        transaction_pooler(url.rpartition("host=")[2]) as pooler,
        PostgresStorage(pooler.url, schema=schema) as storage,
        PostgresRecallIndex(pooler.url, schema=schema if is_beside else f"{schema}_memories") as index,
    ):
        recall = RecallProvider(index, storage=storage, user_id="ana")
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        for word in ("amber", "basalt"):
            await tell(recall, store, f"I collect {word}.")  # the second turn tells whether the index sees the threads
        trips: list[int] = []
        for word in ("cobalt", "diamonds", "emeralds"):
            await store.add_messages(pair(f"I collect {word}."))
            pooler.trips = 0
            await recall.invoked([], [], thread=AgentThread(message_store=store))
            trips.append(pooler.trips)
        assert trips == [1, 1, 1]
        # If something else has changed, the thread is read and followed.
        await store.undo(number=2)
        await store.add_messages(pair("I collect flint."))
        pooler.trips = 0
        await recall.invoked([], [], thread=AgentThread(message_store=store))
        assert pooler.trips == 2 + 3  # the removal is a transaction
        assert await indexed(index) == await held(storage)
        await recall.close()


async def test_threads_are_compared_all_at_once(url: str, schema: str) -> None:
    async with (
        transaction_pooler(url.rpartition("host=")[2]) as pooler,
        PostgresStorage(pooler.url, schema=schema) as storage,
        PostgresRecallIndex(pooler.url, schema=schema) as index,
    ):
        recall = RecallProvider(index, storage=storage, user_id="ana")
        for number in range(CHECK_EVERY - 1):
            store = ChatMessageStore(storage=storage, thread_id=f"{number}", user_id="ana")
            await tell(recall, store, "I collect amber.")
        recollection = recall._of()  # pyright: ignore[reportPrivateUsage] - to count its trips
        pooler.trips = 0
        assert await recollection.check() == CHECK_EVERY - 1
        assert pooler.trips == 3  # the next threads, what the storage has of them, and what the index has
        await recall.close()


async def test_an_index_that_may_not_read_the_threads_reads_the_turns_through_the_storage(
    storage: PostgresStorage, url: str, schema: str, db: Connection
) -> None:
    role, memories = f"plain_{uuid4().hex[:8]}", f"{schema}_memories"
    await db.execute(SQL("CREATE ROLE {} LOGIN").format(Identifier(role)))
    await db.execute(SQL("CREATE SCHEMA {} AUTHORIZATION {}").format(Identifier(memories), Identifier(role)))
    await storage.head("one")  # makes the tables
    # First it may not use the schema, and then it may not read the table.
    for _ in range(2):
        async with PostgresRecallIndex(make_conninfo(url, user=role), schema=memories) as index:
            recall = RecallProvider(index, storage=storage, user_id="ana")
            store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
            for word in ("amber", "basalt", "cobalt"):
                await tell(recall, store, f"I collect {word}.")
            assert await indexed(index) == await held(storage)
            await recall.close()
        await db.execute(SQL("GRANT USAGE ON SCHEMA {} TO {}").format(Identifier(schema), Identifier(role)))
    await db.execute(SQL("DROP SCHEMA {} CASCADE").format(Identifier(memories)))
    await db.execute(SQL("DROP OWNED BY {}").format(Identifier(role)))
    await db.execute(SQL("DROP ROLE {}").format(Identifier(role)))


@pytest.mark.parametrize("change", ["erase", "delete", "undo"])
async def test_a_change_while_the_turn_waits_for_another_writer_of_the_index_wins(
    change: str, storage: PostgresStorage, url: str, schema: str, db: Connection
) -> None:
    """The index has seen the thread as it was, and waits. Meanwhile another process changes it, and follows."""
    async with (
        PostgresStorage(url, schema=schema) as elsewhere,
        PostgresRecallIndex(url, schema=schema) as mine,
        PostgresRecallIndex(url, schema=schema) as theirs,
    ):
        recall = RecallProvider(mine, storage=storage, user_id="ana")
        other = RecallProvider(theirs, storage=elsewhere, user_id="ana")
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        for word in ("amber", "basalt"):
            await tell(recall, store, f"I collect {word}.")
        await store.add_messages(pair("I collect cobalt."))
        async with db.transaction():
            await db.execute(SQL("SELECT FROM {} FOR UPDATE").format(Identifier(schema, "recall_threads")))
            adding = asyncio.create_task(recall.invoked([], [], thread=AgentThread(message_store=store)))
            await until_waiting(db, 1)
            changing = asyncio.create_task(changed(change, elsewhere, other))
            await until_waiting(db, 2)
        await asyncio.gather(adding, changing)
        assert await indexed(theirs) == await held(elsewhere)
        await recall.close()
        await other.close()


async def changed(change: str, storage: PostgresStorage, provider: RecallProvider) -> None:
    if change == "erase":
        await storage.erase_user("ana")
    elif change == "delete":
        await storage.delete("one")
    else:
        await storage.undo("one")
        await provider.catch_up()


async def until_waiting(db: Connection, count: int) -> None:
    """Wait until statements of indexes wait for a lock."""
    for _ in range(1_000):
        await db.execute("SELECT pg_stat_clear_snapshot()")  # a transaction sees the activity as at its first look
        found = await db.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE application_name = 'recuerda recall' AND wait_event_type = 'Lock'"
        )
        if await found.fetchone() == (count,):
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_a_turn_that_another_process_has_indexed_is_added_once(
    storage: PostgresStorage, elsewhere: PostgresStorage, url: str, schema: str, recall: RecallProvider
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    for word in ("amber", "basalt"):
        await tell(recall, store, f"I collect {word}.")
    async with PostgresRecallIndex(url, schema=schema) as theirs:
        other = RecallProvider(theirs, storage=elsewhere, user_id="ana")
        await store.add_messages(pair("I collect cobalt."))
        await asyncio.gather(
            *(recall.invoked([], [], thread=AgentThread(message_store=store)) for _ in range(3)),
            *(other.catch_up() for _ in range(3)),
        )
        await other.close()
    assert await indexed(index_of(recall)) == await held(storage)
