"""What the tests of PostgreSQL share: the server, a schema for each test, and a bare connection to look with."""

from collections.abc import AsyncIterator, Iterator

import pytest

from recuerda.postgres import PostgresStorage
from tests.servers.postgres_fixtures import Connection, db, schema, url
from tests.servers.postgres_server import PostgresServer

__all__ = ["Connection", "db", "modules_server", "own_server", "schema", "storage", "url"]


@pytest.fixture
async def storage(url: str, schema: str) -> AsyncIterator[PostgresStorage]:
    async with PostgresStorage(url, schema=schema) as storage:
        yield storage


@pytest.fixture(scope="module")
def modules_server() -> Iterator[PostgresServer]:
    server = PostgresServer()
    yield server
    server.stop()


@pytest.fixture
def own_server(modules_server: PostgresServer) -> PostgresServer:
    """A server that the test may kill; it waits for the disk at each commit. Another test may have killed it before."""
    modules_server.start()
    return modules_server
