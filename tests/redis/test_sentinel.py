"""Redis Sentinel: its URL, and real failovers."""

import asyncio
from collections.abc import Iterator
from typing import cast

import pytest
from redis.asyncio import Redis, SSLConnection

from recuerda.errors import ConfigurationError, StorageUnavailable
from recuerda.redis import RedisChatMessageStore, RedisStorage, sentinel
from recuerda.redis.sentinel import SentinelUrl
from recuerda.storage.records import NewTurn
from recuerda.storage.registry import open_storage
from tests.growing import longer
from tests.redis.balancers import Pair
from tests.redis.memories import documents, learn, provider_of
from tests.servers.redis_search_server import modules
from tests.servers.redis_sentinel import SERVICE, Sentinels
from tests.servers.redis_server import free_port

SECRET = "s3cr3t"
WRITERS = 8


def turn(name: str) -> NewTurn:
    return NewTurn(body=name.encode(), message_count=1, id=name)


class Watched:
    """A primary, its replica, and Sentinels that watch them."""

    def __init__(self, *options: str, password: str = "") -> None:
        self.pair = Pair(*options)
        self.sentinels = Sentinels(self.pair.primary, password=password)
        self.sentinels.wait_for_replicas()

    def stop(self) -> None:
        self.sentinels.stop()
        self.pair.stop()


@pytest.fixture
def watched() -> Iterator[Watched]:
    watched = Watched()
    yield watched
    watched.stop()


async def test_a_storage_leaves_an_old_primary_that_still_accepts_writes(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sentinel, "RECHECK_S", 0.0)
    acknowledged: list[str] = []
    is_over = asyncio.Event()

    async def write(storage: RedisStorage, writer: int) -> None:
        number = 0
        while not is_over.is_set():
            await storage.append(f"{writer}", turn(f"{writer}.{number}"))
            acknowledged.append(f"{writer}.{number}")
            number += 1

    # A Sentinel that is gone is asked first.
    url = f"redis+sentinel://127.0.0.1:{free_port()},{watched.sentinels.members}/{SERVICE}/0?timeout_s=2"
    async with RedisStorage.from_url(url) as storage:
        writers = [asyncio.create_task(write(storage, writer)) for writer in range(WRITERS)]
        await longer(acknowledged, by=50, looks=3_000)
        await asyncio.to_thread(watched.sentinels.fail_over)
        # One turn of each writer may be on its way to the old primary.
        unsafe = len(acknowledged) + WRITERS
        await longer(acknowledged, by=50, looks=3_000)
        is_over.set()
        await asyncio.gather(*writers)
        found = [record.id for i in range(WRITERS) for record in (await storage.read(f"{i}")).records]
        assert len(found) == len(set(found)), "a turn is there twice"
        assert set(acknowledged[unsafe:]) <= set(found), "a turn went to the old primary"
    assert watched.pair.primary.command("ROLE").startswith("*3\r\n$6\r\nmaster"), "the test proves nothing"


async def test_sentinels_that_end_do_not_disturb_a_storage(watched: Watched, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "RECHECK_S", 0.0)
    async with open_storage(watched.sentinels.url) as storage:
        await storage.append("a", turn("1"))
        watched.sentinels.stop()
        assert (await storage.append("a", turn("2"))).revision == 2


async def test_a_primary_that_was_killed_is_replaced_and_a_run_again_settles_the_turn(watched: Watched) -> None:
    async with open_storage(watched.sentinels.url) as storage:
        await storage.append("a", turn("1"))
        watched.pair.wait_until_in_step()
        before = watched.sentinels.primary_port()
        watched.pair.primary.kill()
        with pytest.raises(StorageUnavailable, match=r"cannot be reached|no primary now"):
            await storage.append("a", turn("2"), expected=1)
        await asyncio.to_thread(watched.sentinels.wait_for_another_primary, before)
        assert (await storage.append("a", turn("2"), expected=1)).revision == 2


async def test_users_and_passwords_of_servers_and_sentinels_are_apart() -> None:
    watched = Watched(password="for-sentinels")
    for server in (watched.pair.primary, watched.pair.replica):
        server.command("ACL", "SETUSER", "ana", "on", ">for-servers", "~*", "+@all")
    url = f"redis+sentinel://ana:for-servers@{watched.sentinels.members}/{SERVICE}"
    async with RedisStorage(f"{url}?sentinel_password=for-sentinels") as storage:
        assert (await storage.append("a", turn("1"))).revision == 1
    for wrong in (url, f"{url}?sentinel_password=x", f"{url.replace('ana:', 'bo:')}?sentinel_password=for-sentinels"):
        async with RedisStorage(wrong) as storage:
            with pytest.raises(StorageUnavailable):
                await storage.append("a", turn("2"))
    watched.stop()


async def test_a_provider_follows_the_primary_too(prefix: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentinel, "RECHECK_S", 0.0)
    watched = Watched(*modules())
    provider = provider_of(prefix, watched.sentinels.url)
    await learn(provider, "The dog sleeps.")
    watched.pair.wait_until_in_step()
    await asyncio.to_thread(watched.sentinels.fail_over)
    await learn(provider, "The cat eats.")
    assert len(await documents(prefix, watched.pair.replica.url)) == 2
    await provider.close()
    watched.stop()


async def test_sentinels_that_do_not_answer_or_know_the_service_are_named(watched: Watched) -> None:
    port = free_port()
    for members, service in ((f"127.0.0.1:{port}", SERVICE), (watched.sentinels.members, "other")):
        url = f"redis+sentinel://:{SECRET}@{members}/{service}?sentinel_password={SECRET}"
        async with RedisStorage.from_url(url) as storage:
            with pytest.raises(
                StorageUnavailable, match=rf"{service} \(Sentinels {members}\) has no primary"
            ) as caught:
                await storage.append("a", turn("1"))
            assert SECRET not in f"{caught.value} {caught.value.__cause__} {storage!r} {storage}"


def test_a_url_of_sentinels_is_read_and_shown_without_secrets() -> None:
    url = (
        f"rediss+sentinel://ana:{SECRET}%40@one:1,[::1]:2,three/my%20service/4?sentinel_password={SECRET}&client_name=c"
    )
    found = SentinelUrl.parse(url)
    assert found.members == (("one", 1), ("::1", 2), ("three", 26379))
    assert (found.service, found.is_tls) == ("my service", True)
    assert found.server_url == f"rediss://ana:{SECRET}%40@localhost/4?client_name=c"
    assert found.sentinel_user == {"password": SECRET}
    client = cast("Redis", found.connect(max_connections=2, options={"protocol": 2}))
    assert isinstance(client.connection_pool.make_connection(), SSLConnection)
    storages = (RedisStorage(url), open_storage(url), RedisChatMessageStore(url).storage)
    assert SECRET not in f"{found!r} {found} {storages!r}"


def test_a_url_of_sentinels_that_says_nonsense_is_refused() -> None:
    for rest in ("", "one", "one/", "/service", "one:x/service", "one,/service", "one/service/zero", "[::1/service"):
        with pytest.raises(ConfigurationError, match=r"must be redis\+sentinel://") as caught:
            RedisStorage(f"redis+sentinel://u:{SECRET}@{rest}")
        assert SECRET not in str(caught.value)
    with pytest.raises(ConfigurationError, match="a Redis Cluster has no Sentinels"):
        RedisStorage("redis+sentinel://one/service", cluster=True)
