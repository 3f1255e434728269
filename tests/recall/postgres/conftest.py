"""A schema for each test, an index in it, and a bare connection to look with."""

from collections.abc import AsyncIterator
from pathlib import Path

import psycopg
import pytest

from recuerda.recall.postgres import PostgresRecallIndex
from tests.recall.postgres.memories import Connection
from tests.servers.postgres_server import postgres_url, schema_of


@pytest.fixture
def url() -> str:
    return postgres_url()


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return schema_of(tmp_path)


@pytest.fixture
async def index(url: str, schema: str) -> AsyncIterator[PostgresRecallIndex]:
    async with PostgresRecallIndex(url, schema=schema) as index:
        yield index


@pytest.fixture
async def db(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection
