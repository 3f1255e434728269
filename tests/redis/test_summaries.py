"""The server keeps nothing of a summary once it is undone or trimmed."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from recuerda.redis import RedisStorage
from recuerda.storage.records import NewTurn
from tests.redis.clients import connect
from tests.servers.redis_server import redis_url

TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    client = connect(redis_url())
    yield client
    await client.aclose()


async def test_nothing_of_a_summary_stays_behind(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        await storage.append_all("a", [TURN, TURN, TURN])
        before = await client.hkeys(f"{prefix}:{{a}}")
        for through in (1, 3, 2, 3):
            await storage.summarize("a", b"secret", through=through)
        await storage.undo("a")
        await storage.undo("a")
        await storage.append("a", TURN)
        await storage.trim("a", keep_turns=1)
        after = await client.hgetall(f"{prefix}:{{a}}")
        removed = [name for name in after if name.startswith((b"r:", b"i:"))]
        assert len(after) - len(removed) == 3  # the head, the last turn and the trim
        assert len(before) == 7
        assert not [value for value in after.values() if b"secret" in value]
        assert not [name for name in after if name.startswith(b"s:")]
