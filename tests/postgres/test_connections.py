"""Connections: bounded, of several event loops, found again after a restart, and none left behind."""

import asyncio
import gc
import os
import threading

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.sql import SQL, Identifier

from recuerda.errors import StorageBusy, StorageUnavailable
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn
from tests.postgres.conftest import Connection
from tests.servers.postgres_server import PostgresServer


def a_turn(id: str | None = None) -> NewTurn:
    return NewTurn(body=b"", message_count=1, id=id)


def named(url: str, name: str) -> str:
    return make_conninfo(url, application_name=name)


async def count(db: Connection, name: str) -> int:
    found = await db.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = %s", (name,))
    row = await found.fetchone()
    assert row is not None
    return row[0]


async def none_left(db: Connection, name: str) -> bool:
    # The server takes a moment to see that a connection has gone.
    for _ in range(1_000):
        if await count(db, name) == 0:
            return True
        await asyncio.sleep(0.02)
    return False


async def waits_for_a_lock(db: Connection, name: str) -> None:
    for _ in range(1_000):
        found = await db.execute(
            "SELECT FROM pg_stat_activity WHERE application_name = %s AND wait_event_type = 'Lock'", (name,)
        )
        if found.rowcount:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody waits for a lock")


async def test_as_many_connections_as_allowed_serve_any_number_of_callers(
    url: str, schema: str, db: Connection
) -> None:
    async with PostgresStorage(named(url, schema), schema=schema, max_connections=3) as storage:
        most = 0
        appends = asyncio.gather(*(storage.append(f"{i % 20}", a_turn()) for i in range(300)))
        while not appends.done():
            most = max(most, await count(db, schema))
        await appends
    assert 1 <= most <= 3
    assert await none_left(db, schema)


async def test_connections_open_when_they_are_needed(url: str, schema: str, db: Connection) -> None:
    async with PostgresStorage(named(url, schema), schema=schema) as storage:
        assert await count(db, schema) == 0
        for _ in range(5):
            await storage.append("a", a_turn())
        assert await count(db, schema) == 1


async def test_a_caller_that_finds_no_connection_in_time_is_told_so(url: str, schema: str, db: Connection) -> None:
    async with PostgresStorage(named(url, schema), schema=schema, max_connections=1, timeout_s=0.5) as storage:
        await storage.append("a", a_turn())
        async with await psycopg.AsyncConnection.connect(url) as other:
            await other.execute(SQL("LOCK TABLE {}").format(Identifier(schema, "threads")))
            blocked = asyncio.ensure_future(storage.read("a"))
            await waits_for_a_lock(db, schema)
            with pytest.raises(StorageBusy, match="max_connections"):
                await storage.read("a")
            await other.rollback()
        assert len((await blocked).records) == 1


async def test_a_writer_waits_for_another_for_so_long_and_no_longer(url: str, schema: str) -> None:
    async with PostgresStorage(url, schema=schema, timeout_s=0.3) as storage:
        await storage.append("a", a_turn())
        async with await psycopg.AsyncConnection.connect(url) as other:
            await other.execute(SQL("SELECT FROM {} FOR UPDATE").format(Identifier(schema, "threads")))
            with pytest.raises(StorageBusy, match="lock timeout"):
                await storage.append("a", a_turn())
            assert len((await storage.read("a")).records) == 1
        assert (await storage.append("a", a_turn())).revision == 2


async def test_a_server_without_a_free_connection_is_busy(own_server: PostgresServer) -> None:
    taken: list[Connection] = []
    async with PostgresStorage(own_server.url) as storage:
        while True:
            try:
                taken.append(await psycopg.AsyncConnection.connect(own_server.url))
            except psycopg.OperationalError:
                break
        with pytest.raises(StorageBusy):
            await storage.append("a", a_turn())
        for connection in taken:
            await connection.close()
        assert (await storage.append("a", a_turn())).revision == 1


async def test_a_cancelled_caller_gives_its_connection_back(url: str, schema: str) -> None:
    async with PostgresStorage(url, schema=schema, max_connections=2, timeout_s=5) as storage:
        await storage.append("a", a_turn())
        for round_number in range(30):
            tasks = [asyncio.ensure_future(storage.append("a", a_turn())) for _ in range(6)]
            for _ in range(round_number % 10):
                await asyncio.sleep(0)
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)
        info = await storage.head("a")
        assert info is not None
        assert info.turns == info.revision == len((await storage.read("a")).records)


async def test_loops_that_end_without_closing_neither_hang_nor_leak(url: str, schema: str, db: Connection) -> None:
    storage = PostgresStorage(named(url, schema), schema=schema)

    async def burst() -> None:
        appends = [asyncio.ensure_future(storage.append(f"{i}", a_turn())) for i in range(40)]
        await asyncio.wait(appends, return_when=asyncio.FIRST_COMPLETED)

    for _ in range(10):
        await asyncio.to_thread(asyncio.run, burst())
    await storage.append("last", a_turn())
    assert await count(db, schema) <= 10 + 1
    await storage.close()
    gc.collect()
    assert await none_left(db, schema)


async def test_a_storage_that_is_forgotten_closes_its_connections(url: str, schema: str, db: Connection) -> None:
    storage = PostgresStorage(named(url, schema), schema=schema)
    await storage.append("a", a_turn())
    del storage
    gc.collect()
    assert await none_left(db, schema)


async def test_closing_reaches_a_loop_that_still_runs(url: str, schema: str, db: Connection) -> None:
    storage = PostgresStorage(named(url, schema), schema=schema)
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(storage.append("a", a_turn()), loop))
    await storage.append("a", a_turn())
    await storage.close()
    assert await none_left(db, schema)
    with pytest.raises(StorageUnavailable):
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(storage.append("a", a_turn()), loop))
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


async def test_a_forked_child_has_connections_of_its_own(storage: PostgresStorage) -> None:
    await storage.append("a", a_turn())
    child = os.fork()
    if child == 0:
        status = 1
        try:
            # As in a fresh process: the parent's loop is not this one's.
            asyncio.events._set_running_loop(None)
            asyncio.run(_append_and_close(storage))
            status = 0
        finally:
            os._exit(status)
    _, outcome = await asyncio.to_thread(os.waitpid, child, 0)
    assert os.waitstatus_to_exitcode(outcome) == 0
    assert (await storage.append("a", a_turn())).revision == 3


async def _append_and_close(storage: PostgresStorage) -> None:
    await storage.append("a", a_turn())
    await storage.close()


async def test_connections_that_the_server_ended_are_replaced_unnoticed(url: str, schema: str, db: Connection) -> None:
    async with PostgresStorage(named(url, schema), schema=schema) as storage:
        await asyncio.gather(*(storage.append(f"{i}", a_turn()) for i in range(20)))
        for _ in range(3):
            await db.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = %s", (schema,)
            )
            await asyncio.gather(*(storage.append(f"{i}", a_turn(), expected=None) for i in range(20)))
        assert {info.turns async for info in storage.threads()} == {4}
