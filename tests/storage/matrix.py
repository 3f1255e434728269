"""Every storage there is, and how to open it: a new storage is one line in `STORAGES`."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

from recuerda.cosmos import CosmosStorage
from recuerda.file import FileStorage
from recuerda.postgres import PostgresStorage
from recuerda.redis import RedisStorage
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.contract import Storage
from recuerda.storage.ram import MemoryStorage
from tests.servers.cosmos_server import cosmos_url
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import prefix_of, redis_url

Make: TypeAlias = Callable[[Path], Storage]

STORAGES: dict[str, Make] = {
    "memory": lambda _: MemoryStorage(),
    "sqlite": lambda folder: SQLiteStorage(folder / "threads.db"),
    "file": lambda folder: FileStorage(folder / "threads"),
    "cosmos": lambda folder: CosmosStorage(cosmos_url(folder)),
    "redis": lambda folder: RedisStorage(redis_url(), key_prefix=prefix_of(folder)),
    "postgresql": lambda folder: PostgresStorage(postgres_url(), schema=schema_of(folder)),
}
"""By URL scheme: how to open the storage of a folder. Opening one folder twice gives two handles on one place."""

IN_ONE_PROCESS = {"memory"}
"""The storages for one process: their threads end with it, or no lock works between processes. A second handle on a
place is the first one."""

SURVIVING = sorted(STORAGES.keys() - IN_ONE_PROCESS)
"""Those whose threads outlive the process."""
