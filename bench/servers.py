"""Turns on Redis (with its AOF always synced) and on PostgreSQL, compared with the raw clients in the same run.

The servers are those of the tests, on this machine. So the figures show the work of the client and the number of trips.
Floor and library run in turn, on the same server and at the same sizes.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from statistics import median
from typing import Any, Protocol

import psycopg
import redis.asyncio

from bench.conversation import Conversation, RawMessage, to_turn
from bench.library import encode, seed
from bench.results import Handle, Throughput, TurnCost
from bench.turns import HANDLES, WINDOW, Sample, costs_of
from recuerda import ChatMessageStore, Storage, open_storage
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

SERVERS = ("redis", "postgresql")
CHUNK = 5_000


class ServerFloor(Protocol):
    """One conversation that is kept with a server's bare client."""

    async def load(self, thread: str, last: int) -> list[RawMessage]:
        """Read the newest messages and decode them."""
        ...

    async def append(self, thread: str, messages: list[RawMessage]) -> None:
        """Write messages, and return when the server has acknowledged them."""
        ...

    async def close(self) -> None:
        """Close the connection."""
        ...


class RedisFloor:
    """Keep a list of JSON texts, with one RPUSH for each turn."""

    def __init__(self, url: str) -> None:
        # The client's types differ between versions, and the floor must use the client without changes.
        kind: Any = redis.asyncio.Redis
        self._client: Any = kind.from_url(url)

    async def load(self, thread: str, last: int) -> list[RawMessage]:
        return [json.loads(item) for item in await self._client.lrange(thread, -last, -1)]

    async def append(self, thread: str, messages: list[RawMessage]) -> None:
        await self._client.rpush(thread, *(json.dumps(message, ensure_ascii=False) for message in messages))

    async def close(self) -> None:
        await self._client.aclose()


class PostgresFloor:
    """Keep one row for each message on one connection. Each turn is one INSERT with its own commit."""

    def __init__(self, connection: psycopg.AsyncConnection[tuple[Any, ...]]) -> None:
        self._connection = connection

    @classmethod
    async def connect(cls, url: str) -> PostgresFloor:
        """Open the connection and make the table."""
        connection = await psycopg.AsyncConnection.connect(url, autocommit=True)
        await connection.execute(
            "CREATE TABLE IF NOT EXISTS message (id bigserial PRIMARY KEY, thread text NOT NULL, data text NOT NULL)"
        )
        await connection.execute("CREATE INDEX IF NOT EXISTS message_by_thread ON message (thread, id)")
        return cls(connection)

    async def load(self, thread: str, last: int) -> list[RawMessage]:
        query = "SELECT data FROM message WHERE thread = %s ORDER BY id DESC LIMIT %s"
        rows = await (await self._connection.execute(query, (thread, last))).fetchall()
        return [json.loads(row[0]) for row in reversed(rows)]

    async def append(self, thread: str, messages: list[RawMessage]) -> None:
        texts = [json.dumps(message, ensure_ascii=False) for message in messages]
        await self._connection.execute(
            "INSERT INTO message (thread, data) SELECT %s, unnest(%s::text[])", (thread, texts)
        )

    async def close(self) -> None:
        await self._connection.close()


async def measure_servers(
    kinds: Sequence[str], sizes: Sequence[int], *, rounds: int, conversations: int, turns_each: int
) -> tuple[list[TurnCost], list[Throughput]]:
    """Return the cost of turns with a window on each server, and the throughput of many conversations at once."""
    costs: list[TurnCost] = []
    many: list[Throughput] = []
    for kind in kinds:
        async with _opened(kind) as (floor, storage):
            samples = await _turns(floor, storage, sizes, rounds)
            for size in sizes:
                costs += costs_of(kind, size, WINDOW, samples[size])
            many.append(
                await _many(
                    kind,
                    floor,
                    storage,
                    conversations=conversations,
                    turns_each=turns_each,
                    rounds=max(1, min(5, rounds)),
                )
            )
    return costs, many


@asynccontextmanager
async def _opened(kind: str) -> AsyncGenerator[tuple[ServerFloor, Storage]]:
    if kind == "redis":
        server = RedisServer("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        floor: ServerFloor = RedisFloor(server.url)
    else:
        server = PostgresServer()
        floor = await PostgresFloor.connect(server.url)
    try:
        async with open_storage(server.url) as storage:
            yield floor, storage
    finally:
        await floor.close()
        server.stop()


async def _turns(
    floor: ServerFloor, storage: Storage, sizes: Sequence[int], rounds: int
) -> dict[int, dict[Handle, list[Sample]]]:
    talk = Conversation(1)
    warm: dict[int, ChatMessageStore] = {}
    for size in sizes:
        history = talk.messages(size)
        for start in range(0, size, CHUNK):
            await floor.append(f"floor-{size}", history[start : start + CHUNK])
        for handle in ("cold", "warm"):
            await seed(storage, f"{handle}-{size}", encode(history))
        warm[size] = ChatMessageStore(storage=storage, thread_id=f"warm-{size}")
    samples: dict[int, dict[Handle, list[Sample]]] = {size: defaultdict(list) for size in sizes}
    for number in range(rounds + 1):
        for size in sizes:
            for handle in HANDLES:
                messages = talk.messages(2)
                if handle == "floor":
                    sample = await _time_floor(floor, f"floor-{size}", messages)
                else:
                    cold = ChatMessageStore(storage=storage, thread_id=f"cold-{size}")
                    sample = await _time_library(cold if handle == "cold" else warm[size], messages)
                if number:  # the first round warms up
                    samples[size][handle].append(sample)
    return samples


async def _time_floor(floor: ServerFloor, thread: str, messages: list[RawMessage]) -> Sample:
    started = time.perf_counter()
    await floor.load(thread, WINDOW)
    loaded = time.perf_counter()
    await floor.append(thread, messages)
    return loaded - started, time.perf_counter() - loaded


async def _time_library(store: ChatMessageStore, messages: list[RawMessage]) -> Sample:
    turn = to_turn(messages)
    started = time.perf_counter()
    await store.list_messages(limit=WINDOW)
    loaded = time.perf_counter()
    await store.append(turn, expected=store.revision)
    return loaded - started, time.perf_counter() - loaded


async def _many(
    kind: str, floor: ServerFloor, storage: Storage, *, conversations: int, turns_each: int, rounds: int
) -> Throughput:
    floor_s: list[float] = []
    library_s: list[float] = []
    talk = Conversation(2)
    for number in range(rounds):
        scripts = [[talk.messages(2) for _ in range(turns_each)] for _ in range(conversations)]
        started = time.perf_counter()
        for step in range(turns_each):
            for i, script in enumerate(scripts):
                await _time_floor(floor, f"many-{number}-{i}", script[step])
        floor_s.append(time.perf_counter() - started)
        started = time.perf_counter()
        await asyncio.gather(*(_converse(storage, f"many-{number}-{i}", script) for i, script in enumerate(scripts)))
        library_s.append(time.perf_counter() - started)
    count = conversations * turns_each
    return Throughput(
        storage=kind,
        conversations=conversations,
        turns_each=turns_each,
        rounds=rounds,
        floor_per_s=count / median(floor_s),
        recuerda_per_s=count / median(library_s),
        ratio=median(floor_s) / median(library_s),
    )


async def _converse(storage: Storage, thread_id: str, script: list[list[RawMessage]]) -> None:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    for messages in script:
        await _time_library(store, messages)
