"""What the tests of PostgreSQL share: the server, a schema for each test, and a bare connection to look with."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from recuerda.postgres import PostgresStorage
from tests.servers.postgres_server import PostgresServer, postgres_url, schema_of

Connection: TypeAlias = psycopg.AsyncConnection[Any]


@pytest.fixture
def url() -> str:
    return postgres_url()


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return schema_of(tmp_path)


@pytest.fixture
async def storage(url: str, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(url, schema=schema) as storage:
        yield storage


@pytest.fixture
async def db(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that the test may kill; it waits for the disk at each commit."""
    server = PostgresServer()
    yield server
    server.stop()
