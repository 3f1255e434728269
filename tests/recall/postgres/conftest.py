"""A schema for each test, an index in it, and a bare connection to look with."""

from collections.abc import AsyncIterator

import pytest

from recuerda.recall.postgres import PostgresRecallIndex
from tests.servers.postgres_fixtures import db, schema, url

__all__ = ["db", "index", "schema", "url"]


@pytest.fixture
async def index(url: str, schema: str) -> AsyncIterator[PostgresRecallIndex]:
    async with PostgresRecallIndex(url, schema=schema) as index:
        yield index
