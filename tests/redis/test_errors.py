"""An error says what to do next, and never contains a secret."""

import asyncio
import logging
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from recuerda.errors import (
    ConfigurationError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)
from recuerda.redis import RedisChatMessageStore, RedisStorage
from recuerda.storage.records import NewTurn
from recuerda.storage.registry import open_storage
from tests.redis.clients import connect, connect_cluster
from tests.servers.redis_server import RedisServer, free_port, redis_cluster, redis_url

SECRET = "s3cr3t-and-long"
TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


@pytest.fixture
async def storage(server: RedisServer) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(server.url, timeout_s=0.5) as storage:
        await storage.append("a", TURN)
        yield storage


async def test_a_full_server_refuses_and_keeps_everything_whole(server: RedisServer, storage: RedisStorage) -> None:
    await storage.append_all("a", [NewTurn(body=b"x" * 1000, message_count=1) for _ in range(200)])
    before = await storage.read("a")
    server.command("CONFIG", "SET", "maxmemory", "1mb")
    for refused in (
        storage.append("a", TURN, keep_messages=3),
        storage.append("new", TURN),
        storage.update_thread("a", title="T"),
    ):
        with pytest.raises(StorageFull, match=r"no memory left"):
            await refused
    server.command("CONFIG", "SET", "maxmemory", "0")
    assert await storage.read("a") == before
    assert [info.id async for info in storage.threads()] == ["a"]
    assert await storage.delete("a")


async def test_a_replica_is_read_only(server: RedisServer, storage: RedisStorage) -> None:
    server.command("REPLICAOF", "127.0.0.1", str(free_port()))
    server.command("CONFIG", "SET", "replica-serve-stale-data", "yes")
    with pytest.raises(StorageReadOnly, match=r"replica"):
        await storage.append("a", TURN)
    assert len((await storage.read("a")).records) == 1


async def test_a_server_that_is_not_there_is_named_by_host_and_port() -> None:
    port = free_port()
    async with RedisStorage(f"redis://somebody:{SECRET}@127.0.0.1:{port}/3") as storage:
        with pytest.raises(StorageUnavailable, match=rf"127\.0\.0\.1:{port}") as error:
            await storage.append("a", TURN)
    assert_silent(error.value)


async def test_a_server_that_does_not_answer_is_given_up_on(server: RedisServer, storage: RedisStorage) -> None:
    blocker = connect(server.url)
    await blocker.execute_command("CLIENT", "PAUSE", 1500, "ALL")
    with pytest.raises(StorageUnavailable, match=r"did not answer within 0\.5 s.*same id"):
        await storage.append("a", TURN)
    await blocker.aclose()


async def test_wrong_credentials_are_refused_without_being_shown(server: RedisServer) -> None:
    server.command("CONFIG", "SET", "requirepass", "right")
    for url in (f"redis://:{SECRET}@127.0.0.1:{server.port}", server.url):
        async with RedisStorage(url) as storage:
            with pytest.raises(StorageUnavailable, match=r"credentials") as error:
                await storage.append("a", TURN)
            assert_silent(error.value)
    async with RedisStorage(f"redis://:right@127.0.0.1:{server.port}") as storage:
        assert (await storage.append("a", TURN)).created


async def test_a_user_without_permission_is_told_so(server: RedisServer) -> None:
    server.command("ACL", "SETUSER", "reader", "on", f">{SECRET}", "~*", "+@read", "+@connection")
    async with RedisStorage(f"redis://reader:{SECRET}@127.0.0.1:{server.port}") as storage:
        with pytest.raises(StorageReadOnly, match=r"grant") as error:
            await storage.append("a", TURN)
        assert_silent(error.value)
        assert storage.persistence == "unknown"


async def test_a_key_of_another_type_is_named_as_a_clash(server: RedisServer, storage: RedisStorage) -> None:
    server.command("SET", "recuerda:{b}", "something else")
    with pytest.raises(StorageError, match=r"another key_prefix"):
        await storage.append("b", TURN)


async def until_busy(server: RedisServer, *, is_busy: bool) -> None:
    answer = ""
    for _ in range(1_000):
        try:
            answer = await asyncio.to_thread(server.command, "PING")
        except RuntimeError as error:
            answer = str(error)
        if ("BUSY" in answer) == is_busy:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(answer)


async def test_a_server_that_is_busy_is_busy(server: RedisServer, storage: RedisStorage) -> None:
    server.command("CONFIG", "SET", "busy-reply-threshold", "50")
    _, endless = await asyncio.open_connection("127.0.0.1", server.port)
    endless.write(b"EVAL 'while true do end' 0\r\n")
    await endless.drain()
    await until_busy(server, is_busy=True)
    with pytest.raises(StorageBusy, match=r"another client's script"):
        await storage.append("a", TURN)
    server.command("SCRIPT", "KILL")
    endless.close()
    await until_busy(server, is_busy=False)
    assert not (await storage.append("a", TURN)).replayed


async def test_a_node_of_a_cluster_asks_for_a_cluster_client() -> None:
    async with RedisStorage(redis_cluster().url) as storage:
        # One in three threads is at home on this node.
        outcomes = await asyncio.gather(*(storage.append(f"{i}", TURN) for i in range(30)), return_exceptions=True)
        refusals = [one for one in outcomes if isinstance(one, BaseException)]
        assert {type(one) for one in refusals} == {StorageUnavailable}
        assert all("cluster=true" in str(one) for one in refusals)


async def test_secrets_are_in_no_text_and_no_state(server: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    server.command("CONFIG", "SET", "requirepass", SECRET)
    caplog.set_level(logging.DEBUG)
    url = f"redis://default:{SECRET}@127.0.0.1:{server.port}/0?key_prefix=mine"
    store = RedisChatMessageStore(storage=open_storage(url), thread_id="a")
    await store.list_messages()
    state = await store.serialize()
    assert state == {"kind": "redis", "thread_id": "a", "key_prefix": "mine"}
    shown = f"{store!r} {store.storage!r} {store.storage} {state} {caplog.text}"
    assert SECRET not in shown
    assert f"127.0.0.1:{server.port}" in shown
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "redis://",
        "redis:",
        "redis://localhost",
        "redis://localhost:1/2?key_prefix=a&ttl_s=1.5&timeout_s=3&max_connections=4&cluster=false",
        "rediss://user:pass@host.example:6380/0?ssl_cert_reqs=none",
        "redis://[::1]:6379",
        "unix:///run/redis.sock?db=1",
    ],
)
def test_a_url_of_a_server_is_taken(url: str) -> None:
    storage = RedisStorage.from_url(url)
    assert "pass" not in repr(storage)


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost",
        "redis://localhost:99999",
        "redis://localhost:x",
        "redis://localhost?ttl_s=soon",
        "redis://localhost?ttl_s=0",
        "redis://localhost?ttl_s=nan",
        "redis://localhost?ttl_s=1e300",
        "redis://localhost?timeout_s=x",
        "redis://localhost?timeout_s=0",
        "redis://localhost?max_connections=0",
        "redis://localhost?cluster=maybe",
        "redis://localhost?key_prefix=",
        "redis://localhost?key_prefix={a}",
        f"redis://:{SECRET}@localhost?socket_timeout=x",
    ],
)
async def test_a_url_that_says_nonsense_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError) as error:
        await RedisStorage.from_url(url).head("a")
    assert_silent(error.value)


@pytest.mark.parametrize(
    "arguments",
    [
        {"url": "redis://localhost", "redis_client": object()},
        {"redis_client": "redis://localhost"},
        {"key_prefix": "a}b"},
        {"key_prefix": "\ud800"},
        {"max_connections": 0},
    ],
    ids=["url and client", "a URL as client", "a brace", "a surrogate", "no connection"],
)
def test_arguments_that_contradict_are_refused(arguments: dict[str, Any]) -> None:
    with pytest.raises((ConfigurationError, ValueError)):
        RedisStorage(**arguments)


def test_a_missing_extra_names_what_to_install() -> None:
    program = (
        "import sys; sys.modules['redis'] = None\n"
        "from recuerda.errors import MissingExtraError\n"
        "from recuerda.storage.registry import open_storage\n"
        "try: open_storage('redis://localhost')\n"
        "except MissingExtraError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == 'recuerda.redis needs an optional dependency: pip install "recuerda[redis]"\n'


@pytest.mark.parametrize(
    ("url", "options", "expected"),
    [
        ("one", ["--appendonly", "yes", "--appendfsync", "always"], "always"),
        ("one", ["--appendonly", "yes"], "everysec"),
        ("one", ["--appendonly", "yes", "--appendfsync", "no"], "unknown"),
        ("one", ["--save", "60 1"], "snapshots"),
        ("one", [], "none"),
        ("cluster", [], "none"),
        ("client", [], "none"),
        ("cluster client", [], "none"),
    ],
)
async def test_persistence_is_told_and_its_lack_warned_of_once(
    url: str, options: list[str], expected: str, caplog: pytest.LogCaptureFixture
) -> None:
    clients: list[Any] = []
    server = RedisServer(*options) if url == "one" else None
    match url:
        case "one":
            assert server is not None
            storages = [RedisStorage(server.url) for _ in range(3)]
        case "cluster":
            storages = [RedisStorage(redis_cluster().url, cluster=True)]
        case "client":
            clients = [connect(redis_url(), decode_responses=True)]
            storages = [RedisStorage(redis_client=clients[0])]
        case _:
            clients = [connect_cluster(redis_cluster().url)]
            storages = [RedisStorage(redis_client=clients[0])]
    assert storages[0].persistence == "unknown"
    for storage in storages:
        await storage.head("a")
        await storage.head("a")
    assert {storage.persistence for storage in storages} == {expected}
    assert caplog.text.count("keeps nothing on disk") == (expected == "none")
    for storage in storages:
        await storage.close()
    for client in clients:
        await client.aclose()
    if server is not None:
        server.stop()


def assert_silent(error: BaseException) -> None:
    """Assert that neither an error nor its causes contain a secret."""
    cause: BaseException | None = error
    while cause is not None:
        assert SECRET not in f"{cause!r} {cause}"
        cause = cause.__cause__
