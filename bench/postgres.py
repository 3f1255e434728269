"""Where the time and the bytes of PostgreSQL go: `python -m bench.postgres`.

It starts a server on this machine. The first table has many conversations at once, by turns on recuerda and on the raw
driver: turns a second, the processor time of this process and of the server's processes, the transactions that wrote,
and the bytes of the write-ahead log. Each turn loads the newest 20 messages and appends two. The other tables have the
bytes of one conversation, by table. `--dir /dev/shm` puts the server's files into RAM, where no commit waits for a
disk.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from statistics import median
from typing import Any, TypeAlias

import psutil
import psycopg
from psycopg_pool import AsyncConnectionPool

from bench.conversation import Conversation, RawMessage, to_turn
from bench.library import encode
from bench.servers import PostgresFloor
from bench.turns import WINDOW
from recuerda import ChatMessageStore
from recuerda.postgres import PostgresStorage
from tests.servers.postgres_server import PostgresServer

Script: TypeAlias = Sequence[list[RawMessage]]
Converse: TypeAlias = Callable[[str, Sequence[Script]], Awaitable[object]]
Connection: TypeAlias = psycopg.AsyncConnection[tuple[Any, ...]]

CONNECTIONS = 10
STATE = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint, pg_current_wal_lsn() - '0/0'"
SIZES = (
    "SELECT c.relname, pg_table_size(c.oid), pg_indexes_size(c.oid) "
    "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
    "WHERE c.relkind = 'r' AND (n.nspname = 'recuerda' OR c.relname = 'message')"
)


@dataclass(frozen=True, slots=True)
class Spent:
    """What happened since a server was started.

    Attributes:
        wall_s: the time that passed.
        client_s: the processor time of this process.
        server_s: the processor time of the server's processes.
        commits: the transactions that wrote something.
        wal_bytes: the bytes of the write-ahead log.
    """

    wall_s: float
    client_s: float
    server_s: float
    commits: float
    wal_bytes: float

    def since(self, earlier: Spent, turns: int) -> Spent:
        """Return the difference to an earlier state, for each turn."""
        names = self.__slots__
        return Spent(**{name: (getattr(self, name) - getattr(earlier, name)) / turns for name in names})


async def converse_on_recuerda(storage: PostgresStorage, prefix: str, scripts: Sequence[Script]) -> None:
    """Hold conversations at once, each with a handle of its own."""

    async def converse(thread_id: str, script: Script) -> None:
        store = ChatMessageStore(storage=storage, thread_id=thread_id)
        for messages in script:
            await store.list_messages(limit=WINDOW)
            await store.append(to_turn(messages), expected=store.revision)

    await asyncio.gather(*(converse(f"{prefix}-{i}", script) for i, script in enumerate(scripts)))


async def converse_one_by_one(floor: PostgresFloor, prefix: str, scripts: Sequence[Script]) -> None:
    """Hold conversations on one connection, each turn after the other."""
    for step in range(len(scripts[0])):
        for i, script in enumerate(scripts):
            await floor.load(f"{prefix}-{i}", WINDOW)
            await floor.append(f"{prefix}-{i}", script[step])


async def converse_on_a_pool(pool: AsyncConnectionPool[Connection], prefix: str, scripts: Sequence[Script]) -> None:
    """Hold conversations at once, each turn on a connection of a pool."""

    async def converse(thread: str, script: Script) -> None:
        for messages in script:
            async with pool.connection() as connection:
                floor = PostgresFloor(connection)
                await floor.load(thread, WINDOW)
                await floor.append(thread, messages)

    await asyncio.gather(*(converse(f"{prefix}-{i}", script) for i, script in enumerate(scripts)))


@asynccontextmanager
async def ways(url: str) -> AsyncGenerator[dict[str, Converse]]:
    """Give the ways to hold conversations, by name."""
    floor = await PostgresFloor.connect(url)
    pool = AsyncConnectionPool[Connection](
        url, min_size=CONNECTIONS, max_size=CONNECTIONS, open=False, kwargs={"autocommit": True}
    )
    async with PostgresStorage(url) as storage, pool:
        yield {
            "recuerda, all at once": lambda prefix, scripts: converse_on_recuerda(storage, prefix, scripts),
            "psycopg, one by one": lambda prefix, scripts: converse_one_by_one(floor, prefix, scripts),
            f"psycopg, at once on {CONNECTIONS} connections": lambda prefix, scripts: converse_on_a_pool(
                pool, prefix, scripts
            ),
        }
    await floor.close()


async def measure_time(
    server: PostgresServer, *, conversations: int, turns: int, rounds: int
) -> dict[str, list[Spent]]:
    """Return what each way spent for a turn, in each round. A round before the first one warms up."""
    talk = Conversation(2)
    spent: dict[str, list[Spent]] = defaultdict(list)
    async with (
        await psycopg.AsyncConnection.connect(server.url, autocommit=True) as connection,
        ways(server.url) as found,
    ):
        for number in range(rounds + 1):
            for name, converse in found.items():
                scripts = [[talk.messages(2) for _ in range(turns)] for _ in range(conversations)]
                before = await _state(server, connection)
                await converse(f"{name} {number}", scripts)
                after = await _state(server, connection)
                if number:
                    spent[name].append(after.since(before, conversations * turns))
    return spent


async def measure_bytes(url: str, messages: int) -> dict[str, float]:
    """Return the bytes of a message in each table with its indexes, for a conversation in turns of two messages."""
    history = Conversation(messages).messages(messages)
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        await connection.execute("DROP TABLE IF EXISTS message")
        await connection.execute("DROP SCHEMA IF EXISTS recuerda CASCADE")
        floor = await PostgresFloor.connect(url)
        for start in range(0, messages, 2):
            await floor.append("conversation", history[start : start + 2])
        await floor.close()
        async with PostgresStorage(url) as storage:
            for turn in encode(history):
                await storage.append("conversation", turn)
        found = await (await connection.execute(SIZES)).fetchall()
    sizes: dict[str, float] = defaultdict(float)
    for table, table_bytes, index_bytes in found:
        kept = table if table in ("message", "turns", "threads") else "the tables without a row"
        sizes[kept] += table_bytes / messages
        sizes[f"indexes of {kept}"] += index_bytes / messages
    return sizes


async def _state(server: PostgresServer, connection: Connection) -> Spent:
    found = await (await connection.execute(STATE)).fetchone()
    assert found is not None
    commits, wal_bytes = map(float, found)
    own = server.process.cpu_times()
    server_s = own.user + own.system + own.children_user + own.children_system
    for child in server.process.children():
        with suppress(psutil.NoSuchProcess):
            times = child.cpu_times()
            server_s += times.user + times.system
    return Spent(time.perf_counter(), time.process_time(), server_s, commits, wal_bytes)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.postgres", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--conversations", type=int, default=200, metavar="N", help="at once (default 200)")
    parser.add_argument("--turns", type=int, default=10, metavar="N", help="of each conversation (default 10)")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="(default 5)")
    parser.add_argument("--sizes", default="500,10000", metavar="N,N", help="messages of a conversation, for its bytes")
    parser.add_argument("--dir", metavar="DIR", help="the disk that is measured (default: temporary)")
    options = parser.parse_args(arguments)
    tempfile.tempdir = options.dir or tempfile.tempdir
    server = PostgresServer()
    try:
        size = {"conversations": options.conversations, "turns": options.turns, "rounds": options.rounds}
        spent = await measure_time(server, **size)
        print("| of each turn | turns/s | client, µs | server, µs | commits | WAL bytes |")
        print("|---|---:|---:|---:|---:|---:|")
        for name, rounds in spent.items():
            middle = [median([getattr(each, field) for each in rounds]) for field in Spent.__slots__]
            wall_s, client_s, server_s, commits, wal_bytes = middle
            cells = (
                f"{1 / wall_s:,.0f} | {client_s * 1e6:.0f} | {server_s * 1e6:.0f} | {commits:.2f} | {wal_bytes:,.0f}"
            )
            print(f"| {name} | {cells} |", flush=True)
        for messages in map(int, options.sizes.split(",")):
            print(f"\n| of {messages:,} messages | bytes a message |\n|---|---:|")
            for name, size_bytes in sorted((await measure_bytes(server.url, messages)).items()):
                print(f"| {name} | {size_bytes:.1f} |", flush=True)
    finally:
        server.stop()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
