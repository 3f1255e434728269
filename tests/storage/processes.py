"""Writers in processes of their own, to be killed or to contend.

Run as `python -m tests.storage.processes MODE SCHEME COUNT FOLDER...`. This process imports everything, stays without
threads, and forks; so a writer starts in a millisecond, and hundreds can be killed in seconds. What the writers were
told, folder by folder, is printed as JSON in the end.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import select
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import TypeAlias

from recuerda.errors import DraftConflict, ThreadConflict
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.threads.forking import ForkPlace, fork_thread
from tests.storage.matrix import STORAGES

Say: TypeAlias = Callable[[str], None]
Work: TypeAlias = Callable[[Storage, Say], Awaitable[None]]

THREADS = ("x", "y")
STEPS = 5
"""How many a turn has that is saved step by step."""


def body_of(turn_id: str) -> bytes:
    """Return the body that belongs to a turn id, of up to 16 KB: whether one is whole can be told from the id alone."""
    digest = hashlib.sha256(turn_id.encode()).digest()
    return digest * (1 + int.from_bytes(digest[:2], "big") % 512)


def kill_writers(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Start a writer, kill it at a random moment; again and again. Return the acknowledged ids, in order per writer."""
    luck = random.Random(7)
    acknowledged: list[str] = []
    for round_number in range(count):

        async def write(storage: Storage, say: Say, life: int = round_number) -> None:
            async def write_on(task: str, thread: str) -> None:
                for n in range(10_000):
                    turn_id = f"{thread}.{life}.{task}.{n}"
                    await storage.append(thread, NewTurn(id=turn_id, body=body_of(turn_id), message_count=1 + n % 3))
                    say(turn_id)

            await asyncio.gather(*(write_on(task, THREADS[int(task) % 2]) for task in "0123"))

        child, reader = _fork(open_storage, write)
        # Half of the writers die while they open the storage, half in the midst of appends.
        heard = os.read(reader, 1 << 16) if round_number % 2 else b""
        time.sleep(luck.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged.extend((heard.decode() + _read_all([reader])).splitlines())
    return acknowledged


def contend(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Let four processes append `count` turns each to one thread, each on the revision that it has read."""

    def work_of(process: int) -> Work:
        async def write(storage: Storage, say: Say) -> None:
            for n in range(count):
                turn_id = f"x.{process}.{n}"
                turn = NewTurn(id=turn_id, body=body_of(turn_id), message_count=2)
                while True:
                    info = await storage.head("x")
                    try:
                        appended = await storage.append("x", turn, expected=info.revision if info else 0)
                    except ThreadConflict:
                        continue
                    break
                say(f"{appended.revision} {turn_id}")

        return write

    children = [_fork(open_storage, work_of(process)) for process in range(4)]
    said = _read_all([reader for _, reader in children])
    _expect_success(children)
    return said.splitlines()


def kill_resumers(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Kill writers that save a turn's five steps and append it, each going on where the one before was killed."""
    luck = random.Random(11)
    told: list[str] = []
    for round_number in range(count):

        async def write(storage: Storage, say: Say) -> None:
            for _ in range(10_000):
                draft = await storage.load_draft("x")
                info = await storage.head("x")
                revision = info.revision if info else 0
                turn_id = draft.turn_id if draft else f"turn {revision}"
                for number in range(len(draft.steps) + 1 if draft else 1, STEPS + 1):
                    body = body_of(f"{turn_id}.{number}")
                    await storage.save_draft(
                        "x", DraftStep(turn_id=turn_id, revision=revision, number=number, body=body)
                    )
                    say(f"{turn_id}.{number}")
                turn = NewTurn(id=turn_id, body=body_of(turn_id), message_count=1)
                await storage.append("x", turn, expected=revision)
                say(turn_id)

        child, reader = _fork(open_storage, write)
        heard = os.read(reader, 1 << 16) if round_number % 2 else b""
        time.sleep(luck.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        told.extend((heard.decode() + _read_all([reader])).splitlines())
    return told


def kill_replacers(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Kill writers that replace the only turn of a thread, again and again. Return the acknowledged ids."""
    luck = random.Random(13)
    acknowledged: list[str] = []
    for round_number in range(count):

        async def write(storage: Storage, say: Say, life: int = round_number) -> None:
            for n in range(10_000):
                found = await storage.read("x", last_turns=1)
                newest = found.records[-1].number if found.records else None
                turn_id = f"x.{life}.{n}"
                await storage.append("x", NewTurn(id=turn_id, body=body_of(turn_id), message_count=1), replaces=newest)
                say(turn_id)

        child, reader = _fork(open_storage, write)
        heard = os.read(reader, 1 << 16)
        time.sleep(luck.uniform(0, 0.01))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        acknowledged.extend((heard.decode() + _read_all([reader])).splitlines())
    return acknowledged


def contend_for_steps(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Let four processes go on with one turn of `count` steps, each saving what is next as far as it knows."""

    def work_of(process: int) -> Work:
        async def write(storage: Storage, say: Say) -> None:
            number = 1
            while number <= count:
                body = f"{process}".encode()
                try:
                    await storage.save_draft("x", DraftStep(turn_id="t", revision=0, number=number, body=body))
                except DraftConflict:
                    draft = await storage.load_draft("x")
                    number = len(draft.steps) + 1 if draft else 1
                else:
                    say(f"{number} {process}")
                    number += 1

        return write

    children = [_fork(open_storage, work_of(process)) for process in range(4)]
    said = _read_all([reader for _, reader in children])
    _expect_success(children)
    return said.splitlines()


def open_at_once(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Let `count` processes make the same new storage in the same moment, and append a turn each."""
    start_at = time.monotonic() + 0.03

    def work_of(process: int) -> Work:
        async def write(storage: Storage, say: Say) -> None:
            time.sleep(max(0.0, start_at - time.monotonic()))  # noqa: ASYNC251 - asleep until all have been forked
            turn_id = f"x.{process}"
            await storage.append("x", NewTurn(id=turn_id, body=body_of(turn_id), message_count=1))
            say(turn_id)

        return write

    children = [_fork(open_storage, work_of(process)) for process in range(count)]
    said = _read_all([reader for _, reader in children])
    _expect_success(children)
    return said.splitlines()


def kill_forkers(open_storage: Callable[[], Storage], count: int) -> list[str]:
    """Kill processes that fork thread "x", each at another moment of its work. Return the ids of the forks."""
    luck = random.Random(7)
    forks = [f"fork {number}" for number in range(count)]
    for number, fork in enumerate(forks):

        async def work(storage: Storage, say: Say, into: str = fork) -> None:
            await storage.head("x")
            say("opened")
            await fork_thread(storage, "x", ForkPlace(), into=into)

        child, reader = _fork(open_storage, work)
        os.read(reader, 1 << 16)
        time.sleep(luck.uniform(0, 0.03) * number / count)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(reader)
    return forks


MODES = {
    "kill": kill_writers,
    "contend": contend,
    "replace": kill_replacers,
    "fork": kill_forkers,
    "resume": kill_resumers,
    "steps": contend_for_steps,
    "open": open_at_once,
}


def _fork(open_storage: Callable[[], Storage], work: Work) -> tuple[int, int]:
    reader, writer = os.pipe()
    child = os.fork()
    if child:
        os.close(writer)
        return child, reader
    os.close(reader)

    def say(line: str) -> None:
        os.write(writer, f"{line}\n".encode())

    async def run() -> None:
        async with open_storage() as storage:
            await work(storage, say)

    status = 1
    try:
        asyncio.run(run())
        status = 0
    finally:
        os._exit(status)


def _read_all(readers: list[int]) -> str:
    """Read pipes to their ends, side by side, so that no writer waits."""
    text = dict.fromkeys(readers, b"")
    is_open = list(readers)
    while is_open:
        for reader in select.select(is_open, [], [])[0]:
            chunk = os.read(reader, 1 << 16)
            text[reader] += chunk
            if not chunk:
                is_open.remove(reader)
                os.close(reader)
    return b"".join(text.values()).decode()


def _expect_success(children: list[tuple[int, int]]) -> None:
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child, _ in children]
    if any(codes):
        raise SystemExit(f"writers failed: {codes}")


if __name__ == "__main__":
    mode, scheme, count, *folders = sys.argv[1:]
    told = [MODES[mode](partial(STORAGES[scheme], Path(folder)), int(count)) for folder in folders]
    print(json.dumps(told))  # noqa: T201 - its answer
