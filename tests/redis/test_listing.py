"""Listings where no script reaches them: they may be behind, never wrong, and mend themselves."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest

from recuerda.redis import RedisStorage
from recuerda.redis.keys import ThreadKeys
from recuerda.redis.trips import RedisCall
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.redis.clients import connect_cluster
from tests.servers.redis_server import RedisServer, redis_cluster, redis_url

TURN = NewTurn(body=b"hi", message_count=1)


@pytest.fixture
async def storage(prefix: str) -> AsyncIterator[RedisStorage]:
    async with RedisStorage(redis_cluster().url, cluster=True, key_prefix=prefix) as storage:
        yield storage


@pytest.fixture
async def client() -> AsyncIterator[Any]:
    client = connect_cluster(redis_cluster().url)
    yield client
    await client.aclose()


async def ids(storage: RedisStorage, user_id: str | None = None) -> list[str]:
    return [info.id for info in (await storage.list_threads(user_id=user_id, limit=100)).threads]


async def walked(storage: RedisStorage, user_id: str | None = None) -> set[str]:
    return {info.id async for info in storage.threads(user_id=user_id)}


async def test_the_keys_of_a_thread_are_in_one_slot_whatever_its_id() -> None:
    client = connect_cluster(redis_cluster().url)
    keys = ThreadKeys("app:prod")
    for name in ("a", "{a}", "}{", "a{b}c", "{}", "%7B", "é", "a b", ":draft", "/"):
        slots = {client.keyslot(key) for key in (keys.thread(name), keys.draft(name), keys.lease(name))}
        assert len(slots) == 1, name
    assert len({client.keyslot(keys.thread(f"{i}")) for i in range(1000)}) > 900
    await client.aclose()


async def test_an_entry_that_is_behind_is_passed_over_and_mended(
    storage: RedisStorage, client: Any, prefix: str
) -> None:
    for i, name in enumerate(("a", "b", "c")):
        await storage.append(name, NewTurn(body=b"", message_count=1, created_us=i), user_id="ana")
    # As if the process had died between the turn and the listings: the old entry is there, the new one is not.
    for key in (f"{prefix}/threads", f"{prefix}/user:ana"):
        await client.zrem(key, f"{0:018}:a\0ana")
        await client.zadd(key, {f"{99:018}:a\0ana": 0})
    assert await ids(storage) == ["c", "b"]
    assert await ids(storage) == ["c", "b", "a"]
    assert await ids(storage, "ana") == ["c", "b", "a"]
    assert await client.zcard(f"{prefix}/threads") == 3


async def test_entries_of_threads_that_are_gone_are_dropped(storage: RedisStorage, client: Any, prefix: str) -> None:
    for i in range(30):
        await storage.append(f"{i}", TURN, user_id="ana" if i % 2 else None)
    for i in range(0, 30, 3):
        await client.delete(f"{prefix}:{{{i}}}")
    page = await storage.list_threads(limit=7)
    assert (len(page.threads), page.cursor is None) == (7, False)
    assert len(await ids(storage)) == 20
    assert await client.zcard(f"{prefix}/threads") == 20
    assert await client.zcard(f"{prefix}/user:ana") == 10


async def test_a_change_of_user_moves_between_the_users_listings(storage: RedisStorage) -> None:
    await storage.append("a", TURN, user_id="ana")
    await storage.update_thread("a", user_id="bob")
    assert (await ids(storage, "ana"), await ids(storage, "bob"), await ids(storage)) == ([], ["a"], ["a"])
    await storage.update_thread("a", user_id=None)
    assert (await ids(storage, "bob"), await ids(storage)) == ([], ["a"])


async def test_concurrent_changes_leave_one_entry_each_once_listed(
    storage: RedisStorage, client: Any, prefix: str
) -> None:
    await asyncio.gather(*(storage.append(f"{i % 5}", TURN) for i in range(200)))
    await ids(storage)
    assert sorted(await ids(storage)) == ["0", "1", "2", "3", "4"]
    assert await client.zcard(f"{prefix}/threads") == 5


@pytest.fixture
def lone_node() -> Iterator[RedisServer]:
    server = RedisServer("--cluster-enabled", "yes")
    server.command("CLUSTER", "ADDSLOTSRANGE", "0", "16383")
    while "cluster_state:ok" not in server.command("CLUSTER", "INFO"):
        time.sleep(0.02)
    yield server
    server.stop()


async def test_a_cluster_that_looks_like_one_server_is_found_out(lone_node: RedisServer, prefix: str) -> None:
    async with RedisStorage(lone_node.url, key_prefix=prefix) as storage:
        for i in range(20):
            appended = await storage.append(f"{i}", TURN, user_id="ana", expected=0)
            assert (appended.revision, appended.replayed) == (1, False)
        await storage.update_thread("3", title="T")
        assert await storage.delete("4")
        assert len(await ids(storage)) == len(await ids(storage, "ana")) == 19
        await storage.append_all("5", [TURN] * 3)
        assert (await ids(storage))[:2] == ["5", "3"]


@pytest.mark.parametrize("is_cluster", [False, True], ids=["one_server", "a_cluster"])
async def test_all_drafts_of_a_prefix_are_listed_and_no_other_ones(prefix: str, *, is_cluster: bool) -> None:
    url = redis_cluster().url if is_cluster else redis_url()
    special = prefix + "*?[a-z]^\\"
    async with (
        RedisStorage(url, cluster=is_cluster, key_prefix=special) as storage,
        RedisStorage(url, cluster=is_cluster, key_prefix=special.replace("*", "!")) as other,
    ):
        names = sorted(f"thread {i}" for i in range(2500))
        step = DraftStep(turn_id="t", revision=0, number=1, body=b"")
        for start in range(0, 2500, 250):
            await asyncio.gather(*(storage.save_draft(name, step) for name in names[start : start + 250]))
        await other.save_draft("mine", step)
        await storage.append("thread", TURN)
        assert sorted((await storage.list_drafts(10_000)).thread_ids) == names
        assert len((await storage.list_drafts()).drafts) == 100
        assert (await other.list_drafts()).thread_ids == ["mine"]


class Cut(Exception):
    """Stands for the end of the process."""


@pytest.mark.parametrize("survived", range(8))
async def test_a_process_that_dies_leaves_no_thread_that_a_walk_misses(
    storage: RedisStorage, prefix: str, monkeypatch: pytest.MonkeyPatch, survived: int
) -> None:
    send, left = storage._send, survived  # pyright: ignore[reportPrivateUsage]  # the place where a process can die

    async def send_until_cut(call: RedisCall, *, is_repeatable: bool = False) -> object:
        nonlocal left
        left -= 1
        if left < 0:
            raise Cut
        return await send(call, is_repeatable=is_repeatable)

    await storage.update_thread("settings", title="T")
    monkeypatch.setattr(storage, "_send", send_until_cut)
    for operation in (
        storage.append("turn", TURN, user_id="ana"),
        storage.append("settings", TURN, user_id="ana"),
        storage.update_thread("settings", user_id="bob"),
    ):
        with suppress(Cut):
            await operation
    monkeypatch.undo()
    held = {name: await storage.head(name) for name in ("turn", "settings")}
    made = {name: info.user_id for name, info in held.items() if info is not None}
    assert await walked(storage) == made.keys()
    for user in ("ana", "bob"):
        assert await walked(storage, user) == {name for name, owner in made.items() if owner == user}


async def test_walks_remove_the_ids_of_threads_that_are_gone(storage: RedisStorage, client: Any, prefix: str) -> None:
    for i in range(30):
        await storage.append(f"{i}", TURN, user_id="ana" if i % 2 else None)
    for i in range(0, 30, 3):
        await client.delete(f"{prefix}:{{{i}}}")
    assert (len(await walked(storage)), len(await walked(storage, "ana"))) == (20, 10)
    assert (await client.zcard(f"{prefix}/ids"), await client.zcard(f"{prefix}/ids:ana")) == (20, 10)
    for i in range(30):
        await storage.delete(f"{i}")
    assert await client.zcard(f"{prefix}/ids") == await client.zcard(f"{prefix}/ids:ana") == 0
