"""The counts of a storm on a storage, the faults that were seen, and the table of them all."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import TypeVar

from recuerda.errors import (
    DraftConflict,
    InvalidInput,
    RecuerdaError,
    StorageBusy,
    StorageUnavailable,
    ThreadConflict,
    ThreadNotFound,
    ThreadOwnershipError,
    TurnPending,
)

T = TypeVar("T")

REFUSALS = (ThreadConflict, ThreadOwnershipError, DraftConflict, TurnPending, ThreadNotFound, InvalidInput)
"""The errors with which an operation is refused, such as the resumption of a turn that was dropped meanwhile."""

UNKNOWN = (StorageUnavailable, StorageBusy)
"""The errors after which nobody knows whether the operation was carried out."""

HEADINGS = ("storage", "storm", "rounds", "acknowledged", "disturbances", "refusals", "faults")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An invariant that did not hold.

    Attributes:
        storage: the scheme of the storage.
        storm: the name of the storm.
        seed: the seed of the round; the same seed makes the same choices again.
        thread: the thread's id; "" if the fault is not about one thread.
        expected: the state that was expected.
        found: the state that was there.
    """

    storage: str
    storm: str
    seed: str
    thread: str
    expected: str
    found: str

    def __str__(self) -> str:
        about = f"thread {self.thread!r}" if self.thread else "all threads"
        head = f"FAULT on {self.storage}, storm {self.storm}, {about}, seed {self.seed}"
        return f"{head}\n  expected: {self.expected}\n  found:    {self.found}"


@dataclass(slots=True)
class Tally:
    """The counts of one storm on one storage.

    Attributes:
        rounds: the number of finished rounds.
        acknowledged: the number of operations that the storage acknowledged.
        disturbances: the number of kills, rollbacks and so on, by their names.
        refusals: the number of refused operations, by the names of the errors.
        faults: the faults that were seen.
    """

    storage: str
    storm: str
    rounds: int = 0
    acknowledged: int = 0
    disturbances: Counter[str] = field(default_factory=Counter[str])
    refusals: Counter[str] = field(default_factory=Counter[str])
    faults: list[Fault] = field(default_factory=list[Fault])

    def row(self) -> tuple[str, ...]:
        """Return the counts as the cells of a row under `HEADINGS`."""
        counts = (f"{self.rounds:,}", f"{self.acknowledged:,}", _listed(self.disturbances), _listed(self.refusals))
        return (self.storage, self.storm, *counts, str(len(self.faults)))


class Round:
    """One round of a storm: its time, its random choices, and the notes that its workers take.

    Args:
        tally: takes the counts.
        seed: the seed of the random choices.
        seconds: the time after which the workers stop.
        has_outages: True if the storage may be unreachable for moments, because its server is killed or its connections
            are cut.
    """

    def __init__(self, tally: Tally, *, seed: str, seconds: float, has_outages: bool = False) -> None:
        self.tally = tally
        self.seed = seed
        self.luck = Random(seed)
        self.has_outages = has_outages
        self._seconds = seconds
        self._end = 0.0
        self.start()
        self._working = 0
        self._may_work = asyncio.Event()
        self._may_work.set()
        self._is_idle = asyncio.Event()

    def start(self) -> None:
        """Let the round's time begin now, after a preparation."""
        self._end = time.monotonic() + self._seconds

    @property
    def goes_on(self) -> bool:
        """True until the round's time is up or a fault was seen."""
        return time.monotonic() < self._end and not self.tally.faults

    def fault(self, thread: str, *, expected: object, found: object) -> None:
        """Note a fault."""
        tally = self.tally
        tally.faults.append(
            Fault(
                storage=tally.storage,
                storm=tally.storm,
                seed=self.seed,
                thread=thread,
                expected=str(expected),
                found=str(found),
            )
        )

    def check(self, thread: str, *, expected: object, found: object) -> None:
        """Note a fault unless both are equal."""
        if expected != found:
            self.fault(thread, expected=expected, found=found)

    def disturbed(self, name: str) -> None:
        """Count a disturbance."""
        self.tally.disturbances[name] += 1

    async def attempt(self, operation: Awaitable[T]) -> T | RecuerdaError:
        """Carry out an operation. Return its result, or the error if it was refused or its outcome is unknown."""
        async with self.working():
            try:
                result = await operation
            except (*REFUSALS, *UNKNOWN) as error:
                if isinstance(error, StorageUnavailable) and not self.has_outages:
                    raise
                self.tally.refusals[type(error).__name__] += 1
                return error
        self.tally.acknowledged += 1
        return result

    async def pause(self, longest_s: float) -> None:
        """Sleep for a random time."""
        await asyncio.sleep(self.luck.uniform(0, longest_s))

    async def repeat(self, work: Callable[[], Awaitable[object]]) -> None:
        """Do some work again and again until the round ends."""
        while self.goes_on:
            await work()
            await asyncio.sleep(0)

    @asynccontextmanager
    async def working(self) -> AsyncGenerator[None]:
        """Hold an operation back while the round is quiet."""
        while not self._may_work.is_set():  # It may have become quiet again before this task went on.
            await self._may_work.wait()
        self._working += 1
        self._is_idle.clear()
        try:
            yield
        finally:
            self._working -= 1
            if not self._working:
                self._is_idle.set()

    @asynccontextmanager
    async def quiet(self) -> AsyncGenerator[None]:
        """Wait until no operation is under way, and hold back new ones."""
        self._may_work.clear()
        try:
            if self._working:
                await self._is_idle.wait()
            yield
        finally:
            self._may_work.set()


def format_table(tallies: Sequence[Tally]) -> str:
    """Return a table in Markdown, with a row for each storm on each storage."""
    rows = [HEADINGS, *(tally.row() for tally in tallies)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEADINGS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in sorted(counts.items())) or "0"
