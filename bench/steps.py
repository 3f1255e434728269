"""Where a turn on SQLite goes, by the processor's instructions: `python -m bench.steps`.

Each step of a turn runs alone, many times, under valgrind (see `instructions.py`), and so does the whole run of an
agent. The rest of the run is the agent and the event loop. A second table compares a turn without an agent with the raw
driver. The thread holds 60 turns, and the window 20 messages of 300
characters. Instructions of the kernel, such as those of a write, are not counted.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from itertools import count as count_from
from pathlib import Path
from typing import TypeAlias

from msgspec import structs

from bench.floors import SQLiteFloor
from bench.instructions import SETTLED_S, count, never_pause
from recuerda import ChatMessage, ChatMessageStore, ContextWindow, NewTurn, Storage, Turn
from recuerda._drivers.sqlite_names import Place
from recuerda.messages import encode_turn
from recuerda.sqlite import SQLiteStorage
from recuerda.sqlite.worker import Worker
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import Version
from recuerda.threads.history import History

Step: TypeAlias = Callable[[], Awaitable[object]]
Row: TypeAlias = tuple[str, int, int]

WINDOW = ContextWindow(max_messages=20)
TURN = Turn(messages=(ChatMessage("user", "x" * 300), ChatMessage("assistant", "y" * 300)), input_count=1)
IN_LOOP = ("commit", "encode", "decode", "plan", "follow")
TURNS = ("new store", "store", "raw")
"""Turns without an agent: of a new store, of a store that has read the thread, and of the raw driver."""

STEPS = ("hop", "look", "read", "append", *IN_LOOP, *TURNS)
REPEATS = 20
"""A step that needs no other thread runs this number of times at once. So other work of the process hardly counts."""


def main() -> int:
    """Print the table, or run one step for valgrind: `STEP TIMES`."""
    if len(sys.argv) == 3:
        never_pause()
        asyncio.run(repeat(sys.argv[1], int(sys.argv[2])))
        return 0
    if shutil.which("valgrind") is None:
        print("valgrind is not installed, or not in PATH; install the package valgrind to count", file=sys.stderr)
        return 1
    cost = {step: count("bench.steps", step) // (REPEATS if step in IN_LOOP else 1) for step in STEPS}
    whole = {mode: count("bench.instructions", mode) for mode in ("first-run", "run")}
    print("| step | a first handle | a warm handle |\n|---|---|---|")
    for name, first, warm in table(cost, first_run=whole["first-run"], warm_run=whole["run"]):
        print(f"| {name} | {first:,} | {warm:,} |")
    print("\n| a turn without an agent | a new store | a warm store |\n|---|---|---|")
    for name, first, warm in store_table(cost):
        print(f"| {name} | {first:,} | {warm:,} |")
    return 0


def table(cost: dict[str, int], *, first_run: int, warm_run: int) -> list[Row]:
    """Return the rows of the table: the name of a step, and its instructions on a first and on a warm handle."""
    planning = ("planning the window", cost["plan"] - cost["decode"], cost["follow"])
    rows = [*_storage_rows(cost), planning]
    return [
        *rows,
        _rest("the agent, its client and the event loop", rows, first_run, warm_run),
        ("a run", first_run, warm_run),
    ]


def store_table(cost: dict[str, int]) -> list[Row]:
    """Return the rows of the table of a turn without an agent."""
    rows = _storage_rows(cost)
    return [
        *rows,
        _rest("the store, the storage's checks and the event loop", rows, cost["new store"], cost["store"]),
        ("a turn", cost["new store"], cost["store"]),
        ("a turn of the raw driver", cost["raw"], cost["raw"]),
    ]


def _storage_rows(cost: dict[str, int]) -> list[Row]:
    hop, commit = cost["hop"], cost["commit"]
    return [
        ("to SQLite's thread and back, for the append", hop, hop),
        ("the read: the rows of ten turns, or the thread's row alone", cost["read"], cost["look"]),
        ("decoding ten turns", cost["decode"], 0),
        ("encoding the new turn", cost["encode"], cost["encode"]),
        ("the statements of the append", cost["append"] - hop - commit, cost["append"] - hop - commit),
        ("the commit", commit, commit),
    ]


def _rest(name: str, rows: Sequence[Row], first: int, warm: int) -> Row:
    return name, first - sum([row[1] for row in rows]), warm - sum([row[2] for row in rows])


async def repeat(step: str, times: int) -> None:
    """Run a step many times on a thread of 60 turns."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "threads.db"
        async with SQLiteStorage(path) as storage:
            for _ in range(60):
                await storage.append("a", new_turn(), user_id="ana", title="Rain")
            await asyncio.sleep(SETTLED_S)
            once = await _made(step, storage, path, times)
            for _ in range(times):
                await once()


async def _made(step: str, storage: SQLiteStorage, path: Path, times: int) -> Step:
    """Return a step that is ready to run."""
    found = await storage.read("a", last_messages=20)
    assert found.info is not None
    version = found.info.version
    match step:
        case "look":
            return partial(storage.read, "a", after=version)
        case "read":
            return partial(storage.read, "a", last_messages=20)
        case "append":
            return append_on(storage, version, "a")
        case "hop":
            return await _hop(path)
        case "new store" | "store":
            return _store_turn(storage, is_new=step == "new store")
        case "raw":
            return _raw_turn(path.parent)
        case _:
            return _in_loop(_made_in_loop(step, found, path, times))


def _store_turn(storage: Storage, *, is_new: bool) -> Step:
    stores = (ChatMessageStore(storage=storage, thread_id="a", user_id="ana") for _ in count_from(0))
    kept = next(stores)

    async def take_turn() -> None:
        store = next(stores) if is_new else kept
        await store.list_messages(limit=20)
        await store.append(TURN, expected=store.version)

    return take_turn


def _raw_turn(folder: Path) -> Step:
    floor = SQLiteFloor(folder, fsync=False)
    messages = [{"role": message.role, "content": message.text} for message in TURN.messages]
    floor.seed(messages * 60)

    async def take_turn() -> None:
        floor.load(20)
        floor.append(messages)

    return take_turn


def append_on(storage: Storage, version: Version, thread_id: str) -> Step:
    """Return a step that appends a turn to a thread, which is in this version when the step runs first."""

    async def append() -> None:
        nonlocal version
        appended = await storage.append(thread_id, new_turn(), expected=version, user_id="ana")
        version = structs.replace(version, revision=appended.revision, record_id=appended.record.id)

    return append


async def _hop(path: Path) -> Step:
    worker = Worker(partial(_connect, path), name="hop", place=Place(path))

    async def hop() -> None:
        await worker.submit(_nothing).future

    await hop()
    return hop


def _made_in_loop(step: str, found: ThreadSlice, path: Path, times: int) -> Callable[[], object]:
    match step:
        case "commit":
            return partial(_commit, _connect(path))
        case "encode":
            return new_turn
        case "decode":
            return partial(_decoded, found)
        case "plan":
            return lambda: _decoded(found).window(WINDOW)
        case _:
            return _follow(_decoded(found), found.records[-1], times * REPEATS)


def _decoded(found: ThreadSlice) -> History:
    history = History("a")
    history.take(found, last_messages=20)
    return history


def _follow(history: History, record: TurnRecord, times: int) -> Callable[[], object]:
    """Return a function that adds a turn to a history and plans the next window."""
    history.window(WINDOW)
    coming = iter([structs.replace(record, number=record.number + place) for place in range(1, times + 1)])

    def follow() -> None:
        history.committed(next(coming), TURN)
        history.window(WINDOW)

    return follow


def _in_loop(run: Callable[[], object]) -> Step:
    async def step() -> None:
        for _ in range(REPEATS):
            run()

    return step


def new_turn() -> NewTurn:
    """Return the turn of the measures, encoded."""
    return NewTurn(body=encode_turn(TURN), message_count=2)


def _connect(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA synchronous = NORMAL")
    return connection


def _nothing(connection: sqlite3.Connection) -> None:
    """Do nothing in SQLite's thread."""


def _commit(connection: sqlite3.Connection) -> None:
    """Commit a change of one page."""
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE threads SET edits = edits + 1 WHERE key = 1")
    connection.execute("COMMIT")


if __name__ == "__main__":
    sys.exit(main())
