"""The storages of the matrix with one connection each, so that a connection that is not given back stops everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

import psutil
import psycopg
import redis.asyncio
from psycopg.conninfo import make_conninfo

from recuerda.cosmos import CosmosStorage
from recuerda.postgres import PostgresStorage
from recuerda.redis import RedisStorage
from recuerda.storage.contract import Storage
from tests.servers.cosmos_server import cosmos_account, cosmos_url
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import prefix_of, redis_url
from tests.storage.matrix import STORAGES, Make

Count: TypeAlias = Callable[[Path], Awaitable[int]]


def _redis(folder: Path) -> Storage:
    prefix = prefix_of(folder)
    return RedisStorage(f"{redis_url()}?client_name={prefix}", key_prefix=prefix, max_connections=1)


def _postgres(folder: Path) -> Storage:
    schema = schema_of(folder)
    return PostgresStorage(make_conninfo(postgres_url(), application_name=schema), schema=schema, max_connections=1)


NARROW: dict[str, Make] = {
    **STORAGES,
    "redis": _redis,
    "postgresql": _postgres,
    "cosmos": lambda folder: CosmosStorage(cosmos_url(folder)),
}
"""By URL scheme, how to open the storage of a folder."""

MOST_CONNECTIONS = {"redis": 1, "postgresql": 1, "cosmos": 16}
"""The largest number of connections that each of these storages needs in the tests."""


async def connections(scheme: str, folder: Path) -> int:
    """Return the number of connections that the storage of a folder has; 0 for a storage without a server."""
    return await _COUNTS[scheme](folder) if scheme in _COUNTS else 0


async def _of_redis(folder: Path) -> int:
    # The type is Any because redis-py leaves the keywords untyped.
    client = cast("Any", redis.asyncio.Redis).from_url(redis_url())
    async with client:
        found: list[dict[str, str]] = await client.client_list()
    return sum(one["name"] == prefix_of(folder) for one in found)


async def _of_postgres(folder: Path) -> int:
    async with await psycopg.AsyncConnection.connect(postgres_url(), autocommit=True) as connection:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s"
        row = await (await connection.execute(query, (schema_of(folder),))).fetchone()
    assert row is not None
    return int(row[0])


async def _of_cosmos(_: Path) -> int:
    port = urlsplit(cosmos_account()).port
    return sum(
        one.status == psutil.CONN_ESTABLISHED and bool(one.raddr) and one.raddr.port == port
        for one in psutil.Process().net_connections("tcp")
    )


_COUNTS: dict[str, Count] = {"redis": _of_redis, "postgresql": _of_postgres, "cosmos": _of_cosmos}
