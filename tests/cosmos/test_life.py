"""Clients, event loops and processes: one client a loop, nothing left open, four processes on one thread."""

from __future__ import annotations

import asyncio
import gc
import json
from pathlib import Path

import pytest
from azure.cosmos.aio import CosmosClient

from recuerda.cosmos import CosmosStorage
from recuerda.cosmos import storage as cosmos_storage
from tests.cosmos.threads import THREAD_OF_PROCESSES, a_turn
from tests.forking import run_module
from tests.servers.cosmos_server import cosmos_url

TURNS = 20
"""Of each process; more by hand: `python -m tests.cosmos.writer cosmos://… NAME COUNT`, four at once."""


def count_clients(monkeypatch: pytest.MonkeyPatch) -> list[CosmosClient]:
    made: list[CosmosClient] = []

    def make_client(*args: object, **options: object) -> CosmosClient:
        made.append(CosmosClient(*args, **options))  # pyright: ignore[reportArgumentType] - passed on as they came
        return made[-1]

    monkeypatch.setattr(cosmos_storage, "CosmosClient", make_client)
    return made


def test_loops_that_come_and_go_leave_no_connection_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_clients(monkeypatch)
    storage = CosmosStorage(cosmos_url(tmp_path))

    async def append() -> int:
        await asyncio.gather(*(storage.append(f"{i}", a_turn()) for i in range(10)))
        return (await storage.append("a", a_turn())).revision

    assert [asyncio.run(append()) for _ in range(3)] == [1, 2, 3]
    assert len(made) == 3
    asyncio.run(storage.close())
    gc.collect()  # an open connection would warn now


async def test_many_threads_share_one_client(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = count_clients(monkeypatch)
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        await asyncio.gather(*(storage.append(f"{i}", a_turn()) for i in range(100)))
    assert len(made) == 1


async def test_a_forgotten_storage_leaves_no_connection_open(tmp_path: Path) -> None:
    storage = CosmosStorage(cosmos_url(tmp_path))
    await storage.append("a", a_turn())
    del storage
    gc.collect()
    await asyncio.sleep(0.1)
    gc.collect()


async def test_closing_in_one_loop_closes_the_client_of_another(tmp_path: Path) -> None:
    storage = CosmosStorage(cosmos_url(tmp_path))
    here, appended, other_loop = asyncio.get_running_loop(), asyncio.Event(), list[asyncio.AbstractEventLoop]()
    is_closed = asyncio.Event()

    async def append_and_wait() -> None:
        other_loop.append(asyncio.get_running_loop())
        await storage.append("a", a_turn())
        here.call_soon_threadsafe(appended.set)
        await is_closed.wait()

    other = asyncio.create_task(asyncio.to_thread(asyncio.run, append_and_wait()))
    await appended.wait()
    await storage.append("a", a_turn())
    await storage.close()
    other_loop[0].call_soon_threadsafe(is_closed.set)
    await other
    gc.collect()


def run_writer(url: str, name: str) -> list[tuple[int, str]]:
    done = run_module("tests.cosmos.writer", url, name, TURNS)
    assert done.returncode == 0, done.stderr
    return [(number, turn_id) for number, turn_id in json.loads(done.stdout)]


async def test_four_processes_on_one_thread_lose_mix_and_double_nothing(tmp_path: Path) -> None:
    told = await asyncio.gather(*(asyncio.to_thread(run_writer, cosmos_url(tmp_path), f"{n}") for n in range(4)))
    acknowledged = {number: turn_id for process in told for number, turn_id in process}
    async with CosmosStorage(cosmos_url(tmp_path)) as storage:
        found = await storage.read(THREAD_OF_PROCESSES)
        listed = (await storage.list_threads()).threads
    assert sorted(acknowledged) == list(range(1, 4 * TURNS + 1))
    assert {record.number: record.id for record in found.records} == acknowledged
    assert listed == (found.info,)
    for process in range(4):
        mine = [record.id for record in found.records if record.id.startswith(f"{process}.")]
        assert mine == [f"{process}.{n}" for n in range(TURNS)]
