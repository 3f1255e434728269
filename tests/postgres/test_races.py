"""Two sessions at one thread: which of them waits, and the state that the second one finds."""

import asyncio
from collections.abc import Awaitable, Coroutine
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from psycopg.sql import SQL, Identifier

from recuerda.errors import DraftConflict, ThreadConflict, ThreadNotFound, ThreadOwnershipError
from recuerda.postgres import PostgresStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.postgres.conftest import Connection

DELETE = SQL("SELECT * FROM {}('a', NULL, NULL, NULL, NULL, NULL, 1000)")
REMAKE = SQL(
    "SELECT * FROM {}('a', %s, NULL, NULL, NULL, NULL, NULL, false, NULL, 't1', 1, NULL, 1, 'new', 'turn', NULL, NULL, "
    "NULL, NULL, 1000)"
)
GIVE = SQL(
    "SELECT * FROM {}('a', NULL, NULL, NULL, NULL, NULL, NULL, 1, true, 'bo', false, NULL, NULL, NULL, false, NULL, "
    "NULL, NULL, NULL, 1000)"
)

STEP = DraftStep(turn_id="draft", revision=1, number=1, body=b"step")


def a_turn(id: str | None = None) -> NewTurn:
    return NewTurn(body=b"turn", message_count=1, id=id)


async def held_up(db: Connection, *calls: Coroutine[Any, Any, object]) -> list[asyncio.Task[object]]:
    """Start calls, and return when the locks of other sessions hold up all of them."""
    tasks = [asyncio.create_task(call) for call in calls]
    for _ in range(500):
        query = "SELECT count(DISTINCT pid) FROM pg_locks WHERE NOT granted"
        if await (await db.execute(query)).fetchone() == (len(calls),):
            return tasks
        await asyncio.sleep(0.01)
    raise AssertionError("the calls do not wait")


async def remake(db: Connection, schema: str, user_id: str | None = None) -> None:
    """Delete thread "a" and begin it anew with one turn, in the transaction of the connection."""
    await db.execute(DELETE.format(Identifier(schema, "delete_thread")))
    await db.execute(REMAKE.format(Identifier(schema, "append_record")), (user_id,))


@pytest.mark.parametrize("id", [None, "t2"])
async def test_an_append_that_waits_for_a_remade_thread_conflicts(
    storage: PostgresStorage, db: Connection, schema: str, id: str | None
) -> None:
    await storage.append("a", a_turn("t1"))
    info = await storage.head("a")
    assert info is not None
    async with db.transaction():
        await remake(db, schema)
        (append,) = await held_up(db, storage.append("a", a_turn(id), expected=info.version))
    with pytest.raises(ThreadConflict):
        await append
    assert [record.body for record in (await storage.read("a")).records] == [b"new"]


async def test_an_append_that_waits_for_a_deletion_conflicts(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", a_turn("t1"))
    info = await storage.head("a")
    assert info is not None
    async with db.transaction():
        await db.execute(DELETE.format(Identifier(schema, "delete_thread")))
        (append,) = await held_up(db, storage.append("a", a_turn(), expected=info.version))
    with pytest.raises(ThreadConflict):
        await append
    assert await storage.head("a") is None


async def test_an_append_without_a_version_goes_into_the_remade_thread(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", a_turn("t1"))
    async with db.transaction():
        await remake(db, schema)
        (append,) = await held_up(db, storage.append("a", a_turn()))
    await append
    assert [record.body for record in (await storage.read("a")).records] == [b"new", b"turn"]


@pytest.mark.parametrize("id", [None, "t1", "t2"])
async def test_an_append_for_a_user_that_waits_for_another_owner_is_refused(
    storage: PostgresStorage, db: Connection, schema: str, id: str | None
) -> None:
    await storage.append("a", a_turn("t1"), user_id="ana")
    async with db.transaction():
        await db.execute(GIVE.format(Identifier(schema, "update_thread")))
        (append,) = await held_up(db, storage.append("a", a_turn(id), user_id="ana"))
    with pytest.raises(ThreadOwnershipError):
        await append
    assert len((await storage.read("a")).records) == 1


async def test_operations_for_a_user_that_wait_for_another_owner_are_refused(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", a_turn("t1"), user_id="ana")
    async with db.transaction():
        await db.execute(GIVE.format(Identifier(schema, "update_thread")))
        tasks = await held_up(
            db,
            storage.append_all("a", [a_turn(), a_turn()], user_id="ana"),
            storage.save_draft("a", STEP, user_id="ana"),
            storage.update_thread("a", title="late", expected_user_id="ana"),
            storage.rewrite("a", {1: b"late"}, user_id="ana"),
            storage.delete("a", user_id="ana"),
        )
    for task in tasks:
        with pytest.raises(ThreadOwnershipError):
            await task
    found = await storage.read("a")
    assert ([record.body for record in found.records], found.has_draft) == ([b"turn"], False)


async def test_sessions_at_the_same_threads_never_deadlock(
    storage: PostgresStorage, url: str, db: Connection, schema: str
) -> None:
    deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
    await storage.append("a", a_turn())
    before = await (await db.execute(deadlocks)).fetchone()

    async def work(worker: int, storage: PostgresStorage) -> None:
        for number in range(12):
            thread_id, user_id = "ab"[(worker + number) % 2], "ana" if worker % 2 else None
            calls: list[Awaitable[object]] = [
                storage.append(thread_id, a_turn(), keep_messages=3, user_id=user_id),
                storage.append(thread_id, a_turn(f"{worker}.{number}")),
                storage.append_all(thread_id, [a_turn() for _ in range(3)]),
                storage.save_draft(thread_id, STEP),
                storage.drop_draft(thread_id),
                storage.undo(thread_id),
                storage.update_thread(thread_id, user_id="ana", metadata={f"{worker}": number}),
                storage.rewrite(thread_id, {1: b"x", 2: b"y"}),
                storage.trim(thread_id, keep_turns=2),
                storage.delete(thread_id),
            ]
            shift = worker % len(calls)
            for call in calls[shift:] + calls[:shift]:
                with suppress(ThreadConflict, DraftConflict, ThreadNotFound):
                    await call

    async with PostgresStorage(url, schema=schema, max_connections=4) as other:
        await asyncio.gather(*(work(worker, (storage, other)[worker % 2]) for worker in range(6)))
    await db.execute("SELECT pg_stat_force_next_flush()")
    assert await (await db.execute(deadlocks)).fetchone() == before


# -- what the tables keep ----------------------------------------------------------------------------------------------


async def test_a_thread_of_a_restored_dump_that_is_made_anew_has_another_incarnation(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append("a", a_turn())
    first = await storage.head("a")
    await storage.delete("a")
    # A restored dump gives the same keys again.
    await db.execute(SQL("ALTER TABLE {} ALTER COLUMN key RESTART WITH 1").format(Identifier(schema, "threads")))
    await storage.append("a", a_turn())
    again = await storage.head("a")
    assert first is not None
    assert again is not None
    found = await db.execute(SQL("SELECT key FROM {}").format(Identifier(schema, "threads")))
    assert await found.fetchall() == [(1,)]
    assert first.incarnation != again.incarnation


async def test_a_lease_does_not_follow_the_servers_clock_back(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    minute = timedelta(minutes=1)
    assert await storage.take_lease("a", "one", minute)
    assert not await storage.take_lease("a", "two", minute)
    # The clock goes back an hour: the lease was taken an hour later than now.
    await db.execute(
        SQL("UPDATE {} SET taken = taken + interval '1 hour', until = until + interval '1 hour'").format(
            Identifier(schema, "leases")
        )
    )
    assert await storage.take_lease("a", "two", minute)
    assert not await storage.take_lease("a", "one", minute)


async def test_ids_of_removed_records_are_few_and_have_no_body(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    await storage.append_all("a", [a_turn() for _ in range(2500)])
    await storage.trim("a", keep_turns=1)
    for _ in range(300):
        await storage.append("a", a_turn(), keep_messages=1)
    found = await db.execute(SQL("SELECT count(*) FROM {}").format(Identifier(schema, "removed")))
    assert 1000 <= ((await found.fetchone()) or (0,))[0] <= 1100
    columns = await db.execute(
        "SELECT column_name FROM information_schema.columns WHERE table_schema = %s AND table_name = 'removed'",
        (schema,),
    )
    assert {name for (name,) in await columns.fetchall()} == {"thread_key", "number", "id", "is_dropped_turn"}


async def test_a_walk_goes_by_keys_that_a_turn_does_not_touch(
    storage: PostgresStorage, db: Connection, schema: str
) -> None:
    for i in range(6):
        await storage.append(f"{i}", a_turn(), user_id="ana" if i % 2 else "bo")
    owners = SQL("SELECT xmin::text FROM {} ORDER BY thread_key").format(Identifier(schema, "owners"))
    before = await (await db.execute(owners)).fetchall()
    for i in range(6):
        await storage.append(f"{i}", a_turn(), user_id="ana" if i % 2 else "bo")
    assert await (await db.execute(owners)).fetchall() == before
    await storage.update_thread("1", user_id="bo")
    await storage.update_thread("3", user_id=None)
    await storage.delete("5")
    assert [info.id async for info in storage.threads(user_id="ana")] == []
    assert [info.id async for info in storage.threads(user_id="bo")] == ["0", "1", "2", "4"]


async def test_metadata_with_nul_anywhere_is_changed_key_by_key(storage: PostgresStorage) -> None:
    odd = {"a\0": "\\u0000\0\1x\x010", "\1": [{"\0": 1}], "\\u0000": "\\\\\0"}
    await storage.update_thread("a", metadata=odd)
    await storage.update_thread("a", metadata={"b": "\0", "\1": None})
    info = await storage.head("a")
    assert info is not None
    assert info.metadata == {"a\0": odd["a\0"], "\\u0000": odd["\\u0000"], "b": "\0"}
