"""A real failover of PostgreSQL: the primary dies, its standby is promoted, and the URL names both."""

import asyncio
from collections.abc import Iterator

import psycopg
import pytest

from recuerda.errors import StorageError, StorageReadOnly
from recuerda.postgres import PostgresStorage
from recuerda.storage.records import NewTurn
from recuerda.storage.registry import open_storage
from tests.growing import longer
from tests.servers.postgres_server import PostgresServer
from tests.servers.postgres_standby import Standby, url_of_both

WRITERS = 8


@pytest.fixture
def primary() -> Iterator[PostgresServer]:
    server = PostgresServer(is_durable=False)
    yield server
    server.stop()


@pytest.fixture
def standby(primary: PostgresServer) -> Iterator[Standby]:
    standby = Standby(primary)
    yield standby
    standby.stop()


def turn(name: str) -> NewTurn:
    return NewTurn(body=name.encode(), message_count=1, id=name)


async def test_a_storage_that_names_both_servers_goes_on_with_the_new_primary(
    primary: PostgresServer, standby: Standby
) -> None:
    await _assert_named_as_a_standby(standby)
    with psycopg.connect(primary.url, autocommit=True) as connection:
        connection.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'")
        connection.execute("SELECT pg_reload_conf()")
    acknowledged: list[str] = []
    is_over = asyncio.Event()

    async def write(storage: PostgresStorage, writer: int) -> None:
        number = 0
        while not is_over.is_set():
            try:
                await storage.append(f"{writer}", turn(f"{writer}.{number}"))
            except StorageError:
                await asyncio.sleep(0.02)
                continue  # with the same id
            acknowledged.append(f"{writer}.{number}")
            number += 1

    # The standby is named first, and is not chosen while it is one.
    url = url_of_both(standby.url, primary.url, options="target_session_attrs=read-write&schema=threads")
    async with PostgresStorage.from_url(url) as storage:
        writers = [asyncio.create_task(write(storage, writer)) for writer in range(WRITERS)]
        await longer(acknowledged, by=50)
        await asyncio.to_thread(primary.kill)
        await asyncio.to_thread(standby.promote)
        await longer(acknowledged, by=50)
        is_over.set()
        await asyncio.gather(*writers)
        found = [record.id for i in range(WRITERS) for record in (await storage.read(f"{i}")).records]
    assert sorted(found) == sorted(acknowledged), "a turn is lost or doubled"


def test_a_url_of_several_hosts_is_shown_with_the_port_of_each() -> None:
    for url, place in {
        "postgresql://u:pw@one:5432,two:5433/d?target_session_attrs=read-write": "one:5432,two:5433/d",
        "postgresql://u:pw@one,two/d": "one,two/d",
        "host=one,two port=6000 dbname=d": "one:6000,two:6000/d",
        "postgresql://u:pw@[::1]:1,[::2]:2/d?schema=s": "::1:1,::2:2/d",
    }.items():
        storage = PostgresStorage.from_url(url)
        assert (storage.place, "pw" in repr(storage)) == (place, False)
    assert isinstance(open_storage("postgresql://u:pw@[::1]:1,[::2]:2/d"), PostgresStorage)


async def _assert_named_as_a_standby(standby: Standby) -> None:
    async with PostgresStorage(standby.url) as storage:
        with pytest.raises(StorageReadOnly, match=r"is a standby.*target_session_attrs=read-write"):
            await storage.append("a", turn("1"))
