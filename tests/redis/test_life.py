"""Connections are shared, bounded and closed. Unused threads expire."""

import asyncio
import gc
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from recuerda import ChatMessage
from recuerda.errors import StorageUnavailable
from recuerda.redis import RedisChatMessageStore, RedisStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.redis.clients import connect
from tests.redis.proxy import Proxy
from tests.servers.redis_server import redis_url

TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    client = connect(redis_url(), decode_responses=True)
    yield client
    await client.aclose()


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy(int(redis_url().rpartition(":")[2])) as proxy:
        yield proxy


async def test_storages_of_one_url_share_connections_until_the_last_is_closed(proxy: Proxy, prefix: str) -> None:
    first, second = (RedisStorage(proxy.url, key_prefix=prefix) for _ in range(2))
    third = first.with_prefix(f"{prefix}-other")
    for storage in (first, second, third):
        await storage.append("a", TURN)
    assert proxy.connections == 1
    await first.close()
    await third.close()
    with pytest.raises(StorageUnavailable):
        await first.append("a", TURN)
    await second.append("a", TURN)
    assert proxy.connections == 1
    await second.close()
    async with asyncio.timeout(10):
        while proxy.open_connections:  # noqa: ASYNC110 - a proxy sets no event when a client has gone
            await asyncio.sleep(0.005)
    async with RedisStorage(proxy.url, key_prefix=prefix) as again:
        assert len((await again.read("a")).records) == 3
    assert proxy.connections == 2


async def test_other_settings_are_other_connections(proxy: Proxy, prefix: str) -> None:
    async with (
        RedisStorage(proxy.url, key_prefix=prefix) as first,
        RedisStorage(proxy.url, key_prefix=prefix, timeout_s=3) as second,
    ):
        await asyncio.gather(first.head("a"), second.head("a"))
        assert proxy.connections == 2


async def test_500_operations_at_once_wait_for_their_turn(proxy: Proxy, prefix: str) -> None:
    async with RedisStorage(proxy.url, key_prefix=prefix, max_connections=2) as storage:
        appended = await asyncio.gather(*(storage.append("a", TURN) for _ in range(500)))
        assert sorted(one.revision for one in appended) == list(range(1, 501))
    assert proxy.connections <= 2


def test_storages_that_nobody_closes_leak_nothing() -> None:
    # An unclosed connection would be a ResourceWarning, and warnings are errors.
    async def use() -> RedisStorage:
        storage = RedisStorage(redis_url())
        await asyncio.gather(*(storage.head(f"{i}") for i in range(50)))
        await RedisStorage(redis_url(), timeout_s=4).head("dropped")
        return storage

    storage = asyncio.run(use())
    gc.collect()
    assert asyncio.run(storage.head("a")) is None
    gc.collect()


async def test_an_operation_that_is_cancelled_leaves_its_connection_usable(prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, max_connections=1) as storage:
        for pause in range(40):
            tasks = [asyncio.ensure_future(storage.append("a", TURN)) for _ in range(5)]
            for _ in range(pause % 13):
                await asyncio.sleep(0)
            for task in tasks[:3]:
                task.cancel()
            await asyncio.wait(tasks)
            assert all(task.exception() is None for task in tasks[3:])
            assert (await storage.head("a")) is not None


async def test_the_applications_own_client_is_used_and_left_open(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_client=client, key_prefix=prefix) as storage:
        await asyncio.gather(
            *(storage.append("a", NewTurn(body=bytes(range(256)), message_count=1)) for _ in range(40))
        )
        assert (await storage.read("a")).records[39].body == bytes(range(256))
        assert [info.id async for info in storage.threads()] == ["a"]
    assert await client.ping()


async def test_stores_on_one_client_of_the_application_share_its_connections(proxy: Proxy, prefix: str) -> None:
    client = connect(proxy.url)
    stores = [RedisChatMessageStore(redis_client=client, thread_id=f"{i}", key_prefix=prefix) for i in range(300)]
    await asyncio.gather(*(store.add_messages([ChatMessage("user", "hi")]) for store in stores))
    assert proxy.connections <= 8
    for store in stores:
        await store.close()
    await client.aclose()


async def test_the_applications_own_client_of_few_connections_is_enough(prefix: str) -> None:
    client = connect(redis_url(), max_connections=1)
    async with RedisStorage(redis_client=client, key_prefix=prefix) as storage:
        await asyncio.gather(*(storage.append("a", TURN) for _ in range(100)))
    await client.aclose()


async def test_a_thread_expires_when_it_is_not_used(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, ttl=timedelta(milliseconds=1200)) as storage:
        for thread_id in ("read", "written", "left"):
            await storage.append(thread_id, TURN, user_id="ana")
            await storage.save_draft(thread_id, DraftStep(turn_id="t", revision=1, number=1, body=b""))
        while await client.keys(f"{prefix}*left*"):
            assert await storage.head("read")
            await storage.append("written", TURN)
            await asyncio.sleep(0.05)
        assert await storage.load_draft("read")
        assert await storage.head("left") is None
        assert await storage.load_draft("left") is None
        assert (await storage.read("read")).records
        assert sorted([info.id async for info in storage.threads()]) == ["read", "written"]
        assert sorted([info.id async for info in storage.threads(user_id="ana")]) == ["read", "written"]
        assert len((await storage.list_threads(user_id="ana")).threads) == 2
        assert len((await storage.list_threads()).threads) == 2
        assert sorted(await _entries(client, f"{prefix}/threads")) == ["read", "written"]
        assert sorted(await _entries(client, f"{prefix}/user:ana")) == ["read", "written"]
        assert sorted(await client.zrange(f"{prefix}/ids", 0, -1)) == ["read", "written"]
        assert sorted(await client.zrange(f"{prefix}/ids:ana", 0, -1)) == ["read", "written"]
        assert (await storage.append("left", TURN, expected=0)).created


async def test_a_step_keeps_its_thread_alive(prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, ttl=timedelta(milliseconds=1200)) as storage:
        await storage.append("a", TURN)
        for number in (1, 2, 3):
            await storage.save_draft("a", DraftStep(turn_id="t", revision=1, number=number, body=b""))
            await asyncio.sleep(0.5)
        assert (await storage.read("a")).records


async def test_entries_of_expired_threads_go_without_a_listing(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, ttl=timedelta(milliseconds=100)) as storage:
        await asyncio.gather(*(storage.append(f"{i}", TURN, user_id=f"user {i}") for i in range(100)))
        await asyncio.sleep(0.15)
    async with RedisStorage(redis_url(), key_prefix=prefix, ttl=timedelta(hours=1)) as storage:
        for i in range(400):
            await storage.append("living", NewTurn(body=b"", message_count=1, created_us=i))
        assert await _entries(client, f"{prefix}/threads") == ["living"]
        assert await client.zrange(f"{prefix}/ids", 0, -1) == ["living"]
        assert await client.keys(f"{prefix}/user:*") == []
        assert await client.keys(f"{prefix}/ids:*") == []


async def test_without_a_ttl_nothing_expires(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        await storage.append("a", TURN)
        assert await client.ttl(f"{prefix}:{{a}}") == -1


@pytest.mark.parametrize("suffix", [":user", "/user:threads", ":", "/", "/threads", "/user", "x"])
async def test_two_prefixes_see_nothing_of_each_other(prefix: str, suffix: str) -> None:
    async with (
        RedisStorage(redis_url(), key_prefix=prefix) as one,
        RedisStorage(redis_url(), key_prefix=prefix + suffix) as other,
    ):
        names = ("a", "threads", "user", "user:threads", "/threads")
        for name in names:
            await one.append(name, TURN, user_id=name)
        assert [info async for info in other.threads()] == []
        for name in names:
            assert await other.head(name) is None
            assert [info async for info in other.threads(user_id=name)] == []
            assert [info.id async for info in one.threads(user_id=name)] == [name]


async def _entries(client: Any, key: str) -> list[str]:
    entries: list[str] = await client.zrange(key, 0, -1)
    return [entry.partition(":")[2].partition("\0")[0] for entry in entries]


async def test_a_lease_outlives_no_clock_that_is_put_back(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, clock=lambda: 0) as storage:
        assert await storage.take_lease("a", "me", timedelta(seconds=1))
        # As if the server's clock had been put back by an hour.
        await client.pexpire(f"{prefix}:{{a}}:lease", 3_601_000)
        assert not await storage.take_lease("a", "another", timedelta(seconds=1))
        assert await client.pttl(f"{prefix}:{{a}}:lease") <= 1000
        await storage.release_lease("a", "another")
        assert not await storage.take_lease("a", "another", timedelta(seconds=1))
        await storage.release_lease("a", "me")
        assert await storage.take_lease("a", "another", timedelta(seconds=1))
