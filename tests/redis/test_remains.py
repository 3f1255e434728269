"""Nothing of a removed text is left in any key of the server."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, TypeAlias

import pytest

from recuerda.redis import RedisStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn, from_microseconds
from tests.redis.clients import connect
from tests.servers.redis_server import RedisServer

SECRET = "xylophone"

Removal: TypeAlias = Callable[[RedisStorage], Awaitable[object]]


async def _undo_all(storage: RedisStorage) -> None:
    while await storage.undo("a"):
        pass


async def _limit(storage: RedisStorage) -> None:
    await storage.append("a", NewTurn(body=b"plain", message_count=1), keep_messages=1)


async def _undo_and_delete(storage: RedisStorage) -> None:
    await storage.undo("a")
    await storage.delete("a")


REMOVALS: dict[str, Removal] = {
    "undo": _undo_all,
    "limit": _limit,
    "trim by age": lambda storage: storage.trim("a", before=from_microseconds(1_000)),
    "delete": lambda storage: storage.delete("a"),
    "undo and delete": _undo_and_delete,
    "erase_user": lambda storage: storage.erase_user("ana"),
}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    server = RedisServer("--rdbcompression", "no")
    yield server
    server.stop()


@pytest.fixture
async def client(server: RedisServer) -> AsyncIterator[Any]:
    client = connect(server.url)
    yield client
    await client.aclose()


async def everything(client: Any) -> bytes:
    """Return all keys of the server with their serialized values."""
    parts: list[bytes] = []
    async for key in client.scan_iter():
        parts += [key, await client.dump(key) or b""]
    return b"".join(parts)


@pytest.mark.parametrize("how", REMOVALS)
async def test_no_key_holds_a_removed_text(server: RedisServer, client: Any, prefix: str, how: str) -> None:
    async with RedisStorage(server.url, key_prefix=prefix) as storage:
        turns = [NewTurn(body=f"{SECRET} {number}".encode(), message_count=1, created_us=5) for number in range(3)]
        await storage.append_all("a", turns, user_id="ana", title=SECRET)
        if how != "limit":  # A limit keeps the newest summary in place of the dropped turns.
            await storage.summarize("a", SECRET.encode(), through=2)
        info = await storage.head("a")
        assert info is not None
        await storage.save_draft("a", DraftStep(turn_id="t", revision=info.revision, number=1, body=SECRET.encode()))
        assert SECRET.encode() in await everything(client)
        await REMOVALS[how](storage)
        await storage.drop_draft("a")
        assert SECRET.encode() not in await everything(client)
        if "delete" in how or how == "erase_user":
            assert b"ana" not in await everything(client)
            assert [key async for key in client.scan_iter(f"{prefix}*")] == []


async def test_old_ids_are_forgotten(server: RedisServer, client: Any, prefix: str) -> None:
    async with RedisStorage(server.url, key_prefix=prefix) as storage:
        for _ in range(3):
            await storage.append_all("a", [NewTurn(body=b"", message_count=1) for _ in range(800)])
            await storage.trim("a", keep_turns=1)
        await storage.append_all("a", [NewTurn(body=b"", message_count=1) for _ in range(98)])
        names = await client.hkeys(f"{prefix}:{{a}}")
        assert sum(name.startswith(b"r:") for name in names) <= 1100
        assert len(names) < 2 * 1100 + 300
