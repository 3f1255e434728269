"""Many threads in SQLite, PostgreSQL or Redis: `python -m bench.wide --turns 10000000 --threads 1000000`.

The rows are written by SQL statements, because appending ten million turns would take hours. In Redis, a script copies
one thread. Then each operation runs on threads that are chosen at random, so that most of their pages have not been
read before. Redis keeps everything in RAM: ten million turns take 13 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median, quantiles

import psycopg

from bench.conversation import Conversation
from bench.library import encode
from recuerda import NewTurn, Storage, open_storage
from recuerda.copying import copy_threads
from recuerda.redis.scripts.layout import HEAD
from recuerda.sqlite.backup import back_up
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

THREADS_EACH = 10
"""The threads of a user."""

WINDOW = 20
"""The messages that a turn reads."""

_THREADS = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :threads)
    INSERT INTO threads
        (key, id, incarnation, revision, record_id, turns, messages, created_us, updated_us, user_id, title, title_turn)
    SELECT
        i, printf('thread-%08d', i), hex(randomblob(8)), :each, printf('turn-%08d-%04d', i, :each), :each, 2 * :each,
        1000000 + i, 2000000 + i * 7, 'user-' || (i * 7919 % :users), 'A plan of number ' || i, 1
    FROM n
"""
_TURNS = """
    WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :each)
    INSERT INTO turns (position, id, created_us, message_count, body)
    SELECT (threads.key << 32) + n.i, printf('turn-%08d-%04d', threads.key, n.i), 1000000 + n.i, 2, :body
    FROM threads CROSS JOIN n
    WHERE threads.key > :after AND threads.key <= :after + 10000
"""
_POSTGRES_THREADS = """
    INSERT INTO recuerda.threads
        (id, revision, record_id, first, turns, messages, created_us, updated_us, user_id, title, title_turn)
    SELECT
        'thread-' || lpad(i::text, 8, '0'), {each}, 'turn-' || i || '-{each}', 1, {each}, 2 * {each}, 1000000 + i,
        2000000 + i::bigint * 7, 'user-' || (i::bigint * 7919 % {users}), to_json('A plan of number ' || i), 1
    FROM generate_series(1, {threads}) AS i
"""
_POSTGRES_OWNERS = "INSERT INTO recuerda.owners (user_id, thread_key) SELECT user_id, key FROM recuerda.threads"
_POSTGRES_TURNS = """
    INSERT INTO recuerda.turns (thread_key, number, created_us, message_count, id, body)
    SELECT key, n, 1000000 + n, 2, 'turn-' || ltrim(substr(id, 8), '0') || '-' || n, %s
    FROM recuerda.threads CROSS JOIN generate_series(1, %s) AS n
    WHERE key > %s AND key <= %s
"""

# Copies the thread KEYS[1], and lists each copy with a time and a user of its own.
_REDIS_THREADS = (
    HEAD
    + """
local first, last, users = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local head = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'head'))
for i = first, last do
  local id, user = string.format('thread-%08d', i), string.format('user-%d', i * 7919 % users)
  local thread = 'recuerda:{' .. id .. '}'
  head[USER], head[UPDATED] = user, string.format('%018d', 2000000 + i * 7)
  redis.call('COPY', KEYS[1], thread)
  redis.call('HSET', thread, 'head', cmsgpack.pack(head))
  local entry = entry_of(head, id)
  redis.call('ZADD', 'recuerda/ids', i, id)
  redis.call('ZADD', 'recuerda/ids:' .. user, i, id)
  redis.call('ZADD', 'recuerda/threads', 0, entry)
  redis.call('ZADD', 'recuerda/user:' .. user, 0, entry)
end
"""
)


@dataclass(frozen=True)
class Cost:
    """The time of an operation.

    Attributes:
        name: the operation.
        times: how often it ran.
        median_s: the median of the seconds.
        p99_s: the 99th percentile of the seconds.
    """

    name: str
    times: int
    median_s: float
    p99_s: float


def fill(path: Path, *, turns: int, threads: int) -> None:
    """Write threads of equal length into the file of a storage that has its tables and is closed."""
    (turn,) = encode(Conversation(1).messages(2))
    each = turns // threads
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA journal_mode = OFF")  # a fill that fails is thrown away
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("PRAGMA cache_size = -400000")
    with connection:
        connection.execute(_THREADS, {"threads": threads, "each": each, "users": max(1, threads // THREADS_EACH)})
        for after in range(0, threads, 10_000):
            connection.execute(_TURNS, {"each": each, "body": turn.body, "after": after})
    connection.close()


async def measure_sqlite(path: Path, *, turns: int, threads: int, rounds: int, is_whole: bool) -> AsyncIterator[Cost]:
    """Fill a file and yield the cost of each operation.

    Args:
        path: the file, which does not exist yet.
        turns: the number of turns in all.
        threads: the number of threads. Each gets the same number of turns.
        rounds: how often an operation on one thread runs.
        is_whole: also measure the operations that go through the whole file: its backup and its vacuum.
    """
    url = f"sqlite:///{path.as_posix()}"
    async with open_storage(url) as storage:
        await storage.list_threads()  # makes the tables
    yield _once("fill", lambda: fill(path, turns=turns, threads=threads))
    async with open_storage(url) as storage, open_storage(f"{url}.copy") as target:
        async for cost in _operations(storage, target, threads=threads, rounds=rounds):
            yield cost
    if is_whole:
        copy = Path(f"{path}.backup")
        yield _once("backup", lambda: back_up(path, copy, progress=lambda _, __: None))
        yield _once("vacuum", lambda: _vacuum(path))


async def measure_postgres(url: str, *, turns: int, threads: int, rounds: int) -> AsyncIterator[Cost]:
    """Fill an empty database and yield the cost of each operation, and of a vacuum. See `measure_sqlite`."""
    async with open_storage(url) as storage, open_storage(f"{url}&schema=target") as target:
        await storage.list_threads()
        yield _once("fill", lambda: fill_postgres(url, turns=turns, threads=threads))
        async for cost in _operations(storage, target, threads=threads, rounds=rounds):
            yield cost
        yield _once("vacuum", lambda: _vacuum_postgres(url))


async def measure_redis(server: RedisServer, *, turns: int, threads: int, rounds: int) -> AsyncIterator[Cost]:
    """Fill an empty server and yield the cost of each operation, and of a snapshot. See `measure_sqlite`."""
    yield await _costs("fill", lambda _: fill_redis(server, turns=turns, threads=threads), ["all"])
    async with open_storage(server.url) as storage, open_storage(f"{server.url}?key_prefix=target") as target:
        async for cost in _operations(storage, target, threads=threads, rounds=rounds):
            yield cost
    yield _once("backup", lambda: _snapshot(server))


async def fill_redis(server: RedisServer, *, turns: int, threads: int) -> None:
    """Write threads of equal length into a server that has none."""
    (turn,) = encode(Conversation(1).messages(2))
    turns_of_one = [NewTurn(body=turn.body, message_count=2, created_us=1_000_000 + i) for i in range(turns // threads)]
    users = max(1, threads // THREADS_EACH)
    async with open_storage(server.url) as storage:
        await storage.append_all("template", turns_of_one)
        for first in range(1, threads + 1, 2000):
            last = min(threads, first + 1999)
            server.command("EVAL", _REDIS_THREADS, "1", "recuerda:{template}", *map(str, (first, last, users)))
        await storage.delete("template")


def fill_postgres(url: str, *, turns: int, threads: int) -> None:
    """Write threads of equal length into the database of a storage that has its tables and no thread."""
    (turn,) = encode(Conversation(1).messages(2))
    each, users = turns // threads, max(1, threads // THREADS_EACH)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET synchronous_commit = off")
        connection.execute(_POSTGRES_THREADS.format(each=each, users=users, threads=threads).encode())
        connection.execute(_POSTGRES_OWNERS)
        for after in range(0, threads, 10_000):
            connection.execute(_POSTGRES_TURNS, (turn.body, each, after, after + 10_000))
    _vacuum_postgres(url)  # autovacuum does this in a server that is used


async def _operations(storage: Storage, target: Storage, *, threads: int, rounds: int) -> AsyncIterator[Cost]:
    chance, users = Random(1), max(1, threads // THREADS_EACH)
    (turn,) = encode(Conversation(2).messages(2))

    def names() -> list[str]:
        return [f"thread-{number:08d}" for number in chance.sample(range(1, threads + 1), rounds)]

    def owners(number: int) -> list[str]:
        return [f"user-{user}" for user in chance.sample(range(users), min(number, users))]

    async def take_turn(name: str) -> None:
        found = await storage.read(name, last_messages=WINDOW)
        assert found.info is not None
        await storage.append(name, turn, expected=found.info.version)

    few = owners(rounds // 10)
    yield await _costs("a turn: read 20 messages, append two", take_turn, names())
    yield await _costs("a page of 50 threads of all users", lambda _: storage.list_threads(limit=50), names())
    yield await _costs("the threads of a user", lambda user: storage.list_threads(user_id=user), owners(rounds))
    yield await _costs("copy the threads of a user", lambda user: _copy(storage, target, user), few)
    yield await _costs("delete a thread", storage.delete, names()[: rounds // 2])
    yield await _costs(f"erase a user ({THREADS_EACH} threads)", storage.erase_user, owners(rounds // 10))


def _vacuum_postgres(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE recuerda.threads")
        connection.execute("VACUUM ANALYZE recuerda.turns")


async def _copy(storage: Storage, target: Storage, user: str) -> None:
    async for _ in copy_threads(storage, target, user_id=user):
        pass


def _snapshot(server: RedisServer) -> None:
    server.command("BGSAVE")
    while "rdb_bgsave_in_progress:1" in server.command("INFO", "persistence"):
        time.sleep(0.01)


def _vacuum(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("VACUUM")
    connection.close()


def _once(name: str, work: Callable[[], None]) -> Cost:
    started = time.perf_counter()
    work()
    taken = time.perf_counter() - started
    return Cost(name, 1, taken, taken)


async def _costs(name: str, work: Callable[[str], Awaitable[object]], given: Sequence[str]) -> Cost:
    taken: list[float] = []
    for one in given:
        started = time.perf_counter()
        await work(one)
        taken.append(time.perf_counter() - started)
    return Cost(name, len(taken), median(taken), quantiles(taken, n=100)[-1] if len(taken) > 1 else taken[0])


async def _print(costs: AsyncIterator[Cost]) -> None:
    async for cost in costs:
        median_ms, p99_ms = cost.median_s * 1000, cost.p99_s * 1000
        print(f"| {cost.name} | {median_ms:,.1f} ms | {p99_ms:,.1f} ms | {cost.times} |", flush=True)


async def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.wide", description="Measure a storage, long and wide.")
    parser.add_argument("--storage", choices=("sqlite", "postgresql", "redis"), default="sqlite")
    parser.add_argument("--turns", type=int, default=10_000_000, metavar="N", help="in all (default 10000000)")
    parser.add_argument("--threads", type=int, default=1_000_000, metavar="N", help="(default 1000000)")
    parser.add_argument("--rounds", type=int, default=300, metavar="N", help="of each operation (default 300)")
    parser.add_argument("--no-whole", dest="whole", action="store_false", help="no backup, no vacuum")
    parser.add_argument("--dir", metavar="DIR", help="the disk that is measured (default: temporary)")
    options = parser.parse_args(arguments)
    print("| operation | median | 99 % under | times |\n|---|---:|---:|---:|", flush=True)
    size = {"turns": options.turns, "threads": options.threads, "rounds": options.rounds}
    if options.storage == "postgresql":
        server = PostgresServer()
        try:
            await _print(measure_postgres(server.url, **size))
        finally:
            server.stop()
    elif options.storage == "redis":
        always_synced = ("--appendonly", "yes", "--appendfsync", "always", "--auto-aof-rewrite-percentage", "0")
        redis_server = RedisServer(*always_synced)
        try:
            await _print(measure_redis(redis_server, **size))
            (peak,) = re.findall(r"used_memory_peak:(\d+)", redis_server.command("INFO", "memory"))
            print(f"{options.turns:,} turns in {options.threads:,} threads: {int(peak) / 1e9:.2f} GB of RAM")
        finally:
            redis_server.stop()
    else:
        with tempfile.TemporaryDirectory(prefix="recuerda-wide-", dir=options.dir) as folder:
            path = Path(folder) / "wide.db"
            await _print(measure_sqlite(path, **size, is_whole=options.whole))
            print(f"{options.turns:,} turns in {options.threads:,} threads: {path.stat().st_size / 1e9:.2f} GB")
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
