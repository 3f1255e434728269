"""Lists of threads in a storage that holds a million threads of many users.

The rows are written by one SQL statement, because appending a million turns would take an hour. A list reads no turn.
Each timed call asks for another user, so it meets rows that no earlier call has read.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from statistics import median

import psycopg

from bench.results import ListingCost
from recuerda import Storage, ThreadPage, open_storage
from tests.servers.postgres_server import PostgresServer

_WORDS = "'plan','invoice','recipe','garden','porto','bug','letter','holiday','car','music'"
_SPREAD = 7_919
"""A prime: neighbours in the list belong to different users."""

# Each user has threads of all times. Every fifth thread of a user is archived, and every tenth has a tag.
_SQLITE = """
    WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :threads)
    INSERT INTO threads
        (id, incarnation, revision, record_id, turns, messages, created_us, updated_us, user_id, title, title_turn,
         metadata, archived, tags)
    SELECT
        printf('thread-%07d', i), hex(randomblob(8)), 3, hex(randomblob(8)), 3, 6, 1000000 + i, 2000000 + i * 7,
        'user-' || (i * :spread % :users), 'A ' || (json_array({words}) ->> (nth % 10)) || ' of number ' || i, 1,
        json_object('channel', json_array('web', 'app', 'mail') ->> (nth % 3)), nth % 5 = 0,
        iif(nth % 10 = 3, '["work"]', '[]')
    FROM (SELECT i, i / :users AS nth FROM n)
"""
_POSTGRES = """
    INSERT INTO recuerda.threads
        (id, revision, record_id, first, turns, messages, created_us, updated_us, user_id, title, title_turn, metadata,
         archived, tags)
    SELECT
        'thread-' || lpad(i::text, 7, '0'), 3, md5(i::text), 1, 3, 6, 1000000 + i, 2000000 + i::bigint * 7,
        'user-' || (i::bigint * {spread} % {users}),
        to_json('A ' || (ARRAY[{words}])[nth % 10 + 1] || ' of number ' || i), 1,
        json_build_object('channel', (ARRAY['web', 'app', 'mail'])[nth % 3 + 1]), nth % 5 = 0,
        CASE WHEN nth % 10 = 3 THEN '["work"]' ELSE '[]' END::json
    FROM (SELECT i, i / {users} AS nth FROM generate_series(0, {threads} - 1) AS i) AS numbered
"""
_OWNERS = "INSERT INTO recuerda.owners (user_id, thread_key) SELECT user_id, key FROM recuerda.threads"

List = Callable[[Storage, str], Awaitable[ThreadPage]]

LISTS: dict[str, List] = {
    "a page of a user": lambda storage, user: storage.list_threads(user_id=user),
    "a user, by metadata and a tag": lambda storage, user: storage.list_threads(
        user_id=user, metadata={"channel": "web"}, tags=["work"]
    ),
    "a user, by words of the title": lambda storage, user: storage.list_threads(user_id=user, title="porto"),
    "all users, by a title that none has": lambda storage, _: storage.list_threads(title="no such words"),
}
"""The measured lists by their names."""


async def measure_listing(*, threads: int, users: int, rounds: int, folder: Path) -> list[ListingCost]:
    """Return the cost of each list on SQLite and on PostgreSQL."""
    on_sqlite = await measure_on_sqlite(threads=threads, users=users, rounds=rounds, folder=folder)
    server = PostgresServer()
    try:
        async with open_storage(server.url) as storage:
            await storage.list_threads()
            await fill_postgres(server.url, threads, users)
            return on_sqlite + await _costs("postgresql", storage, threads, users, rounds)
    finally:
        server.stop()


async def measure_on_sqlite(*, threads: int, users: int, rounds: int, folder: Path) -> list[ListingCost]:
    """Return the cost of each list on SQLite."""
    path = folder / "listing.db"
    async with open_storage(f"sqlite:///{path.as_posix()}") as storage:
        await storage.list_threads()  # makes the tables
        fill_sqlite(path, threads, users)
        return await _costs("sqlite", storage, threads, users, rounds)


def fill_sqlite(path: Path, threads: int, users: int) -> None:
    """Write the threads into the file of a storage that has its tables."""
    with sqlite3.connect(path) as connection:
        values = {"threads": threads, "users": users, "spread": _SPREAD}
        connection.execute(_SQLITE.format(words=_WORDS), values)
    connection.close()


async def fill_postgres(url: str, threads: int, users: int) -> None:
    """Write the threads into the database of a storage that has its tables."""
    async with await psycopg.AsyncConnection.connect(url, autocommit=True) as connection:
        rows = _POSTGRES.format(words=_WORDS, threads=threads, users=users, spread=_SPREAD)
        await connection.execute(rows.encode())
        await connection.execute(_OWNERS)
        await connection.execute("VACUUM ANALYZE recuerda.threads")  # autovacuum does this in a server that is used


async def _costs(kind: str, storage: Storage, threads: int, users: int, rounds: int) -> list[ListingCost]:
    chance = Random(1)
    costs: list[ListingCost] = []
    for name, find in LISTS.items():
        asked = [f"user-{chance.randrange(users)}" for _ in range(rounds)]
        median_ms, found = await _timed(find, storage, asked)
        costs.append(ListingCost(storage=kind, threads=threads, name=name, found=found, median_ms=median_ms))
    return costs


async def _timed(find: List, storage: Storage, users: list[str]) -> tuple[float, float]:
    """Return the median time of a list in milliseconds, and the mean number of threads."""
    await find(storage, "nobody")
    taken: list[float] = []
    found = 0
    for user in users:
        started = time.perf_counter()
        page = await find(storage, user)
        taken.append(time.perf_counter() - started)
        found += len(page.threads)
    return median(taken) * 1000, found / len(users)
