"""Connections that live and lead to the wrong server: one that was demoted, or does not accept writes."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
from redis import asyncio as redis
from redis import exceptions

from recuerda.errors import ProviderError, RecuerdaError, StorageBusy, StorageReadOnly, StorageUnavailable
from recuerda.redis import RedisStorage, faults
from recuerda.storage.records import NewTurn
from tests.redis.balancers import Balancer, Pair
from tests.redis.memories import documents, learn, provider_of
from tests.servers.redis_search_server import modules
from tests.servers.redis_server import RedisServer, free_port, redis_6, redis_8
from tests.writes import WRITES, named_turn


@pytest.fixture(scope="module", params=[redis_8, redis_6], ids=["Redis 8", "Redis 6"])
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    pair = Pair(program=request.param())
    yield pair
    pair.stop()


@pytest.fixture
async def balancer(pair: Pair) -> AsyncIterator[Balancer]:
    async with Balancer(pair.primary.port) as balancer:
        yield balancer


async def test_every_operation_leaves_a_demoted_server_and_is_done_once(
    pair: Pair, balancer: Balancer, prefix: str
) -> None:
    async with RedisStorage(balancer.url, key_prefix=prefix) as storage:
        await storage.append_all("a", [named_turn("1"), named_turn("2"), named_turn("3")])
        await storage.append("b", named_turn("b"))
        for name, operation in WRITES.items():
            pair.wait_until_in_step()
            await balancer.get_stuck(pair.replica, pair.primary, lambda: storage.head("a"))
            before = balancer.connections
            await operation(storage)
            assert balancer.connections == before + 1, name
        await _assert_each_was_done_once(storage)


async def _assert_each_was_done_once(storage: RedisStorage) -> None:
    found = await storage.read("a", with_summary=False)
    assert found.info is not None
    # 3 at first, 3 appended, an undo, a trim, a summary; then the title and the rewritten body.
    assert (found.info.revision, found.info.title) == (9, "T")
    assert [record.body for record in found.records] == [b"4", b"five"]
    assert await storage.head("b") is None


async def test_a_real_failover_under_load_loses_and_doubles_nothing(
    pair: Pair, balancer: Balancer, prefix: str
) -> None:
    async with RedisStorage(balancer.url, key_prefix=prefix, max_connections=4) as storage:
        for half in range(2):
            await asyncio.gather(*(storage.append(f"{i % 5}", named_turn(f"{half}a{i}")) for i in range(100)))
            pair.fail_over()
            balancer.lead_to(pair.primary)
            before = balancer.connections
            await asyncio.gather(*(storage.append(f"{i % 5}", named_turn(f"{half}b{i}")) for i in range(100)))
            assert balancer.connections <= before + 4, "a new connection was closed as well"
        found = [record.id for name in "01234" for record in (await storage.read(name)).records]
        assert len(found) == 400
        assert set(Counter(found).values()) == {1}


async def test_an_applications_own_client_leaves_a_demoted_server_too(
    pair: Pair, balancer: Balancer, prefix: str
) -> None:
    for kind in (redis.ConnectionPool, redis.BlockingConnectionPool):
        client = redis.Redis.from_pool(kind(host="127.0.0.1", port=balancer.port))
        async with RedisStorage(redis_client=client, key_prefix=prefix) as storage:
            await balancer.get_stuck(pair.replica, pair.primary, lambda: storage.head("a"))
            await storage.append("a", NewTurn(body=b"1", message_count=1))
        await client.aclose()


async def test_a_replica_is_tried_twice_and_then_named(pair: Pair, balancer: Balancer, prefix: str) -> None:
    async with RedisStorage(balancer.url, key_prefix=prefix) as storage:
        await balancer.get_stuck(pair.replica, pair.replica, lambda: storage.head("a"))
        for new in (1, 2):
            before = balancer.connections
            with pytest.raises(StorageReadOnly, match=r"is a replica, also over a new connection; give the address"):
                await storage.append("a", named_turn("1"))
            assert balancer.connections == before + new, "a refused connection was used again"
        assert await storage.head("a") is None


async def test_a_primary_without_replicas_and_a_replica_without_primary_are_left_too(
    pair: Pair, balancer: Balancer, prefix: str
) -> None:
    wrong = RedisServer()
    cases = {
        StorageBusy: (("CONFIG", "SET", "min-replicas-to-write", "1"), "too few connected replicas"),
        StorageUnavailable: (("REPLICAOF", "127.0.0.1", str(free_port())), "lost its primary"),
    }
    wrong.command("CONFIG", "SET", "replica-serve-stale-data", "no")
    async with RedisStorage(balancer.url, key_prefix=prefix) as storage:
        for number, (kind, (command, text)) in enumerate(cases.items()):
            await balancer.get_stuck(wrong, pair.primary, lambda: storage.head("a"))
            wrong.command(*command)
            assert (await storage.append("a", named_turn(f"{number}"))).revision == number + 1
            balancer.drop_connections()
            balancer.lead_to(wrong)
            with pytest.raises(kind, match=text):
                await storage.append("a", named_turn("x"))
    wrong.stop()


def test_a_server_that_loads_its_data_is_asked_again_only_for_what_may_be_repeated() -> None:
    # In a trip of several commands, an earlier command may have been carried out.
    loading = exceptions.BusyLoadingError("Redis is loading the dataset in memory")
    assert faults.is_left_behind(loading)
    assert faults.may_repeat(loading, is_repeatable=True)
    assert not faults.may_repeat(loading, is_repeatable=False)


async def test_a_provider_leaves_a_demoted_server(prefix: str) -> None:
    pair = Pair(*modules())
    async with Balancer(pair.primary.port) as balancer:
        provider = provider_of(prefix, balancer.url)
        await learn(provider, "The dog sleeps.")
        for text in ("The cat eats.", "The bird sings."):
            pair.fail_over()
            balancer.lead_to(pair.primary)
            await learn(provider, text)
        assert len(await documents(prefix, pair.primary.url)) == 3
        await balancer.get_stuck(pair.replica, pair.primary, lambda: provider.search("dog"))
        assert await provider.forget(user="riker") == 3
        await balancer.get_stuck(pair.replica, pair.replica, lambda: provider.search("dog"))
        with pytest.raises(ProviderError, match="is a replica"):
            await learn(provider, "Nobody hears this.")
        await provider.close()
    pair.stop()


async def test_a_cluster_that_is_gone_raises_our_errors_only(prefix: str) -> None:
    async with RedisStorage(f"redis://127.0.0.1:{free_port()}", key_prefix=prefix, cluster=True) as storage:
        for name, operation in {**WRITES, "list": _list, "drafts": _drafts}.items():
            try:
                await operation(storage)
            except RecuerdaError as error:
                assert isinstance(error, StorageUnavailable), name  # noqa: PT017 - a loop over operations
            else:
                pytest.fail(f"{name} found a cluster")


async def _list(storage: RedisStorage) -> object:
    return await storage.list_threads()


async def _drafts(storage: RedisStorage) -> object:
    return await storage.list_drafts()
