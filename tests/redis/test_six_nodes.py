"""A Redis Cluster of six nodes: how the threads spread, and what goes over all nodes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from recuerda.redis import RedisStorage
from recuerda.storage.records import NewTurn
from tests.servers.redis_server import RedisClusterServer

THREADS = [f"thread-{number:03}" for number in range(300)]
TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture(scope="module")
def cluster() -> Iterator[RedisClusterServer]:
    cluster = RedisClusterServer(6)
    yield cluster
    cluster.stop()


@pytest.fixture
async def storage(cluster: RedisClusterServer) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(cluster.url, cluster=True) as storage:
        for number, name in enumerate(THREADS):
            await storage.append(name, TURN, user_id=f"user-{number % 10}")
        yield storage
        for user in range(10):
            await storage.erase_user(f"user-{user}")


def keys_of_threads(cluster: RedisClusterServer) -> list[int]:
    return [node.command("KEYS", "*thread-*").count("thread-") for node in cluster.nodes]


async def test_threads_are_on_all_nodes(storage: RedisStorage, cluster: RedisClusterServer) -> None:
    found = keys_of_threads(cluster)
    assert all(sum(found) / 12 < each < sum(found) / 3 for each in found), found
    heads = await storage.heads(THREADS)
    assert {name: head.turns for name, head in heads.items()} == dict.fromkeys(THREADS, 1)


async def test_a_listing_and_an_erasure_reach_the_threads_of_all_nodes(
    storage: RedisStorage, cluster: RedisClusterServer
) -> None:
    page = await storage.list_threads(user_id="user-3", limit=100)
    assert sorted(info.id for info in page.threads) == THREADS[3::10]
    before = keys_of_threads(cluster)
    await storage.erase_user("user-3")
    assert {info.id async for info in storage.threads()} == set(THREADS) - set(THREADS[3::10])
    after = keys_of_threads(cluster)
    assert sum(after) == sum(before) * 9 // 10
    assert all(now <= earlier for now, earlier in zip(after, before, strict=True))
