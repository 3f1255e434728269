"""What survives: a server killed under load, and four processes on one thread."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda.errors import StorageBusy, StorageUnavailable
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn
from tests.growing import longer
from tests.servers.postgres_server import PostgresServer

ROOT = Path(__file__).parents[2]
WRITERS = 12


def a_turn(id: str) -> NewTurn:
    return NewTurn(body=id.encode() * 50, message_count=1, id=id)


@pytest.fixture
async def storage(own_server: PostgresServer, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(own_server.url, schema=schema, timeout_s=0.5) as storage:
        yield storage


async def test_a_killed_server_loses_nothing_acknowledged_and_a_retry_settles_the_rest(
    own_server: PostgresServer, storage: PostgresStorage
) -> None:
    acknowledged: list[str] = []
    unsettled: list[str] = []
    is_over = asyncio.Event()

    async def write(writer: int) -> None:
        number = 0
        while not is_over.is_set():
            turn_id = f"{writer}.{number}"
            try:
                await storage.append(f"{writer % 3}", a_turn(turn_id))
            except (StorageUnavailable, StorageBusy):
                unsettled.append(turn_id)
                await asyncio.sleep(0.02)
                continue  # the same id, until it is known
            acknowledged.append(turn_id)
            number += 1

    writers = [asyncio.ensure_future(write(writer)) for writer in range(WRITERS)]
    for _ in range(3):
        await longer(acknowledged, by=60)
        await asyncio.to_thread(own_server.kill)
        await longer(unsettled, by=1)  # an outage that no writer noticed would prove nothing
        await asyncio.to_thread(own_server.start)
    await longer(acknowledged, by=60)
    is_over.set()
    await asyncio.gather(*writers)

    stored: list[str] = []
    for thread in ("0", "1", "2"):
        found = await storage.read(thread)
        assert [record.number for record in found.records] == list(range(1, len(found.records) + 1))
        assert all(record.body == record.id.encode() * 50 for record in found.records)
        stored += [record.id for record in found.records]
    assert unsettled, "the server was killed while nobody wrote"
    assert sorted(stored) == sorted(acknowledged), "a turn is lost, doubled, or was never settled"
    for writer in range(WRITERS):
        mine = [turn_id for turn_id in stored if turn_id.startswith(f"{writer}.")]
        assert mine == [f"{writer}.{number}" for number in range(len(mine))]


async def test_a_restart_shorter_than_the_timeout_is_not_noticed(own_server: PostgresServer, schema: str) -> None:
    async with PostgresStorage(own_server.url, schema=schema, timeout_s=20) as storage:
        await asyncio.gather(*(storage.append(f"{i}", a_turn("1")) for i in range(8)))
        await asyncio.to_thread(own_server.kill)
        restart = asyncio.create_task(_start_later(own_server))
        appended = await asyncio.gather(*(storage.append(f"{i}", a_turn("2"), expected=1) for i in range(8)))
        await restart
        assert {(one.revision, one.replayed) for one in appended} == {(2, False)}


async def _start_later(server: PostgresServer) -> None:
    await asyncio.sleep(0.3)
    await asyncio.to_thread(server.start)


async def test_a_server_that_is_gone_is_unavailable_and_soon(
    own_server: PostgresServer, storage: PostgresStorage
) -> None:
    await storage.append("a", a_turn("1"))
    own_server.kill()
    began = time.monotonic()
    with pytest.raises(StorageUnavailable, match="cannot be reached"):
        await storage.read("a")
    assert time.monotonic() - began < 20
    own_server.start()
    assert (await storage.append("a", a_turn("1"))).replayed
