"""Turns survive a killed server and a connection that breaks during a request."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda.errors import StorageError, StorageUnavailable, ThreadConflict
from recuerda.redis import RedisStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import ThreadInfo
from tests.redis.proxy import Proxy
from tests.servers.redis_server import RedisServer, redis_url
from tests.storage.lossy import lossy_cluster
from tests.storage.processes import body_of

KILLS = 6


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    async with Proxy(int(redis_url().rpartition(":")[2])) as proxy:
        yield proxy


async def test_a_server_killed_under_load_loses_nothing_acknowledged(durable_server: RedisServer) -> None:
    acknowledged: list[str] = []
    doubtful: list[str] = []
    is_over = False

    async def write(storage: RedisStorage, writer: int) -> None:
        number = 0
        while not is_over:
            turn_id = f"{writer}.{number}"
            turn = NewTurn(id=turn_id, body=body_of(turn_id), message_count=2)
            try:
                await storage.append(f"thread {writer % 3}", turn)
            except StorageError:
                # Nobody knows, so it is asked for again, with its id, until the server is back.
                doubtful.append(turn_id)
                await asyncio.sleep(0.02)
                continue
            acknowledged.append(turn_id)
            number += 1

    async with RedisStorage(durable_server.url, timeout_s=2) as storage:
        writers = [asyncio.ensure_future(write(storage, writer)) for writer in range(12)]
        for kill in range(KILLS):
            before = len(acknowledged)
            deadline = time.monotonic() + 40
            while len(acknowledged) < before + 30 + 7 * kill:
                assert time.monotonic() < deadline
                await asyncio.sleep(0.001)
            durable_server.kill()
            known = set(acknowledged)
            await asyncio.sleep(0.15)
            durable_server.start()
            stored = await _stored_ids(durable_server)
            assert known <= set(stored)
        is_over = True
        await asyncio.gather(*writers)
    stored = await _stored_ids(durable_server)
    assert len(stored) == len(set(stored)), "a turn is there twice"
    assert sorted(stored) == sorted(acknowledged)
    assert doubtful


async def _stored_ids(server: RedisServer) -> list[str]:
    ids: list[str] = []
    async with RedisStorage(f"{server.url}?client_name=reader") as storage:
        for thread in range(3):
            found = await storage.read(f"thread {thread}")
            assert [record.number for record in found.records] == list(range(1, len(found.records) + 1))
            assert all(record.body == body_of(record.id) for record in found.records)
            ids.extend(record.id for record in found.records)
    return ids


@pytest.mark.parametrize("turn_id", [None, "named"])
async def test_an_append_whose_answer_is_lost_is_there_once(proxy: Proxy, prefix: str, turn_id: str | None) -> None:
    async with RedisStorage(proxy.url, key_prefix=prefix) as storage:
        await storage.append("a", NewTurn(body=b"1", message_count=1))
        proxy.swallow_next = True
        turn = NewTurn(body=b"2", message_count=1, id=turn_id)
        appended = await storage.append("a", turn, expected=1)
        assert (appended.revision, appended.created, appended.replayed) == (2, False, False)
        assert [record.body for record in (await storage.read("a")).records] == [b"1", b"2"]


async def test_undo_trim_and_drafts_survive_a_lost_answer(proxy: Proxy, prefix: str) -> None:
    async with RedisStorage(proxy.url, key_prefix=prefix) as storage:
        await storage.append_all("a", [NewTurn(body=b"%d" % i, message_count=1) for i in range(5)])
        await storage.head("a")
        proxy.swallow_next = True
        await storage.undo("a")
        proxy.swallow_next = True
        assert await storage.trim("a", keep_turns=2) == 2
        proxy.swallow_next = True
        await storage.save_draft("a", DraftStep(turn_id="t", revision=7, number=1, body=b"step"))
        draft = await storage.load_draft("a")
        assert draft is not None
        assert len(draft.steps) == 1
        found = await storage.read("a")
        assert found.info is not None
        assert [record.body for record in found.records] == [b"2", b"3"]
        assert found.info.revision == 7


async def test_a_delete_whose_answer_is_lost_is_not_sent_again(proxy: Proxy, prefix: str) -> None:
    # Between the two, somebody may have made the thread anew.
    async with RedisStorage(proxy.url, key_prefix=prefix) as storage:
        await storage.append("a", NewTurn(body=b"1", message_count=1))
        await storage.delete("b")  # the script is known from now on
        proxy.swallow_next = True
        with pytest.raises(StorageUnavailable):
            await storage.delete("a")
        assert await storage.delete("a") is False


async def test_connections_that_broke_while_idle_are_replaced(proxy: Proxy, prefix: str) -> None:
    async with RedisStorage(proxy.url, key_prefix=prefix) as storage:
        for i in range(3):
            await storage.append("a", NewTurn(body=b"1", message_count=1))
            proxy.drop_connections()
            await asyncio.sleep(0.01)
            assert await storage.delete("a") is True, i


async def test_a_server_that_forgot_the_scripts_is_told_again(prefix: str) -> None:
    server = RedisServer()
    async with RedisStorage(server.url, key_prefix=prefix) as storage:
        await storage.append("a", NewTurn(body=b"1", message_count=1))
        server.command("SCRIPT", "FLUSH")
        await asyncio.gather(*(storage.append("a", NewTurn(body=b"2", message_count=1)) for _ in range(20)))
        assert len((await storage.read("a")).records) == 21
        server.kill()
        with pytest.raises(StorageUnavailable):
            await storage.append("a", NewTurn(body=b"3", message_count=1))
        server.start()
        assert (await storage.append("a", NewTurn(body=b"4", message_count=1))).created
    server.stop()


async def test_a_change_of_settings_whose_answer_is_lost_is_made_once(proxy: Proxy, prefix: str) -> None:
    async with RedisStorage(proxy.url, key_prefix=prefix) as storage:
        await storage.append("a", NewTurn(body=b"1", message_count=1))
        before = await storage.update_thread("a", title="T")
        await storage.rewrite("a", {})
        await storage.rewrite("b", {1: b""})  # the script is known from now on
        proxy.swallow_next = True
        after = await storage.update_thread("a", metadata={"k": 1}, expected=before.version)
        assert (after.edits > before.edits, after.metadata) == (True, {"k": 1})
        proxy.swallow_next = True
        await storage.rewrite("a", {1: b"2"}, expected=after.version)
        found = await storage.read("a")
        assert found.info is not None
        assert ([record.body for record in found.records], found.info.edits > after.edits) == ([b"2"], True)


async def test_a_server_that_went_back_to_a_snapshot_is_noticed(prefix: str) -> None:
    server = RedisServer()
    async with RedisStorage(server.url, key_prefix=prefix) as storage:
        await storage.append("a", NewTurn(body=b"kept", message_count=1))
        server.command("SAVE")
        await storage.append("a", NewTurn(body=b"lost", message_count=1))
        lost = await storage.read("a")
        assert lost.info is not None
        server.kill()
        server.start()
        # The writer takes part in the history that the server has now.
        again = await _until_back(storage)
        for expected in (lost.info.version, 0):
            with pytest.raises(ThreadConflict):
                await storage.append("a", NewTurn(body=b"mixed", message_count=1), expected=expected)
        await storage.append("a", NewTurn(body=b"other", message_count=1), expected=again.version)
        with pytest.raises(ThreadConflict):
            await storage.append("a", NewTurn(body=b"mixed", message_count=1), expected=lost.info.version)
        with pytest.raises(ThreadConflict):
            await storage.undo("a", expected=lost.info.version)
        found = await storage.read("a", after=lost.info.version)
        assert ([record.body for record in found.records], found.is_continued) == ([b"kept", b"other"], False)
    server.stop()


async def _until_back(storage: RedisStorage) -> ThreadInfo:
    while True:
        try:
            info = await storage.head("a")
        except StorageError:
            await asyncio.sleep(0.01)
            continue
        assert info is not None
        return info


async def test_in_a_cluster_a_lost_answer_leaves_no_thread_out_of_the_listings(tmp_path: Path) -> None:
    async with lossy_cluster(tmp_path) as (storage, proxy):
        await storage.head("warm")
        cuts = 0
        for at in range(1, 7):
            for name in ("appended", "updated", "drafted", "many"):
                proxy.clear()
                proxy.lose = {at}
                thread = f"{name} {at}"
                if name == "updated":
                    await storage.update_thread(thread, user_id=thread)
                elif name == "drafted":
                    await storage.save_draft(
                        thread, DraftStep(turn_id="t", revision=0, number=1, body=b""), user_id=thread
                    )
                else:
                    turns = [NewTurn(body=b"1", message_count=1, id=f"{i}") for i in range(1 + (name == "many"))]
                    await storage.append_all(thread, turns, user_id=thread)
                cuts += proxy.cuts
                proxy.clear()
                listed = await storage.list_threads(user_id=thread)
                assert [info.id for info in listed.threads] == [thread]
                assert [info.id async for info in storage.threads(user_id=thread)] == [thread]
    assert cuts > 12
