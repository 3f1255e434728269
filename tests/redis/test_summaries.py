"""What summaries and drafts leave on the server, and what is read of those from before."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from recuerda.errors import DraftConflict
from recuerda.redis import RedisStorage
from recuerda.storage.records import DraftStep, NewTurn
from tests.redis.clients import connect
from tests.servers.redis_server import redis_url

TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    client = connect(redis_url())
    yield client
    await client.aclose()


async def test_a_draft_from_before_times_were_kept_goes_on(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        old: dict[str, Any] = {"turn_id": "t" * 300, "revision": 0, "number": 1, "body": b"\xff1"}
        await client.hset(f"{prefix}:{{a}}:draft", "1", msgspec.msgpack.encode(old))
        second = DraftStep(turn_id="t" * 300, revision=0, number=2, body=b"2", created_us=7)
        await storage.save_draft("a", second)
        draft = await storage.load_draft("a")
        assert draft is not None
        assert draft.steps == (DraftStep(**old), second)
        for number in (1, 3):
            with pytest.raises(DraftConflict):
                await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=number, body=b""))
        assert not (await storage.append("a", NewTurn(id="t" * 300, body=b"", message_count=1))).replayed
        await client.hset(f"{prefix}:{{a}}:draft", "1", msgspec.msgpack.encode(old))
        assert (await storage.append("a", NewTurn(id="t" * 300, body=b"", message_count=1))).replayed
        assert await storage.load_draft("a") is None


async def test_a_thread_from_before_summaries_gets_them(client: Any, prefix: str) -> None:
    async with RedisStorage(redis_url(), key_prefix=prefix) as storage:
        await storage.append_all("a", [TURN, TURN])
        head = msgspec.msgpack.decode(await client.hget(f"{prefix}:{{a}}", "head"))
        await client.hset(f"{prefix}:{{a}}", "head", msgspec.msgpack.encode(head[:8]))
        assert (await storage.read("a", with_summary=True)).summary is None
        await storage.undo("a")
        appended = await storage.summarize("a", b"so far", through=1)
        assert (await storage.read("a", with_summary=True)).summary == appended.record


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
        assert len(after) == len(before) - 2  # of three turns two are gone; the last trim is a record
        assert not [value for value in after.values() if b"secret" in value]
        assert not [name for name in after if name.startswith(b"s:")]
