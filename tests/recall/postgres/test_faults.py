"""What goes wrong around memories in PostgreSQL: servers, connections, processes, time, secrets."""

import asyncio
import logging
import pickle
import signal
import subprocess
import sys
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, LiteralString

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

from recuerda.errors import ConfigurationError, StorageBusy, StorageError, StorageUnavailable
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.recall.index import CandidateQuery, Forgetting, ThreadUpdate
from recuerda.recall.places import opened_index
from recuerda.recall.postgres import PostgresRecallIndex, failures
from recuerda.sqlite import SQLiteStorage
from tests.recall.postgres.memories import Connection, a_provider, document, position, remember, said
from tests.recall.talking import pair, say
from tests.servers.postgres_server import PostgresServer

ROOT = Path(__file__).parents[3]
SECRET = "s3cr%ct"


@pytest.fixture(scope="module")
def modules_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def own_server(modules_server: PostgresServer) -> PostgresServer:
    """A server that the test may kill; it waits for the disk at each commit. Another test may have killed it before."""
    modules_server.start()
    return modules_server


# -- servers and connections -------------------------------------------------------------------------------------------


async def test_a_killed_server_keeps_each_turn_whole_or_not_at_all(own_server: PostgresServer, schema: str) -> None:
    acknowledged: dict[str, int] = {}
    is_over = asyncio.Event()

    async def write(name: str, index: PostgresRecallIndex) -> None:
        while not is_over.is_set():
            try:
                known = (await index.positions([name])).get(name)
                turn = known.revision + 1 if known else 1
                update = ThreadUpdate(
                    thread_id=name,
                    expected=known,
                    position=position(turn),
                    is_fresh=known is None,
                    added=[document(name, turn, f"lantern e{turn}"), document(name, turn, "yes", position=1)],
                )
                if await index.apply(update):
                    acknowledged[name] = turn
            except (StorageUnavailable, StorageBusy):
                await asyncio.sleep(0.02)

    async with PostgresRecallIndex(own_server.url, schema=schema, timeout_s=0.5) as index:
        writers = [asyncio.ensure_future(write(f"{number}", index)) for number in range(6)]
        for _ in range(2):
            await more_of(acknowledged)
            await asyncio.to_thread(own_server.kill)
            await asyncio.sleep(0.7)
            await asyncio.to_thread(own_server.start)
        await more_of(acknowledged)
        is_over.set()
        await asyncio.gather(*writers)
        positions = await index.positions(list(acknowledged))
        stats = await index.stats()
        info = await index.scope_info("user:ana")
    assert stats.documents == info.documents == 2 * sum(one.revision for one in positions.values())


async def test_additions_that_a_killed_server_lost_are_made_again_from_the_log(
    storage: SQLiteStorage, own_server: PostgresServer, schema: str
) -> None:
    for number in range(NEWEST_THREADS + 10):
        await say(storage, f"{number}", *pair(f"I collect stone {number}."))
    async with (
        PostgresRecallIndex(own_server.url, schema=schema, timeout_s=20) as index,
        a_setting(own_server, "wal_writer_delay", "10s"),
    ):
        await index.stats()
        recall = a_provider(index, storage)
        await recall.catch_up()
        await asyncio.to_thread(own_server.kill)
        await asyncio.to_thread(own_server.start)
        assert len(await index.positions([f"{number}" for number in range(NEWEST_THREADS + 10)])) < NEWEST_THREADS
        assert (await said(recall, "stone 3"))[0] == "I collect stone 3."
        assert (await recall.stats()).documents == 2 * (NEWEST_THREADS + 10)
        await recall.close()


@asynccontextmanager
async def a_setting(server: PostgresServer, name: LiteralString, value: LiteralString) -> AsyncGenerator[None]:
    """Change a setting of a server for a while, also through its restart."""
    try:
        await administer(server, f"ALTER SYSTEM SET {name} = '{value}'", "SELECT pg_reload_conf()")
        yield
    finally:
        await administer(server, f"ALTER SYSTEM RESET {name}", "SELECT pg_reload_conf()")


async def administer(server: PostgresServer, *statements: LiteralString) -> None:
    async with await psycopg.AsyncConnection.connect(server.url, autocommit=True) as admin:
        for statement in statements:
            await admin.execute(statement)


async def more_of(acknowledged: dict[str, int]) -> None:
    wanted = sum(acknowledged.values()) + 40
    for _ in range(10_000):
        if sum(acknowledged.values()) >= wanted:
            return
        await asyncio.sleep(0.005)
    raise AssertionError("nobody writes any more")


async def test_a_restart_shorter_than_the_timeout_is_not_noticed(own_server: PostgresServer, schema: str) -> None:
    async with PostgresRecallIndex(own_server.url, schema=schema, timeout_s=20) as index:
        await remember(index, "one", ["a lantern"])
        await administer(own_server, "CHECKPOINT")  # an addition does not wait for the disk
        await asyncio.to_thread(own_server.kill)
        restart = asyncio.create_task(start_later(own_server))
        assert (await index.positions(["one"])) == {"one": position(1)}
        assert await remember(index, "two", ["a ribbon"])
        await restart


async def start_later(server: PostgresServer) -> None:
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.start)


async def test_a_server_that_is_gone_is_unavailable_and_soon(own_server: PostgresServer, schema: str) -> None:
    async with PostgresRecallIndex(own_server.url, schema=schema, timeout_s=0.5) as index:
        await index.stats()
        own_server.kill()
        began = time.monotonic()
        with pytest.raises(StorageUnavailable, match="cannot be reached"):
            await index.stats()
        assert time.monotonic() - began < 20


async def test_connections_that_were_cut_are_replaced(index: PostgresRecallIndex, db: Connection) -> None:
    await asyncio.gather(*(remember(index, f"{number}", ["a lantern"]) for number in range(8)))
    await db.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'recuerda recall'"
    )
    infos = await asyncio.gather(*(index.scope_info("user:ana") for _ in range(8)))
    assert {info.documents for info in infos} == {8}


async def test_a_search_that_is_cancelled_leaves_the_index_usable(
    index: PostgresRecallIndex, db: Connection, schema: str
) -> None:
    await remember(index, "one", ["a lantern"])
    async with db.transaction():
        await db.execute(SQL("LOCK TABLE {}").format(Identifier(schema, "recall_documents")))
        search = asyncio.ensure_future(index.candidates(CandidateQuery(scope="user:ana", terms=("lantern",))))
        await waiting_for_a_lock(db)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
    assert (await index.stats()).documents == 1


async def waiting_for_a_lock(db: Connection) -> None:
    for _ in range(1_000):
        found = await db.execute(
            "SELECT 1 FROM pg_stat_activity WHERE application_name = 'recuerda recall' AND wait_event_type = 'Lock'"
        )
        if await found.fetchone():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("nobody waits")


async def test_a_search_that_takes_too_long_is_cancelled(url: str, schema: str, db: Connection) -> None:
    async with PostgresRecallIndex(url, schema=schema) as patient:
        await remember(patient, "one", ["a lantern"])  # makes the tables, which may take longer
    async with PostgresRecallIndex(url, schema=schema, statement_timeout_s=0.3) as index:
        async with db.transaction():
            await db.execute(SQL("LOCK TABLE {}").format(Identifier(schema, "recall_documents")))
            with pytest.raises(StorageBusy, match=r"took longer than 0\.3 s"):
                await index.candidates(CandidateQuery(scope="user:ana", terms=("lantern",)))
        assert (await index.stats()).documents == 1


async def test_a_writer_that_waits_too_long_for_another_is_told(url: str, schema: str, db: Connection) -> None:
    async with PostgresRecallIndex(url, schema=schema, timeout_s=0.3) as index:
        await remember(index, "one", ["a lantern"])
        async with db.transaction():
            await db.execute(SQL("SELECT FROM {} FOR UPDATE").format(Identifier(schema, "recall_threads")))
            with pytest.raises(StorageBusy, match="lock timeout"):
                await index.apply(ThreadUpdate(thread_id="one", expected=position(1), position=None))
        assert await index.positions(["one"]) == {"one": position(1)}


async def test_who_finds_all_connections_in_use_waits_and_is_told(url: str, schema: str, db: Connection) -> None:
    async with PostgresRecallIndex(url, schema=schema, timeout_s=0.3, max_connections=1) as index:
        await remember(index, "one", ["a lantern"])
        async with db.transaction():
            await db.execute(SQL("LOCK TABLE {}").format(Identifier(schema, "recall_documents")))
            search = asyncio.ensure_future(index.candidates(CandidateQuery(scope="user:ana", terms=("lantern",))))
            await waiting_for_a_lock(db)
            with pytest.raises(StorageBusy, match="raise max_connections"):
                await index.stats()
            search.cancel()
            await asyncio.gather(search, return_exceptions=True)
        assert await remember(index, "two", ["a lantern"])


def test_an_index_serves_one_event_loop_after_another(url: str, schema: str) -> None:
    index = PostgresRecallIndex(url, schema=schema)
    assert asyncio.run(remember(index, "one", ["a lantern"]))
    assert asyncio.run(index.positions(["one"])) == {"one": position(1)}
    asyncio.run(index.close())


FORKING = """
import asyncio, os, sys
from recuerda.recall.postgres import PostgresRecallIndex

index = PostgresRecallIndex(sys.argv[1], schema=sys.argv[2])

async def parent():
    await index.stats()
    child = os.fork()
    if child == 0:
        return child
    _, status = os.waitpid(child, 0)
    assert status == 0
    await index.stats()  # on the connection that the child must not have touched
    await index.close()
    return child

async def in_child():
    await asyncio.gather(*(index.stats() for _ in range(3)))
    await index.close()

if asyncio.run(parent()) == 0:
    asyncio.run(in_child())
    os._exit(0)  # the parent's connections are not the child's to close
"""


async def test_a_forked_process_has_connections_of_its_own(url: str, schema: str) -> None:
    command = [sys.executable, "-W", "error", "-c", FORKING, url, schema]
    done = await asyncio.to_thread(subprocess.run, command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


async def test_a_closed_index_says_so(index: PostgresRecallIndex) -> None:
    await index.stats()
    await index.close()
    await index.close()
    with pytest.raises(StorageUnavailable, match="has been closed"):
        await index.stats()


WRITER = """
import asyncio, sys
from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.recall import RecallProvider
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.sqlite import SQLiteStorage

async def main(path, url, schema, name, count):
    storage, index = SQLiteStorage(path), PostgresRecallIndex(url, schema=schema)
    recall = RecallProvider(index, storage=storage, user_id="ana")
    stores = [ChatMessageStore(storage=storage, thread_id=thread, user_id="ana") for thread in (name, "shared")]
    print("ready", flush=True)
    for number in range(count):
        for store in stores:
            await store.add_messages([ChatMessage("user", f"entry {name}{number} {store.thread_id}")])
            await recall.invoked([], [], thread=AgentThread(message_store=store))
    await index.close()
    await storage.close()

asyncio.run(main(*sys.argv[1:5], int(sys.argv[5])))
"""


def start_writer(path: Path, url: str, schema: str, name: str, count: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-W", "error", "-c", WRITER, str(path), url, schema, name, str(count)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)


async def test_two_processes_share_an_index_and_one_that_is_killed_leaves_one_that_follows(
    storage: SQLiteStorage, path: Path, url: str, schema: str, index: PostgresRecallIndex
) -> None:
    killed, writer = start_writer(path, url, schema, "k", 5_000), start_writer(path, url, schema, "w", 25)
    with killed, writer:
        assert killed.stdout is not None
        assert killed.stdout.readline() == b"ready\n"
        while (await storage.head("k")) is None or not (await index.stats()).documents:
            assert killed.poll() is None
            await asyncio.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        await asyncio.to_thread(writer.communicate)
        assert writer.returncode == 0
    recall = a_provider(index, storage)
    await recall.catch_up()
    turns = sum([info.turns async for info in storage.threads()])
    assert (await index.stats()).documents == (await index.scope_info("user:ana")).documents == turns
    assert sorted((await said(recall, "w24"))[:2]) == ["entry w24 shared", "entry w24 w"]
    await recall.close()


# -- words and secrets -------------------------------------------------------------------------------------------------


def chain(error: BaseException | None) -> str:
    text = ""
    while error is not None:
        text += f"{error!r} {error}\n"
        error = error.__cause__ or error.__context__
    return text


async def test_no_password_is_in_an_error_a_repr_or_a_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with PostgresRecallIndex("postgresql://ana:s3cr%25ct@127.0.0.1:1/talk") as index:
        with pytest.raises(StorageUnavailable, match=r"127\.0\.0\.1:1/talk cannot be reached") as failure:
            await index.forget([Forgetting(scope="user:ana", thread_id="a", incarnation="1", first=1, last=1)])
        assert SECRET not in chain(failure.value) + repr(index) + str(vars(index)) + caplog.text
        assert repr(index) == "PostgresRecallIndex('127.0.0.1:1/talk', schema='recuerda')"
        with pytest.raises((TypeError, AttributeError, pickle.PicklingError)):
            pickle.dumps(index)


@pytest.mark.parametrize("url", ["postgresql://ana:s3cr%zzct@h/d", f"password={SECRET} x", f"host=h s3cr={SECRET}"])
def test_a_url_that_cannot_be_read_is_not_repeated(url: str) -> None:
    with pytest.raises(ConfigurationError) as failure:
        PostgresRecallIndex(url)
    assert "s3cr" not in chain(failure.value)


def test_a_url_names_the_index_and_its_schema() -> None:
    index, is_own = opened_index("postgresql://ana:pw@h:5433/d?schema=tenant%201&sslmode=require")
    assert isinstance(index, PostgresRecallIndex)
    assert (index.place, index.schema, is_own) == ("h:5433/d", "tenant 1", True)
    assert isinstance(opened_index("postgres://h/d")[0], PostgresRecallIndex)


@pytest.mark.parametrize(
    "options",
    [{"schema": ""}, {"schema": "pg_x"}, {"schema": 'a"b'}, {"timeout_s": 0}, {"statement_timeout_s": float("nan")},
     {"max_connections": 0}],
    ids=["no schema", "their schema", "quotes", "no time", "no number", "no connections"],
)  # fmt: skip
def test_settings_that_mean_nothing_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, ValueError)):
        PostgresRecallIndex("postgresql://h/d", **options)


@pytest.mark.parametrize(
    ("error", "wanted"),
    [
        (psycopg.errors.DiskFull("x"), "StorageFull"),
        (psycopg.errors.LockNotAvailable("x"), "StorageBusy"),
        (psycopg.errors.DeadlockDetected("x"), "StorageBusy"),
        (psycopg.OperationalError("FATAL: sorry, too many clients already"), "StorageBusy"),
        (psycopg.errors.InsufficientPrivilege("x"), "StorageReadOnly"),
        (psycopg.errors.InvalidPassword("x"), "StorageUnavailable"),
        (psycopg.errors.InvalidCatalogName("x"), "StorageUnavailable"),
        (psycopg.errors.UndefinedTable("x"), "StorageUnavailable"),
        (psycopg.errors.InternalError_("x"), "StorageError"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
def test_a_servers_error_says_what_to_do(error: psycopg.Error, wanted: str) -> None:
    translated = failures.translate(error, "h:5432/d")
    assert isinstance(translated, StorageError)
    assert type(translated).__name__ == wanted
    assert str(translated).startswith("the index of memories in h:5432/d ")
