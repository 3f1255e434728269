"""The benchmark of many threads in one file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.wide import fill, fill_postgres, fill_redis, main, measure_postgres, measure_redis, measure_sqlite
from recuerda import NewTurn, Storage, ThreadInfo, open_storage
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

OPERATIONS = [
    ("a turn: read 20 messages, append two", 20),
    ("a page of 50 threads of all users", 20),
    ("the threads of a user", 4),
    ("copy the threads of a user", 2),
    ("delete a thread", 10),
    ("erase a user (10 threads)", 2),
]


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    server = PostgresServer(is_durable=False)
    yield server
    server.stop()


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    server = RedisServer()
    yield server
    server.stop()


async def check_filled(storage: Storage) -> None:
    infos: list[ThreadInfo] = [info async for info in storage.threads()]
    found = await storage.read("thread-00000007")
    assert [(info.turns, info.messages, info.revision) for info in infos] == [(20, 40, 20)] * 60
    assert [record.number for record in found.records] == list(range(1, 21))
    assert found.info is not None
    assert found.info.record_id == found.records[-1].id
    assert len((await storage.list_threads(user_id="user-1")).threads) == 10
    assert (await storage.erase_user("user-1")).threads == 10


async def test_the_filled_file_is_one_that_the_storage_would_have_written(tmp_path: Path) -> None:
    url = f"sqlite:///{(tmp_path / 'wide.db').as_posix()}"
    async with open_storage(url) as storage:
        await storage.list_threads()
    fill(tmp_path / "wide.db", turns=1200, threads=60)
    async with open_storage(url) as storage:
        await check_filled(storage)


async def test_the_filled_database_is_one_that_the_storage_would_have_written(server: PostgresServer) -> None:
    async with open_storage(server.url) as storage:
        await storage.list_threads()
        fill_postgres(server.url, turns=1200, threads=60)
        await check_filled(storage)


async def test_the_filled_redis_is_one_that_the_storage_would_have_written(redis_server: RedisServer) -> None:
    await fill_redis(redis_server, turns=1200, threads=60)
    async with open_storage(redis_server.url) as storage:
        await check_filled(storage)
        assert (await storage.list_threads(limit=1)).threads[0].id == "thread-00000060"
        await storage.append("new", NewTurn(body=b"{}", message_count=1))
        assert [info.id async for info in storage.threads()][-1] == "new"


async def test_each_operation_on_redis_is_measured(redis_server: RedisServer) -> None:
    costs = [cost async for cost in measure_redis(redis_server, turns=400, threads=40, rounds=20)]
    assert [(cost.name, cost.times) for cost in costs] == [("fill", 1), *OPERATIONS, ("backup", 1)]
    assert all(0 < cost.median_s <= cost.p99_s for cost in costs)


async def test_each_operation_on_postgresql_is_measured(server: PostgresServer) -> None:
    costs = [cost async for cost in measure_postgres(server.url, turns=400, threads=40, rounds=20)]
    assert [(cost.name, cost.times) for cost in costs] == [("fill", 1), *OPERATIONS, ("vacuum", 1)]
    assert all(0 < cost.median_s <= cost.p99_s for cost in costs)


async def test_each_operation_is_measured(tmp_path: Path) -> None:
    costs = [
        cost async for cost in measure_sqlite(tmp_path / "wide.db", turns=400, threads=40, rounds=20, is_whole=True)
    ]
    assert [(cost.name, cost.times) for cost in costs] == [("fill", 1), *OPERATIONS, ("backup", 1), ("vacuum", 1)]
    assert all(0 < cost.median_s <= cost.p99_s for cost in costs)


async def test_the_table_names_the_size(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    options = ["--turns", "100", "--threads", "20", "--rounds", "10", "--no-whole", "--dir", str(tmp_path)]
    assert await main(options) == 0
    printed = capsys.readouterr().out
    assert "100 turns in 20 threads: 0.00 GB" in printed
    assert "backup" not in printed
