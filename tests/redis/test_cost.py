"""The cost of a turn, in trips and commands: it is counted, never timed."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from recuerda import ChatMessage, ChatMessageStore, NewTurn
from recuerda.redis import RedisChatMessageStore, RedisStorage
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.blobs import CAT, DOG, with_blobs
from tests.redis.clients import connect
from tests.redis.proxy import Proxy
from tests.servers.redis_server import RedisServer


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    server = RedisServer()
    async with Proxy(server.port) as proxy:
        yield proxy
    server.stop()


def some_messages(text: str = "hello") -> list[ChatMessage]:
    return [ChatMessage("user", text), ChatMessage("assistant", text)]


async def test_a_turn_is_two_trips_cold_or_warm(proxy: Proxy) -> None:
    async with RedisStorage(proxy.url) as storage:
        await ChatMessageStore(storage=storage, thread_id="a").add_messages(some_messages())
        await storage.read("a")
        warm = ChatMessageStore(storage=storage, thread_id="a", max_messages=6)
        for turn in range(5):
            for store in (warm, ChatMessageStore(storage=storage, thread_id="a")):
                before = proxy.trips
                await store.list_messages(limit=4)
                assert proxy.trips == before + 1
                await store.add_messages(some_messages(f"{turn}"))
                assert proxy.trips == before + 2


async def test_a_turn_that_replaces_another_one_is_one_trip(proxy: Proxy) -> None:
    async with RedisStorage(proxy.url) as storage:
        store = ChatMessageStore(storage=storage, thread_id="a")
        await store.add_messages(some_messages())
        before = proxy.trips
        await storage.append("a", NewTurn(body=b"{}", message_count=2), replaces=1)
        assert proxy.trips == before + 1


async def test_files_of_turns_take_no_further_trip(proxy: Proxy) -> None:
    async with RedisStorage(proxy.url) as storage:
        await storage.append("a", NewTurn(body=b"first", message_count=1))
        for work in (
            lambda: storage.append("a", with_blobs(CAT, DOG)),
            lambda: storage.read("a", last_turns=2, blobs=1),
            lambda: storage.read_blobs("a", [CAT.digest, DOG.digest]),
            lambda: storage.undo("a", number=2),
        ):
            before = proxy.trips
            await work()
            assert proxy.trips <= before + 2  # an undo is a read and an append
        assert await storage.read_blobs("a", [CAT.digest]) == {}


async def test_many_turns_are_appended_in_few_trips(proxy: Proxy) -> None:
    async with RedisStorage(proxy.url) as storage:
        await storage.append("a", NewTurn(body=b"first", message_count=1))
        await storage.append_all("a", [NewTurn(body=b"", message_count=1)])
        before = proxy.trips
        await storage.append_all("a", [NewTurn(body=b"turn", message_count=1) for _ in range(1000)])
        assert proxy.trips == before + 5


async def test_commands_that_wait_share_a_trip(proxy: Proxy) -> None:
    async with RedisStorage(proxy.url) as storage:
        await storage.append("a", NewTurn(body=b"", message_count=1))
        before = proxy.trips
        await asyncio.gather(*(storage.append(f"{i}", NewTurn(body=b"", message_count=1)) for i in range(200)))
        # The first alone, the others 128 at a time; the wire may cut so large a trip into some.
        assert proxy.trips <= before + 20


async def test_a_turn_costs_the_same_at_100_000_messages() -> None:
    server = RedisServer()
    raw = connect(server.url)
    async with RedisStorage(server.url) as storage, Proxy(server.port) as proxy:
        turns = [NewTurn(body=b"%06d" % i * 20, message_count=2) for i in range(50_000)]
        for thread_id, count in (("short", 20), ("long", 50_000)):
            await storage.append_all(thread_id, turns[:count])
        await storage.append("long", NewTurn(body=b"", message_count=2))
        await storage.append("short", NewTurn(body=b"", message_count=2))
        costs: list[tuple[int, dict[str, int]]] = []
        async with RedisStorage(proxy.url) as counted:
            await counted.head("short")
            for thread_id in ("short", "long"):
                await raw.config_resetstat()
                before = proxy.answered_bytes
                found = await counted.read(thread_id, last_messages=20)
                assert len(found.records) == 10
                assert len((await counted.read(thread_id, before=12, last_turns=10)).records) == 10
                read_bytes = proxy.answered_bytes - before
                turn = NewTurn(body=b"x", message_count=2, id="new")
                await counted.append(thread_id, turn, expected=found.info.revision if found.info else 0)
                assert (await counted.append(thread_id, turn)).replayed
                assert (await counted.read(thread_id, after=2**40)).records == ()
                stats = await raw.info("commandstats")
                calls = {name: value["calls"] for name, value in stats.items() if "config" not in name}
                costs.append((read_bytes, {name: int(count) for name, count in calls.items()}))
        (short_bytes, short_calls), (long_bytes, long_calls) = costs
        assert abs(long_bytes - short_bytes) < 64
        short_calls.pop("cmdstat_info", None)
        long_calls.pop("cmdstat_info", None)
        assert long_calls == short_calls
        # Every command that a turn ran finds its field or entry by name or rank: none walks through the thread.
        assert {name.removeprefix("cmdstat_") for name in long_calls} <= {
            *("evalsha", "hmget", "hget", "hset", "hexists", "exists", "del", "zadd", "zrem"),
            *("hello", "client|setinfo"),
        }
    await raw.aclose()
    server.stop()


async def test_a_limit_reads_only_what_it_drops(proxy: Proxy) -> None:
    raw = connect(proxy.url)
    async with RedisStorage(proxy.url) as storage:
        await storage.append_all("a", [NewTurn(body=b"", message_count=2) for _ in range(5_000)])
        await storage.append("a", NewTurn(body=b"", message_count=2), keep_messages=10_000)
        await raw.config_resetstat()
        await storage.append("a", NewTurn(body=b"", message_count=2), keep_messages=10_000)
        stats = await raw.info("commandstats")
        assert (stats["cmdstat_hget"]["calls"], stats["cmdstat_hdel"]["calls"]) == (1, 1)
    await raw.aclose()


@pytest.mark.parametrize("summaries", [0, 1, 200])
async def test_the_newest_summary_costs_one_look_however_many_there_are(proxy: Proxy, summaries: int) -> None:
    raw = connect(proxy.url)
    async with RedisStorage(proxy.url) as storage:
        await storage.append_all("a", [NewTurn(body=b"", message_count=2) for _ in range(5_000)])
        for _ in range(summaries):
            await storage.summarize("a", b"so far", through=4_998)
        await storage.read("a", last_turns=2)
        await raw.config_resetstat()
        before = proxy.trips
        found = await storage.read("a", with_summary=True, last_turns=2)
        assert proxy.trips == before + 1
        stats = await raw.info("commandstats")
        assert stats.get("cmdstat_hget", {"calls": 0})["calls"] == (1 if summaries else 0)
        assert stats["cmdstat_hmget"]["calls"] <= 10
        assert (found.summary is None, len(found.records)) == (not summaries, 2)
    await raw.aclose()


async def test_a_step_is_one_trip_and_one_write_however_many_there_are(proxy: Proxy) -> None:
    raw = connect(proxy.url)
    async with RedisStorage(proxy.url) as storage:
        costs: list[tuple[int, dict[str, int]]] = []
        for number in range(1, 202):
            if number in (2, 201):
                await raw.config_resetstat()
            before = proxy.trips
            await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=number, body=b"step"))
            trips = proxy.trips - before
            if number in (2, 201):
                stats = await raw.info("commandstats")
                calls = {name: value["calls"] for name, value in stats.items() if "config" not in name}
                costs.append((trips, {name: int(count) for name, count in calls.items()}))
        for trips, calls in costs:
            calls.pop("cmdstat_info", None)
            assert (trips, calls) == (1, {f"cmdstat_{name}": 1 for name in ("evalsha", "hget", "hmget", "hset")})
        draft = await storage.load_draft("a")
        assert draft is not None
        assert len(draft.steps) == 201
    await raw.aclose()


async def test_1000_stores_at_once_share_eight_connections(proxy: Proxy) -> None:
    stores = [RedisChatMessageStore(redis_url=proxy.url, thread_id=f"{i}") for i in range(1000)]
    await asyncio.gather(*(store.add_messages(some_messages(store.thread_id)) for store in stores))
    found = await asyncio.gather(*(store.list_messages() for store in stores))
    assert [messages[0].text for messages in found] == [store.thread_id for store in stores]
    assert proxy.connections <= 8
    for store in stores:
        await store.close()
