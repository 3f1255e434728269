"""The adapters beside the frameworks' own backends, in one run: the cost of a turn, bytes, and faults.

Run `python -m bench.interop`. A turn reads the newest 20 items, or all items if the framework can only read all, and
adds a question and an answer of 300 characters, as the framework adds them. Each turn is made with a new session, as a
web request makes one, on a store that stays open and was opened some seconds ago. The backends of a framework take
turns, and the best time of each counts. The faults are counted with the programs of
`recuerda.testing.conversation_contract`: processes that are killed, two writers at once, and a run that is sent again.
`python -m bench.interop_langgraph` has more about LangGraph.

The row "objects alone" is the time that a framework needs to make the objects of all messages from ready JSON, without
any store. No store that gives new objects can load them in less.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import tempfile
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
from rich.console import Console
from rich.table import Table

from recuerda.testing.conversation_contract.durable import Killed, kill_processes
from recuerda.testing.conversation_contract.runs import CONVERSATION, RUN_LENGTH, go_on, run_items
from tests.interop.kit.agents import OurSessions, TheirSessions
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.chat_stores import OurChatStores, TheirChatStores
from tests.interop.kit.conversations import OurConversations, OurConversationsInRAM, TheirConversations
from tests.interop.kit.events import OurEvents, TheirEvents
from tests.interop.kit.graphs import OurSavers, TheirSaversOnSQLite
from tests.interop.kit.histories import OurHistories, TheirHistories
from tests.interop.kit.strands_sessions import OurRepositories, TheirRepositories
from tests.interop.kit.threads import OurThreads

Adapter: TypeAlias = KitAdapter[Any, Any]

WINDOW = 20
WORDS = "m" * 300
MESSAGES = 1_000
"""The number of messages of the conversation whose bytes are counted."""

SETTLED_S = 3.5
"""The pause after the stores were opened. From then on, a storage on SQLite looks at its folder alone."""

RACES = 10


class Backend(msgspec.Struct, frozen=True):
    """A backend of a framework.

    Attributes:
        name: its name there.
        adapter: the class that uses it.
        has_newest: True if a run can read the newest items only.
        has_run_ids: True if a run, or each of its items, has an id that a retry has again.
        is_durable: False for a backend in RAM.
    """

    name: str
    adapter: type[Adapter]
    has_newest: bool = True
    has_run_ids: bool = True
    is_durable: bool = True


FRAMEWORKS: dict[str, Sequence[Backend]] = {
    "agents": (Backend("SQLiteSession", TheirSessions, has_run_ids=False), Backend("RecuerdaSession", OurSessions)),
    "pydantic-ai": (
        Backend("InMemoryConversationStore", TheirConversations, has_run_ids=False, is_durable=False),
        Backend("RecuerdaConversationStore in RAM", OurConversationsInRAM, has_run_ids=False, is_durable=False),
        Backend("RecuerdaConversationStore", OurConversations, has_run_ids=False),
    ),
    "langgraph": (
        Backend("AsyncSqliteSaver", TheirSaversOnSQLite, has_newest=False),
        Backend("RecuerdaSaver", OurSavers, has_newest=False),
    ),
    "agent-framework": (
        Backend("FileHistoryProvider", TheirHistories, has_newest=False, has_run_ids=False),
        Backend("RecuerdaHistoryProvider", OurHistories, has_run_ids=False),
    ),
    "adk": (Backend("SqliteSessionService", TheirEvents), Backend("RecuerdaSessionService", OurEvents)),
    "llama-index": (
        Backend("SQLAlchemyChatStore", TheirChatStores, has_newest=False, has_run_ids=False),
        Backend("RecuerdaChatStore", OurChatStores, has_newest=False),
    ),
    "strands": (
        Backend("FileSessionManager", TheirRepositories, has_newest=False, has_run_ids=False),
        Backend("RecuerdaSessionRepository", OurRepositories, has_newest=False),
    ),
    # ChatKit has no store of its own. Its server loads the items that it needs, so a turn adds items only.
    "chatkit": (Backend("RecuerdaStore", OurThreads),),
}


class Measured(msgspec.Struct, kw_only=True):
    """The figures of one backend.

    Attributes:
        name: its name.
        newest_ms: the best time of a turn that reads the newest items, by the messages before it. Empty if it cannot.
        all_ms: the same for a turn that reads all items.
        bytes: the bytes on the disk for a message; None for a backend in RAM.
        many_s: the seconds that a turn in each of many conversations at once takes.
        refused: the turns of two writers that were refused.
        lost: the turns of two writers that were acknowledged and are not there in one piece.
        killed: the processes that were killed; 0 for a backend in RAM.
        killed_lost: the runs that a killed process had acknowledged, and that are not there in one piece.
        killed_half: the processes after which a reader gets a run that stops in the middle, or, if there are ids, the
            last run is not there exactly once after it was repeated.
        repeated: how often a run is stored that is sent three times with its id; None if there are no ids.
        is_floor: True for the framework's objects alone, for which only `all_ms` is measured.
    """

    name: str
    newest_ms: dict[int, float] = {}
    all_ms: dict[int, float] = {}
    bytes: int | None = None
    many_s: float = 0.0
    refused: int = 0
    lost: int = 0
    killed: int = 0
    killed_lost: int = 0
    killed_half: int = 0
    repeated: int | None = None
    is_floor: bool = False


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, and print the results."""
    parser = argparse.ArgumentParser(
        prog="python -m bench.interop", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", type=_names, default=[*FRAMEWORKS], help=f"frameworks: {', '.join(FRAMEWORKS)}")
    parser.add_argument("--sizes", default="10,1000,10000", help="numbers of messages before the turn")
    parser.add_argument("--turns", type=int, default=9, help="turns for each size")
    parser.add_argument("--conversations", type=int, default=200, help="conversations at once")
    parser.add_argument("--dir", help="the folder of the files; /dev/shm leaves out the disk")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    options = parser.parse_args(arguments)
    sizes = [int(size) for size in options.sizes.split(",")]
    found: list[Measured] = []
    for backends in map(FRAMEWORKS.__getitem__, options.only):
        with tempfile.TemporaryDirectory(dir=options.dir) as folder:
            place = Path(folder)
            measured = asyncio.run(_measure(backends, place, sizes, options.turns, options.conversations))
            for one, backend in zip(measured, backends, strict=True):
                _count_killed(one, backend, place)
        found += [_floor(backends[0].adapter(), sizes, options.turns), *measured]
    if options.json:
        print(msgspec.json.encode(found).decode())
    else:
        Console(width=120).print(_costs(found, sizes), _faults(found, options.conversations))


def _names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in FRAMEWORKS:
            raise argparse.ArgumentTypeError(f"no framework is named {name!r}: choose from {', '.join(FRAMEWORKS)}")
    return names


def _floor(adapter: Adapter, sizes: Sequence[int], turns: int) -> Measured:
    """Time how long a framework takes to make the objects of messages from JSON."""
    found = Measured(name="objects alone", is_floor=True)
    for size in sizes:
        items = [item for number in range(size // 2) for item in _pair(adapter, f"{number}")]
        texts = [adapter.dump(item) for item in items]
        times: list[float] = []
        for _ in range(turns):
            gc.collect(0)
            started = time.perf_counter()
            adapter.load(texts)
            times.append(1000 * (time.perf_counter() - started))
        found.all_ms[size] = min(times)
    return found


async def _measure(
    backends: Sequence[Backend], folder: Path, sizes: Sequence[int], turns: int, conversations: int
) -> list[Measured]:
    found = [Measured(name=backend.name) for backend in backends]
    adapters = [backend.adapter() for backend in backends]
    for measured, backend, adapter in zip(found, backends, adapters, strict=True):
        place = _made(folder / f"bytes {backend.name}")
        adapter.reads = WINDOW if backend.has_newest else None
        async with adapter.open(place) as store:
            for number in range(MESSAGES // 2):
                await _turn(adapter, store, "t", f"{number}")
        if backend.is_durable:
            measured.bytes = sum(path.stat().st_size for path in place.rglob("*") if path.is_file()) // MESSAGES
    for backend, adapter in zip(backends, adapters, strict=True):
        async with adapter.open(_made(folder / backend.name)) as store:
            for size in sizes:
                await adapter.fill(store, f"{size}", [_pair(adapter, f"{number}") for number in range(size // 2)])
    for reads in (WINDOW, None):
        for adapter in adapters:
            adapter.reads = reads
        taking_part = [one for one in zip(found, backends, adapters, strict=True) if reads is None or one[1].has_newest]
        await _time_turns(taking_part, folder, sizes, turns)
    for measured, backend, adapter in zip(found, backends, adapters, strict=True):
        place = _made(folder / f"faults {backend.name}")
        async with adapter.open(place) as one, adapter.open(place) as two:
            many = [_turn(adapter, one, f"many {number}", "hi") for number in range(conversations)]
            started = time.perf_counter()
            await asyncio.gather(*many)
            measured.many_s = time.perf_counter() - started
            measured.refused, measured.lost = await _race(adapter, (one, two))
            if backend.has_run_ids:
                measured.repeated = await _repeat(adapter, one)
    return found


async def _time_turns(
    backends: Sequence[tuple[Measured, Backend, Adapter]], folder: Path, sizes: Sequence[int], turns: int
) -> None:
    async with AsyncExitStack() as stack:
        opened: list[tuple[Measured, Adapter, Any]] = []
        for measured, backend, adapter in backends:
            store = await stack.enter_async_context(adapter.open(folder / backend.name))
            await _turn(adapter, store, "the first turn", f"opens the files {adapter.reads}")
            opened.append((measured, adapter, store))
        await asyncio.sleep(SETTLED_S)
        for size in sizes:
            times: list[list[float]] = [[] for _ in opened]
            for number in range(turns):
                for (_, adapter, store), samples in zip(opened, times, strict=True):
                    gc.collect(0)
                    started = time.perf_counter()
                    await _turn(adapter, store, f"{size}", f"turn {number} {adapter.reads}")
                    samples.append(1000 * (time.perf_counter() - started))
            for (measured, adapter, _), samples in zip(opened, times, strict=True):
                costs = measured.all_ms if adapter.reads is None else measured.newest_ms
                costs[size] = min(samples)


def _pair(adapter: Adapter, name: str) -> list[Any]:
    return [adapter.make("question", f"{name} {WORDS}"), adapter.make("answer", f"{name} {WORDS}")]


async def _turn(adapter: Adapter, store: Any, conversation_id: str, name: str) -> None:
    await adapter.add_run(store, conversation_id, _pair(adapter, name), pause=go_on, run_id=name)


async def _race(adapter: Adapter, stores: tuple[Any, Any]) -> tuple[int, int]:
    """Let two writers make ten runs each at the same time. Return how many were refused, and how many were lost."""
    refused = 0
    acknowledged: list[str] = []
    for number in range(RACES):
        names = [f"{number}.{writer}" for writer in range(2)]
        runs = [
            adapter.add_run(store, "race", run_items(adapter, name), pause=_pause, run_id=name)
            for store, name in zip(stores, names, strict=True)
        ]
        for name, outcome in zip(names, await asyncio.gather(*runs, return_exceptions=True), strict=True):
            refused += isinstance(outcome, BaseException)
            acknowledged += [] if isinstance(outcome, BaseException) else [name]
    found = await _dumps(adapter, stores[0], "race")
    return refused, sum(_count(adapter, found, name) != 1 for name in acknowledged)


async def _pause() -> None:
    await asyncio.sleep(0.001)


async def _repeat(adapter: Adapter, store: Any) -> int:
    for _ in range(3):
        with suppress(Exception):  # any exception is a refusal
            await adapter.add_run(store, "again", run_items(adapter, "again"), pause=go_on, run_id="again")
    return (await _dumps(adapter, store, "again")).count(adapter.dump(adapter.make("question", "question again")))


def _count_killed(measured: Measured, backend: Backend, folder: Path) -> None:
    """Kill processes that write, and count what is wrong afterwards."""
    if backend.is_durable:
        kind = backend.adapter
        name = f"{kind.__module__}:{kind.__qualname__}"
        for one in kill_processes(name, _made(folder / f"killed {backend.name}")):
            lost, is_half = asyncio.run(_after_kill(kind(), one, repeats=backend.has_run_ids))
            measured.killed += 1
            measured.killed_lost += lost
            measured.killed_half += is_half


async def _after_kill(adapter: Adapter, killed: Killed, *, repeats: bool) -> tuple[int, bool]:
    async with adapter.open(killed.place) as store:
        found = await _dumps(adapter, store, CONVERSATION)
        lost = sum(_count(adapter, found, name) != 1 for name in killed.acknowledged)
        if not repeats:
            return lost, len(found) % RUN_LENGTH > 0
        items = run_items(adapter, killed.next)
        with suppress(Exception):  # any exception is a refusal
            await adapter.add_run(store, CONVERSATION, items, pause=go_on, run_id=killed.next)
        wanted = [
            adapter.dump(item) for name in (*killed.acknowledged, killed.next) for item in run_items(adapter, name)
        ]
        return lost, await _dumps(adapter, store, CONVERSATION) != wanted


async def _dumps(adapter: Adapter, store: Any, conversation_id: str) -> list[bytes]:
    return [adapter.dump(item) for item in await adapter.read(store, conversation_id)]


def _count(adapter: Adapter, found: Sequence[bytes], name: str) -> int:
    """Return how often a whole run is in a conversation."""
    run = [adapter.dump(item) for item in run_items(adapter, name)]
    return sum(list(found[at : at + len(run)]) == run for at in range(len(found)))


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


# -- printing ----------------------------------------------------------------------------------------------------------


def _costs(found: Sequence[Measured], sizes: Sequence[int]) -> Table:
    table = Table(
        title=f"best milliseconds of a turn, by the messages before it; a message has {len(WORDS)} characters"
    )
    table.add_column("backend", no_wrap=True)
    for size in sizes:
        table.add_column(f"{size:,}\nnewest {WINDOW}", justify="right")
    for size in sizes:
        table.add_column(f"{size:,}\nall", justify="right")
    table.add_column("bytes a\nmessage", justify="right")
    for one in found:
        newest = [f"{one.newest_ms[size]:.2f}" if one.newest_ms else "-" for size in sizes]
        whole = [f"{one.all_ms[size]:.2f}" for size in sizes]
        place = "" if one.is_floor else "in RAM"
        table.add_row(one.name, *newest, *whole, place if one.bytes is None else f"{one.bytes:,}")
    return table


def _faults(found: Sequence[Measured], conversations: int) -> Table:
    table = Table(title=f"{2 * RACES} runs of two writers; processes that were killed; a run that is sent three times")
    for name in ("backend", f"{conversations} at\nonce", "refused", "lost", "killed", "lost", "half", "stored"):
        table.add_column(name, justify="left" if name == "backend" else "right", no_wrap=name == "backend")
    for one in found:
        if one.is_floor:
            continue
        killed = (one.killed, one.killed_lost, one.killed_half) if one.killed else ("-",) * 3
        stored = "no ids" if one.repeated is None else f"{one.repeated} x"
        table.add_row(one.name, f"{one.many_s:.2f} s", *map(str, (one.refused, one.lost, *killed)), stored)
    return table


if __name__ == "__main__":
    main()
