"""Agents that are killed in the middle of a long turn, and others that go on with it.

Run as `python -m tests.resume.killing MODE SCHEME FOLDER COUNT`. This process imports everything, stays without
threads, and forks. Each turn has twenty tools, one after the other and side by side, and each tool leaves a line in a
file of its own. What was found in the end is printed as JSON.

"kill": a life ends by kill -9, at a boundary (around every write and every deed) or at any moment. The next one, a
process of its own, looks what is there and goes on, and may be killed as well.

"race": several processes begin a turn in the same moment, or go on with one that was killed.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from recuerda import (
    Agent,
    ChatMessage,
    DraftConflict,
    FunctionCallContent,
    FunctionTool,
    InvalidInput,
    Storage,
    ToolOutcomeUnknown,
    TurnPending,
)
from recuerda.agent.chat import ChatRequest
from recuerda.testing.scripted import ScriptedChatClient
from tests.storage.matrix import STORAGES

T = TypeVar("T")

ROUNDS: tuple[tuple[str, ...], ...] = (
    *(("a1",), ("b2",), ("a3", "b4", "a5"), ("a6",), ("b7", "b8"), ("a9",), ("b10", "a11", "a12", "b13")),
    *(("a14",), ("a15", "b16"), ("b17",), ("a18",), ("b19", "a20")),
)
"""The calls of each answer: 20 in 12 rounds. What begins with "a" is done by a tool that may not run twice."""

CALLS = tuple(call for calls in ROUNDS for call in calls)
BOUNDARIES = 2 * len(ROUNDS) + 4 * len(CALLS) + 2
"""Before and after: each answer's write, each deed, each result's write, and the commit."""

TURN = "the-turn"
LIVES = 60
RACERS = 3
LOST, IN_DOUBT = 3, 4
"""How a racer ends that was not the first, and one that found a call in doubt."""


class Tally(msgspec.Struct, kw_only=True):
    """What came of many turns.

    Attributes:
        turns: how many were carried to their end.
        kills: how often a process was killed.
        deeds: how many lines tools have left.
        unknown: how often a call was reported as unknown; `done` of them had been done.
        done: see above.
        repeated: how many deeds of retry-safe tools were done again.
        paid_again: how many answers of the model were asked for again.
        problems: what is not as it has to be.
    """

    turns: int = 0
    kills: int = 0
    deeds: int = 0
    unknown: int = 0
    done: int = 0
    repeated: int = 0
    paid_again: int = 0
    problems: list[str] = msgspec.field(default_factory=list[str])


class Place:
    """One turn: its thread, and the files that its tools leave."""

    def __init__(self, folder: Path, thread: str) -> None:
        self.thread = thread
        self.files = folder / "deeds" / thread
        self.files.mkdir(parents=True, exist_ok=True)

    def note(self, name: str, *, for_good: bool = False) -> None:
        """Add a line to a file."""
        fd = os.open(self.files / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.write(fd, b"done\n")
        if for_good:
            os.fsync(fd)
        os.close(fd)

    def count(self, name: str) -> int:
        """Return how many lines a file has."""
        path = self.files / name
        return len(path.read_bytes().splitlines()) if path.exists() else 0


class Life:
    """One process: it counts the boundaries that it crosses, and dies at one of them."""

    def __init__(self, place: Place, *, dies_at: int | None = None) -> None:
        self._place = place
        self._left = dies_at

    def cross(self) -> None:
        """Die here, if this is the place."""
        if self._left is not None:
            self._left -= 1
            if self._left < 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, write: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        """Put a boundary before and after a write."""

        async def crossing(*given: Any, **options: Any) -> T:
            self.cross()
            result = await write(*given, **options)
            self.cross()
            return result

        return crossing

    async def live(self, storage: Storage) -> None:
        """Begin the turn or go on with it, to its end."""
        for name in ("save_draft", "append"):
            setattr(storage, name, self.around(getattr(storage, name)))
        agent = self._agent(storage)
        if await agent.pending_turn(self._place.thread) is None:
            await agent.run("go", thread=self._place.thread, turn_id=TURN)
            return
        outcomes: dict[str, Any] = {}
        while True:
            try:
                await agent.resume(self._place.thread, outcomes=outcomes)
            except ToolOutcomeUnknown as unknown:
                outcomes[unknown.call_id] = self._look(unknown.call_id)
                continue
            return

    async def race(self, storage: Storage, start_at: float) -> int:
        """Begin the turn or go on with it, in the same moment as others."""
        agent = self._agent(storage)
        pending = await agent.pending_turn(self._place.thread)
        time.sleep(max(0.0, start_at - time.monotonic()))  # noqa: ASYNC251 - asleep until all have been forked
        try:
            if pending is None:
                reply = await agent.run("go", thread=self._place.thread, turn_id=TURN)
            else:
                reply = await agent.resume(self._place.thread)
        except ToolOutcomeUnknown:
            return IN_DOUBT
        except (DraftConflict, InvalidInput, TurnPending):
            return LOST
        return LOST if reply.is_replay else 0

    def _look(self, call: str) -> str:
        """Do what a caller does: look whether the deed was done, and do it if not."""
        is_done = self._place.count(call) > 0
        self._place.note(f"unknown-{'done' if is_done else 'open'}")
        if not is_done:
            self._place.note(call)
        return f"did {call}"

    def _agent(self, storage: Storage) -> Agent:
        def act(call: str) -> str:
            self.cross()
            self._place.note(call, for_good=True)
            self.cross()
            return f"did {call}"

        async def once(call: str) -> str:
            """Do what must not be done twice."""
            await asyncio.sleep(0)
            return act(call)

        async def again(call: str) -> str:
            """Do what may be done again."""
            return act(call)

        def answer(request: ChatRequest) -> ChatMessage | str:
            number = sum(message.role == "assistant" for message in request.messages)
            self._place.note(f"answer-{number}")
            if number == len(ROUNDS):
                return "all done"
            parts = [
                FunctionCallContent(call, "once" if call.startswith("a") else "again", {"call": call})
                for call in ROUNDS[number]
            ]
            return ChatMessage("assistant", parts)

        client = ScriptedChatClient(default=answer)
        tools = [once, FunctionTool.of(again, retry_safe=True)]
        return client.create_agent(storage=storage, tools=tools, durability="steps")


def carry_out(open_storage: Callable[[], Storage], place: Place, deaths: list[int | float], tally: Tally) -> None:
    """Carry a turn to its end; each number lets one life end: an int at a boundary, a float after so many seconds."""
    for number in range(LIVES):
        death = deaths[number] if number < len(deaths) else None
        dies_at = death if isinstance(death, int) else None
        child = fork(open_storage, Life(place, dies_at=dies_at).live)
        if isinstance(death, float):
            time.sleep(death)
            os.kill(child, signal.SIGKILL)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code == 0:
            tally.turns += 1
            return
        if code != -signal.SIGKILL:
            tally.problems.append(f"{place.thread}: a life ended with {code}")
            return
        tally.kills += 1
    tally.problems.append(f"{place.thread}: no end in {LIVES} lives")


def fork(open_storage: Callable[[], Storage], live: Callable[[Storage], Awaitable[int | None]]) -> int:
    """Start a process that does something with the storage, and ends with the code that this gives."""
    child = os.fork()
    if child:
        return child

    async def run() -> int:
        async with open_storage() as storage:
            return await live(storage) or 0

    status = 1
    try:
        status = asyncio.run(run())
    except BaseException:  # noqa: BLE001 - the process ends here, and its code says that it failed
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


async def check(storage: Storage, place: Place, tally: Tally) -> None:
    """See that the thread holds the whole turn once, and that no deed was done twice in silence."""
    found = await storage.read(place.thread)
    problems: list[str] = []
    if [record.id for record in found.records] != [TURN] or found.info is None or found.info.revision != 1:
        problems.append(f"it holds {[record.id for record in found.records]}")
    if await storage.load_draft(place.thread) is not None:
        problems.append("its draft is still there")
    said: list[Any] = json.loads(found.records[0].body)["messages"] if found.records else []
    results = {
        part["call_id"]: part["result"] for message in said if message["role"] == "tool" for part in message["content"]
    }
    if results != {call: f"did {call}" for call in CALLS}:
        problems.append(f"its results are {results}")
    if len(said) != 2 + 2 * len(ROUNDS):
        problems.append(f"it has {len(said)} messages")
    for call in CALLS:
        count = place.count(call)
        tally.deeds += count
        if count != 1 and not (call.startswith("b") and count > 1):
            problems.append(f"{call} was done {count} times")
        tally.repeated += count - 1
    tally.paid_again += sum(place.count(f"answer-{number}") - 1 for number in range(len(ROUNDS) + 1))
    tally.done += place.count("unknown-done")
    tally.unknown += place.count("unknown-done") + place.count("unknown-open")
    tally.problems += [f"{place.thread}: {problem}" for problem in problems]


async def check_all(open_storage: Callable[[], Storage], places: list[Place], tally: Tally) -> None:
    """Check every place."""
    async with open_storage() as storage:
        for place in places:
            await check(storage, place, tally)


def deaths_of(number: int, count: int, luck: random.Random, life_s: float) -> list[int | float]:
    """Say when the lives of a turn end: two of three turns die at a boundary, which all have their turn."""
    first: int | float = (number * BOUNDARIES // count) if count < BOUNDARIES else number % BOUNDARIES
    if number % 3 == 2:
        first = luck.uniform(0, life_s)
    later: list[int | float] = []
    while luck.random() < 0.4:
        later.append(luck.randrange(BOUNDARIES // 2) if luck.random() < 0.5 else luck.uniform(0, life_s))
    return [first, *later]


def kill(scheme: str, folder: Path, count: int, *, seed: int = 7) -> Tally:
    """Carry out many turns, and kill those that do it."""

    def open_storage() -> Storage:
        return STORAGES[scheme](folder)

    tally, luck = Tally(), random.Random(seed)
    places = [Place(folder, f"t{number}") for number in range(count + 1)]
    began = time.monotonic()
    carry_out(open_storage, places[0], [], tally)
    life_s = time.monotonic() - began
    for number, place in enumerate(places[1:]):
        carry_out(open_storage, place, deaths_of(number, count, luck, life_s), tally)

    asyncio.run(check_all(open_storage, places, tally))
    return tally


def race(scheme: str, folder: Path, count: int, *, seed: int = 7) -> Tally:
    """Let several processes begin each turn at once, and go on with it at once when it was killed."""

    def open_storage() -> Storage:
        return STORAGES[scheme](folder)

    tally, luck = Tally(), random.Random(seed)
    places = [Place(folder, f"r{number}") for number in range(count)]
    for number, place in enumerate(places):
        if number % 2:
            # At its last writes no call is in doubt: the racers go on with the turn.
            os.waitpid(fork(open_storage, Life(place, dies_at=BOUNDARIES - luck.randint(1, 2)).live), 0)
            tally.kills += 1
        start_at = time.monotonic() + 0.15
        racers = [fork(open_storage, lambda one, p=place, at=start_at: Life(p).race(one, at)) for _ in range(RACERS)]
        codes = [os.waitstatus_to_exitcode(os.waitpid(racer, 0)[1]) for racer in racers]
        if codes.count(0) > 1 and number % 2 == 0:
            tally.problems.append(f"{place.thread}: {codes.count(0)} of {RACERS} began the turn and ended it")
        if not set(codes) <= {0, LOST, IN_DOUBT}:
            tally.problems.append(f"{place.thread}: the racers ended with {codes}")
        carry_out(open_storage, place, [], tally)

    asyncio.run(check_all(open_storage, places, tally))
    return tally


MODES = {"kill": kill, "race": race}

if __name__ == "__main__":
    mode, given_scheme, given_folder, given_count = sys.argv[1:]
    STORAGES[given_scheme](Path(given_folder))  # starts its server, which the forks find
    found = MODES[mode](given_scheme, Path(given_folder), int(given_count))
    print(msgspec.json.encode(found).decode())  # noqa: T201 - its answer
