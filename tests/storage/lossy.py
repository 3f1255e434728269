"""The storages with a network, each behind a proxy that loses answers."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

from psycopg.conninfo import conninfo_to_dict

from recuerda.cosmos import CosmosStorage
from recuerda.postgres import PostgresStorage
from recuerda.redis import RedisStorage
from recuerda.storage.contract import Storage
from tests.servers.cosmos_server import certificate, cosmos_account, cosmos_url
from tests.servers.lossy_proxy import LossyProxy, Streams, lossy_proxy, postgres_is_ready
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import prefix_of, redis_cluster, redis_url

Lossy: TypeAlias = tuple[Storage, LossyProxy]
Open: TypeAlias = Callable[[Path], AbstractAsyncContextManager[Lossy]]


@asynccontextmanager
async def lossy_redis(folder: Path) -> AsyncGenerator[Lossy]:
    """Open the Redis storage of a folder behind a proxy. It has one connection at most."""
    port = urlsplit(redis_url()).port or 6379
    async with (
        lossy_proxy(lambda: asyncio.open_connection("127.0.0.1", port)) as proxy,
        RedisStorage(f"redis://127.0.0.1:{proxy.port}", key_prefix=prefix_of(folder), max_connections=1) as storage,
    ):
        yield storage, proxy


@asynccontextmanager
async def lossy_cluster(folder: Path) -> AsyncGenerator[Lossy]:
    """Open the storage of a folder in the Redis Cluster, with a proxy before each node."""
    ports = [node.port for node in redis_cluster().nodes]
    async with lossy_proxy(*(partial(asyncio.open_connection, "127.0.0.1", port) for port in ports)) as proxy:
        # The nodes name their own ports, to which the client would then go.
        proxy.swaps = {f":{old}\r".encode(): f":{new}\r".encode() for old, new in zip(ports, proxy.ports, strict=True)}
        url = f"redis://127.0.0.1:{proxy.port}"
        async with RedisStorage(url, cluster=True, key_prefix=prefix_of(folder)) as storage:
            yield storage, proxy


@asynccontextmanager
async def lossy_postgres(folder: Path) -> AsyncGenerator[Lossy]:
    """Open the PostgreSQL storage of a folder behind a proxy. It has one connection at most."""
    place = conninfo_to_dict(postgres_url())
    path = f"{place['host']}/.s.PGSQL.{place.get('port') or 5432}"
    async with lossy_proxy(lambda: asyncio.open_unix_connection(path), is_whole=postgres_is_ready) as proxy:
        url = (
            f"postgresql://{place['user']}@127.0.0.1:{proxy.port}/{place['dbname']}?sslmode=disable&gssencmode=disable"
        )
        async with PostgresStorage(url, schema=schema_of(folder), max_connections=1) as storage:
            yield storage, proxy


@asynccontextmanager
async def lossy_cosmos(folder: Path) -> AsyncGenerator[Lossy]:
    """Open the Cosmos DB storage of a folder behind a proxy."""
    port = urlsplit(cosmos_account()).port or 443
    to_server = ssl.create_default_context()
    to_server.check_hostname, to_server.verify_mode = False, ssl.CERT_NONE
    of_proxy = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    of_proxy.load_cert_chain(*certificate())

    async def connect() -> Streams:
        return await asyncio.open_connection("127.0.0.1", port, ssl=to_server)

    async with lossy_proxy(connect, tls=of_proxy) as proxy:
        # The account names its own address, to which the client would then go.
        proxy.swaps = {f":{port}/".encode(): f":{proxy.port}/".encode()}
        url = cosmos_url(folder).replace(f":{port}/", f":{proxy.port}/")
        async with CosmosStorage(url) as storage:
            yield storage, proxy


LOSSY: dict[str, Open] = {"redis": lossy_redis, "postgresql": lossy_postgres, "cosmos": lossy_cosmos}
"""By URL scheme, how to open each storage that has a network."""
