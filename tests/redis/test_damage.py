"""A head whose counters are wrong makes no script endless: every loop ends with the records that exist."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypeAlias

import msgspec
import pytest

from recuerda.errors import RecuerdaError
from recuerda.redis import RedisStorage
from recuerda.storage.records import NewTurn
from tests.redis.clients import connect
from tests.servers.redis_server import redis_url

HUGE = 2**31
FIELDS = ("revision", "incarnation", "first", "turns", "messages", "user_id", "created", "updated", "summary")

Call: TypeAlias = Callable[[RedisStorage], Awaitable[object]]

OPERATIONS: dict[str, Call] = {
    "read": lambda storage: storage.read("a"),
    "read a window": lambda storage: storage.read("a", last_messages=3),
    "read on": lambda storage: storage.read("a", after=1, with_summary=True),
    "append": lambda storage: storage.append("a", NewTurn(body=b"", message_count=1)),
    "append with a limit": lambda storage: storage.append("a", NewTurn(body=b"", message_count=1), keep_messages=2),
    "undo": lambda storage: storage.undo("a"),
    "trim": lambda storage: storage.trim("a", keep_turns=1),
    "summarize": lambda storage: storage.summarize("a", b"so far", through=2),
    "delete": lambda storage: storage.delete("a"),
}


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    client = connect(redis_url())
    yield client
    await client.aclose()


async def damage(client: Any, key: str, **changes: int) -> None:
    """Change fields of a thread's head, beside the storage."""
    head: list[object] = msgspec.msgpack.decode(await client.hget(key, "head"))
    for name, value in changes.items():
        head[FIELDS.index(name)] = value
    await client.hset(key, "head", msgspec.msgpack.encode(head))


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(
    "changes",
    [
        {"revision": HUGE},
        {"first": -HUGE},
        {"first": HUGE},
        {"messages": HUGE},
        {"turns": -HUGE, "messages": -HUGE},
        {"summary": HUGE},
        {"revision": HUGE, "messages": HUGE, "summary": HUGE},
    ],
    ids=str,
)
async def test_an_operation_on_a_damaged_thread_ends(
    client: Any, prefix: str, name: str, changes: dict[str, int]
) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix, timeout_s=60) as storage:
        await storage.append_all("a", [NewTurn(body=b"x", message_count=1) for _ in range(5)])
        await storage.summarize("a", b"so far", through=3)
        await damage(client, f"{prefix}:{{a}}", **changes)
        async with asyncio.timeout(2):
            for call in (OPERATIONS[name], OPERATIONS["append with a limit"], OPERATIONS["read"]):
                try:
                    await call(storage)
                except RecuerdaError:
                    continue


async def test_links_between_summaries_that_go_in_a_circle_are_followed_once(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        await storage.append_all("a", [NewTurn(body=b"x", message_count=1) for _ in range(2)])
        for _ in range(3):
            await storage.summarize("a", b"so far", through=1)
        await client.hset(f"{prefix}:{{a}}", "s:3", "5")
        async with asyncio.timeout(2):
            assert await storage.undo("a") is not None
            assert await storage.undo("a") is not None


async def test_a_limit_on_a_thread_with_wrong_counts_corrects_them(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        await storage.append_all("a", [NewTurn(body=b"x", message_count=2) for _ in range(5)])
        await damage(client, f"{prefix}:{{a}}", messages=HUGE)
        for _ in range(3):
            await storage.append("a", NewTurn(body=b"x", message_count=2), keep_messages=4)
        info = await storage.head("a")
        assert info is not None
        assert (info.turns, info.messages) == (2, 4)


async def test_a_long_gap_of_removed_records_hides_no_turn(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        first = NewTurn(body=b"first", message_count=1)
        await storage.append_all("a", [first, *[NewTurn(body=b"x", message_count=1)] * 2000])
        # As if all these turns had been undone, and their undos trimmed.
        await client.hdel(f"{prefix}:{{a}}", *range(2, 2001))
        assert [record.number for record in (await storage.read("a")).records] == [1, 2001]
        assert await storage.trim("a", keep_turns=1) > 0
        assert [record.number for record in (await storage.read("a")).records] == [2001]
