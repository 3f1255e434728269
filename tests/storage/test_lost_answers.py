"""A server's answer is lost, at every trip of every operation, on every storage that has a network.

After the loss, the operation has either succeeded, with the answer that it would have had, or raised an error of ours.
A repetition gives the right answer too. The short form loses one answer of some operations. The long form
(`make chaos-tests`) loses every answer of every operation: on a connection that is in use, on a connection that is only
being opened, and two in a row. `ARGS="tests/storage/test_lost_answers.py --log-cli-level=INFO"` shows the counts.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count, zip_longest
from pathlib import Path
from typing import cast

import pytest

from recuerda.storage.contract import Storage
from tests.storage.lossy import LOSSY, Lossy
from tests.storage.matrix import STORAGES
from tests.storage.operations import OPERATIONS, is_failure, oracle_of, outcome, prepared, state_of

_logger = logging.getLogger(__name__)

MOST_CONNECTIONS = {"redis": 1, "postgresql": 1, "cosmos": 16}
"""The largest number of connections that each storage of these tests may have."""

STRIDE = {"redis": 3, "postgresql": 3, "cosmos": 6}
"""The short form tries one operation of this number."""


@dataclass
class Harness:
    """Lose answers of one storage, and judge the outcomes.

    Attributes:
        scheme: the storage.
        folder: where the storage is.
        is_long: True gives each operation a place of its own, because the emulator of Cosmos DB slows down in a full
            one.
        direct: another storage on the same place, whose answers are never lost. It prepares threads, and looks.
        trips: the number of trips so far.
        cuts: the number of answers that were lost.
        faults: everything that was wrong.
    """

    scheme: str
    folder: Path
    is_long: bool
    trips: int = 0
    cuts: int = 0
    faults: list[str] = field(default_factory=list[str])
    threads: Iterator[int] = field(default_factory=count)
    direct: Storage = field(init=False)

    @asynccontextmanager
    async def place(self, name: str) -> AsyncGenerator[Path]:
        """Make a place for the threads of an operation, and return its folder."""
        folder = self.folder / name if self.is_long else self.folder
        folder.mkdir(exist_ok=True)
        async with STORAGES[self.scheme](folder) as self.direct:
            await self.direct.head("its place is made")
            yield folder

    async def trips_of(self, name: str, lossy: Lossy) -> int:
        """Return the number of trips that an operation takes when the server knows its script or statement."""
        operation = OPERATIONS[name]
        for _ in range(2):
            thread = f"{name} {next(self.threads)}"
            version = await prepared(self.direct, operation, thread)
            lossy[1].clear()
            await outcome(lossy[0], operation, thread, version)
        return lossy[1].trips

    async def lose(self, name: str, lossy: Lossy, *lost: int) -> bool:
        """Do an operation while the answers of these trips are lost. Return False if it has no such trip."""
        (storage, proxy), operation, thread = lossy, OPERATIONS[name], f"{name} {next(self.threads)}"
        oracle = await oracle_of(operation, thread)
        version = await prepared(self.direct, operation, thread)
        proxy.clear()
        proxy.lose = set(lost)
        found = await outcome(storage, operation, thread, version)
        self.trips, self.cuts, was_cut = self.trips + proxy.trips, self.cuts + proxy.cuts, proxy.cuts > 0
        state = await state_of(self.direct, thread)
        right = [oracle.first]
        if is_failure(found):
            right = [(found, oracle.before), (found, oracle.first[1]), *((found, one) for one in oracle.between)]
        self._judge(f"{name} without the answers of the trips {lost}", (found, state), right)
        proxy.clear()
        again = await outcome(storage, operation, thread, version), await state_of(self.direct, thread)
        self._judge(f"{name}, repeated after the trips {lost}", again, [oracle.first, oracle.second])
        if proxy.connections > MOST_CONNECTIONS[self.scheme]:
            self.faults.append(f"{name}: {proxy.connections} connections are open after the trips {lost}")
        # Without this, a listing would take one trip more each time.
        await self.direct.delete(thread)
        await self.direct.delete(f"{thread} fork")
        return was_cut

    def report(self) -> None:
        """Log the counts, and fail if there was a fault."""
        _logger.info("%s: %d trips, %d lost answers, %d faults", self.scheme, self.trips, self.cuts, len(self.faults))
        assert not self.faults, "\n".join(self.faults)

    def _judge(self, subject: str, found: object, right: list[tuple[object, object]]) -> None:
        if found not in right:
            self.faults.append(f"{subject}: {' or '.join(differences(found, one) for one in right)}")


def differences(found: object, wanted: object) -> str:
    """Return the places at which two outcomes differ."""
    if isinstance(found, tuple | list) and isinstance(wanted, tuple | list):
        here, there = cast("Sequence[object]", found), cast("Sequence[object]", wanted)
        pairs = enumerate(zip_longest(here, there))
        return ", ".join(f"[{at}]{differences(*pair)}" for at, pair in pairs if pair[0] != pair[1])
    return f" {found!r} instead of {wanted!r}"


@pytest.fixture(params=LOSSY)
def harness(request: pytest.FixtureRequest, tmp_path: Path, *, is_long: bool) -> Harness:
    return Harness(request.param, tmp_path, is_long)


@pytest.mark.chaos
async def test_a_lost_answer_changes_neither_the_outcome_nor_the_repetition(harness: Harness) -> None:
    for number, name in enumerate(OPERATIONS):
        if not harness.is_long and number % STRIDE[harness.scheme]:
            continue
        async with harness.place(name) as folder, LOSSY[harness.scheme](folder) as lossy:
            trips = await harness.trips_of(name, lossy)
            if not harness.is_long:
                assert await harness.lose(name, lossy, 1 + number % trips)
                continue
            for at in count(1):
                await harness.lose(name, lossy, at, at + 1)
                if not await harness.lose(name, lossy, at):
                    break
    harness.report()


@pytest.mark.chaos
async def test_an_answer_that_is_lost_while_connecting_changes_nothing_either(harness: Harness) -> None:
    for name in OPERATIONS if harness.is_long else ["append"]:
        async with harness.place(name) as folder:
            for at in count(1):
                async with LOSSY[harness.scheme](folder) as lossy:
                    if not await harness.lose(name, lossy, at) or (at == 3 and not harness.is_long):
                        break
    harness.report()
