"""Many conversations at once on one storage, compared with one commit for each turn with the bare driver.

In recuerda, commits that wait together share a sync of the disk (SQLite) or overlap their syncs (files). The floor
needs one sync after the other. Floor and library run in turn.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

from bench.conversation import Conversation, RawMessage, to_turn
from bench.floors import open_floor
from bench.library import open_library
from bench.results import Throughput
from bench.turns import WINDOW
from recuerda import ChatMessageStore, Storage, Turn


class _Used(NamedTuple):
    """The time of all conversations, and the processor time of all threads."""

    wall_s: float
    processor_s: float


async def measure_many(
    kind: str, *, conversations: int, turns_each: int, rounds: int, folder: Path, fsync: bool = True
) -> Throughput:
    """Return the turns per second on a kind of storage. Each turn loads the newest 20 messages and appends two."""
    floor: list[_Used] = []
    library: list[_Used] = []
    for number in range(rounds):
        place = folder / f"many-{kind}-{number}"
        place.mkdir(parents=True)
        talk = Conversation(number)
        scripts = [[talk.messages(2) for _ in range(turns_each)] for _ in range(conversations)]
        floor.append(_time_floor(kind, place, scripts, fsync=fsync))
        library.append(await _time_library(kind, place, scripts, fsync=fsync))
    count = conversations * turns_each
    floor_s, library_s = (median(used.wall_s for used in side) for side in (floor, library))
    return Throughput(
        storage=kind,
        conversations=conversations,
        turns_each=turns_each,
        rounds=rounds,
        floor_per_s=count / floor_s,
        recuerda_per_s=count / library_s,
        ratio=floor_s / library_s,
        floor_cpu_us=min(used.processor_s for used in floor) / count * 1e6,
        recuerda_cpu_us=min(used.processor_s for used in library) / count * 1e6,
    )


def _time_floor(kind: str, folder: Path, scripts: list[list[list[RawMessage]]], *, fsync: bool) -> _Used:
    floor = open_floor(kind, folder, fsync=fsync)
    started = _now()
    for step in range(len(scripts[0])):
        for number, script in enumerate(scripts):
            floor.use(f"conversation {number}")
            floor.load(WINDOW)
            floor.append(script[step])
    used = _since(started)
    floor.close()
    return used


async def _time_library(kind: str, folder: Path, scripts: list[list[list[RawMessage]]], *, fsync: bool) -> _Used:
    async with open_library(kind, folder, fsync=fsync) as storage:
        await storage.list_threads()  # opens the file, because the floor's file is open before its clock starts
        turns = [[to_turn(messages) for messages in script] for script in scripts]
        started = _now()
        await asyncio.gather(*(_converse(storage, f"conversation {i}", script) for i, script in enumerate(turns)))
        used = _since(started)
        infos = [info async for info in storage.threads()]
    assert [info.turns for info in infos] == [len(scripts[0])] * len(scripts)
    return used


def _now() -> _Used:
    return _Used(time.perf_counter(), time.process_time())


def _since(started: _Used) -> _Used:
    now = _now()
    return _Used(now.wall_s - started.wall_s, now.processor_s - started.processor_s)


async def _converse(storage: Storage, thread_id: str, script: list[Turn]) -> None:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    for turn in script:
        await store.list_messages(limit=WINDOW)
        await store.append(turn, expected=store.revision)
