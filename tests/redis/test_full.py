"""A full server refuses new data, and does everything that frees memory."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta

import pytest

from recuerda.errors import StorageFull
from recuerda.redis import RedisStorage
from recuerda.retention import RetentionPolicy
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn, from_microseconds
from tests.servers.redis_server import RedisServer, redis_6


@pytest.fixture(params=["Redis 8", "Redis 6.2"])
def server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    server = RedisServer(program=redis_6() if request.param == "Redis 6.2" else None)
    yield server
    server.stop()


@pytest.fixture(params=[None, timedelta(hours=1)], ids=["lasting", "expiring"])
async def full(request: pytest.FixtureRequest, server: RedisServer) -> AsyncIterator[RedisStorage]:
    """A storage whose server accepts no more data."""
    async with RedisStorage(server.url, ttl=request.param) as storage:
        for thread_id in "abcdefg":
            turns = [NewTurn(body=b"x" * 500, message_count=1, created_us=number + 1) for number in range(20)]
            await storage.append_all(thread_id, turns, user_id="ana", title="A title")
            await storage.save_draft(thread_id, DraftStep(turn_id="t", revision=20, number=1, body=b"step"))
        await storage.summarize("d", b"so far", through=10)
        await storage.take_lease("a", "me", timedelta(hours=1))
        server.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        server.command("CONFIG", "SET", "maxmemory", "1")
        yield storage


async def test_new_data_is_refused_and_the_error_says_what_helps(full: RedisStorage) -> None:
    with pytest.raises(StorageFull, match="trim or delete threads"):
        await full.append("a", NewTurn(body=b"more", message_count=1))
    with pytest.raises(StorageFull):
        await full.append("a", NewTurn(body=b"more", message_count=1), keep_messages=1)
    with pytest.raises(StorageFull):
        await full.update_thread("a", title="Another title")
    info = await full.head("a")
    assert info is not None
    assert (info.revision, info.turns, info.title, info.edits) == (20, 20, "A title", 0)


async def test_everything_that_frees_memory_is_done(full: RedisStorage) -> None:
    assert await full.trim("a", keep_turns=3) == 17
    undone = await full.undo("b")
    assert undone is not None
    assert undone.record.number == 20
    assert await full.trim("c", before=from_microseconds(10)) == 9
    assert await full.trim("d", before=from_microseconds(5)) == 4
    assert (await full.update_thread("e", title=None)).title is None
    await full.rewrite("e", {1: b""})
    assert await full.drop_draft("f")
    assert await full.delete("g")
    await full.release_lease("a", "me")
    turns = {info.id: info.turns async for info in full.threads()}
    assert turns == {"a": 3, "b": 19, "c": 11, "d": 16, "e": 20, "f": 20}
    assert [info.id for info in (await full.list_threads()).threads][:2] == ["e", "d"]
    with pytest.raises(StorageFull):
        await full.take_lease("a", "another", timedelta(hours=1))


async def test_retention_and_erasure_are_done(full: RedisStorage) -> None:
    assert (await RetentionPolicy(keep_turns=1).apply(full)).turns == 19 * 7
    assert (await full.erase_user("ana")).threads == 7
    assert [info async for info in full.threads()] == []
