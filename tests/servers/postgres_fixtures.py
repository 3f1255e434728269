"""Fixtures of every test folder that needs PostgreSQL: the server's URL, a schema for each test, a bare connection."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, TypeAlias

import psycopg
import pytest

from tests.servers.postgres_server import postgres_url, schema_of

Connection: TypeAlias = psycopg.AsyncConnection[Any]


@pytest.fixture
def url() -> str:
    return postgres_url()


@pytest.fixture
def schema(tmp_path: Path) -> str:
    return schema_of(tmp_path)


@pytest.fixture
async def db(url: str) -> AsyncIterator[Connection]:
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        yield connection
