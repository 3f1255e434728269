"""Where a turn on files, Redis and PostgreSQL goes, by instructions: `python -m bench.storage_steps file,redis`.

As `steps.py` does for SQLite, each step runs alone, many times, under valgrind. The servers run outside of it, so only
the work of the client is counted, and no waiting. The thread holds 60 turns, and the window 20 messages of 300
characters.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench import steps
from bench.instructions import count, never_pause, run_agent
from recuerda import Storage, open_storage
from recuerda.file.workers import Workers
from recuerda.ids import new_id

STORAGES = ("file", "redis", "postgresql")
MODES = ("look", "read", "append", "run", "first-run")
HOP = "hop"
"""To an OS thread and back; only files need it."""

URL = "RECUERDA_BENCH_URL"
"""The environment variable with the URL of the storage, for the process under valgrind."""


def main() -> int:
    """Print a table for each storage, or run one mode for valgrind: `MODE TIMES`."""
    if len(sys.argv) == 3:
        never_pause()
        asyncio.run(repeat(sys.argv[1], int(sys.argv[2]), url=os.environ[URL]))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, or not in PATH; install the package valgrind to count", file=sys.stderr)
        return 1
    kinds = sys.argv[1].split(",") if len(sys.argv) == 2 else list(STORAGES)
    shared = {step: count("bench.steps", step) // steps.REPEATS for step in ("encode", "decode", "plan", "follow")}
    for kind in kinds:
        with _place(kind) as url:
            os.environ[URL] = url
            cost = {mode: count("bench.storage_steps", mode) for mode in MODES}
            hop = count("bench.storage_steps", HOP) if kind == "file" else 0
        print(f"| {kind} | a first handle | a warm handle |\n|---|---|---|")
        for name, first, warm in table(cost | shared, hop=hop):
            print(f"| {name} | {first:,} | {warm:,} |", flush=True)
    return 0


def table(cost: dict[str, int], *, hop: int) -> list[tuple[str, int, int]]:
    """Return the rows of the table: the name of a step, and its instructions on a first and on a warm handle."""
    hops = [("to an OS thread and back, for the append", hop, hop)] if hop else []
    rows = [
        *hops,
        ("the read: ten turns, or nothing new", cost["read"], cost["look"]),
        ("decoding ten turns", cost["decode"], 0),
        ("planning the window", cost["plan"] - cost["decode"], cost["follow"]),
        ("encoding the new turn", cost["encode"], cost["encode"]),
        ("the append", cost["append"] - hop, cost["append"] - hop),
    ]
    first, warm = sum([row[1] for row in rows]), sum([row[2] for row in rows])
    return [
        *rows,
        ("the agent, its client and the event loop", cost["first-run"] - first, cost["run"] - warm),
        ("a run", cost["first-run"], cost["run"]),
    ]


async def repeat(mode: str, times: int, *, url: str) -> None:
    """Run a mode many times on a thread of 60 turns."""
    async with open_storage(url) as storage:
        if mode == HOP:
            await _hop(times)
        elif mode.endswith("run"):
            await run_agent(storage, times, mode)
        else:
            await _take_steps(storage, mode, times)


async def _take_steps(storage: Storage, mode: str, times: int) -> None:
    thread = new_id()  # a server keeps the threads of earlier counts
    for _ in range(60):
        await storage.append(thread, steps.new_turn(), user_id="ana", title="Rain")
    info = await storage.head(thread)
    assert info is not None
    once = {
        "look": partial(storage.read, thread, after=info.version),
        "read": partial(storage.read, thread, last_messages=20),
        "append": steps.append_on(storage, info.version, thread),
    }[mode]
    for _ in range(times):
        await once()


async def _hop(times: int) -> None:
    workers = Workers(1, "hop")
    for _ in range(times):
        await workers.submit(_nothing).future
    workers.stop()


def _nothing() -> None:
    """Do nothing in the other thread."""


@contextmanager
def _place(kind: str) -> Generator[str]:
    """Give the URL of an empty storage of a kind."""
    if kind == "file":
        with tempfile.TemporaryDirectory() as folder:
            yield Path(folder, "threads").as_uri()
        return
    from tests.servers.postgres_server import PostgresServer
    from tests.servers.redis_server import RedisServer

    server = RedisServer() if kind == "redis" else PostgresServer()
    try:
        yield server.url
    finally:
        server.stop()


if __name__ == "__main__":
    sys.exit(main())
