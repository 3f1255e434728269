"""Many conversations at once on one storage, compared with one commit for each turn with the bare driver.

In recuerda, commits that wait together share a sync of the disk (SQLite) or overlap their syncs (files). The floor
needs one sync after the other. Floor and library run in turn.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from statistics import median

from bench.conversation import Conversation, RawMessage, to_turn
from bench.floors import open_floor
from bench.library import open_library
from bench.results import Throughput
from bench.turns import WINDOW
from recuerda import ChatMessageStore, Storage, Turn


async def measure_many(
    kind: str, *, conversations: int, turns_each: int, rounds: int, folder: Path, fsync: bool = True
) -> Throughput:
    """Return the turns per second on a kind of storage. Each turn loads the newest 20 messages and appends two."""
    floor_s: list[float] = []
    library_s: list[float] = []
    for number in range(rounds):
        place = folder / f"many-{kind}-{number}"
        place.mkdir(parents=True)
        talk = Conversation(number)
        scripts = [[talk.messages(2) for _ in range(turns_each)] for _ in range(conversations)]
        floor_s.append(_time_floor(kind, place, scripts, fsync=fsync))
        library_s.append(await _time_library(kind, place, scripts, fsync=fsync))
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


def _time_floor(kind: str, folder: Path, scripts: list[list[list[RawMessage]]], *, fsync: bool) -> float:
    floor = open_floor(kind, folder, fsync=fsync)
    started = time.perf_counter()
    for step in range(len(scripts[0])):
        for number, script in enumerate(scripts):
            floor.use(f"conversation {number}")
            floor.load(WINDOW)
            floor.append(script[step])
    ended = time.perf_counter()
    floor.close()
    return ended - started


async def _time_library(kind: str, folder: Path, scripts: list[list[list[RawMessage]]], *, fsync: bool) -> float:
    async with open_library(kind, folder, fsync=fsync) as storage:
        await storage.list_threads()  # opens the file, because the floor's file is open before its clock starts
        turns = [[to_turn(messages) for messages in script] for script in scripts]
        started = time.perf_counter()
        await asyncio.gather(*(_converse(storage, f"conversation {i}", script) for i, script in enumerate(turns)))
        ended = time.perf_counter()
        infos = [info async for info in storage.threads()]
    assert [info.turns for info in infos] == [len(scripts[0])] * len(scripts)
    return ended - started


async def _converse(storage: Storage, thread_id: str, script: list[Turn]) -> None:
    store = ChatMessageStore(storage=storage, thread_id=thread_id)
    for turn in script:
        await store.list_messages(limit=WINDOW)
        await store.append(turn, expected=store.revision)
