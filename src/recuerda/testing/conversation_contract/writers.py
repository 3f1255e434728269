"""Tests of several writers: a run is stored whole and in one piece, or is refused with an error."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Any

from recuerda.testing.conversation_contract.runs import ContractBase, run_items

TRIES = 40
LONGEST_PAUSE_S = 1.0


class WriterContract(ContractBase):
    """Tests of several writers."""

    async def test_of_two_runs_that_begin_together_none_is_lost_without_an_error(self, place: Path) -> None:
        found, stored = await self._race(place)
        assert stored
        for name in stored:
            places = [found.index(dump) for dump in self.run(name) if dump in found]
            assert len(places) == len(self.run(name)), f"items of run {name} are lost"
            assert places == sorted(places)

    async def test_two_runs_that_begin_together_do_not_mix(self, place: Path) -> None:
        found, stored = await self._race(place)
        for name in stored:
            assert self.place_of(found, name) is not None, f"run {name} is not there in one piece"

    async def test_writers_that_try_again_all_get_in(self, place: Path) -> None:
        names = [f"{writer}.{number}" for writer in range(2) for number in range(3)]
        async with self.adapter.open(place) as one, self.adapter.open(place) as two:
            await self.add(one, "t", "first")
            await asyncio.gather(*(self._insist(store, names[at::2]) for at, store in enumerate((one, two))))
            found = await self.dumps(one, "t")
        # An attempt that was refused may have left a part of its run, so a run need not be in one piece.
        assert [name for name in names if not set(self.run(name)) <= set(found)] == []

    async def _race(self, place: Path) -> tuple[list[bytes], list[str]]:
        """Let two runs begin on the same state. Return the conversation, and the names of the runs that succeeded."""
        names = ["ana", "bo"]
        async with self.adapter.open(place) as one, self.adapter.open(place) as two:
            await self.add(one, "t", "first")
            meeting = _Meeting(len(names))

            async def write(store: Any, name: str) -> None:
                try:
                    items = run_items(self.adapter, name)
                    await self.adapter.add_run(store, "t", items, pause=meeting.pause, run_id=name)
                finally:
                    meeting.leave()

            outcomes = await asyncio.gather(write(one, "ana"), write(two, "bo"), return_exceptions=True)
            found = await self.dumps(two, "t")
        assert self.place_of(found, "first") == 0
        return found, [name for name, outcome in zip(names, outcomes, strict=True) if outcome is None]

    async def _insist(self, store: Any, names: list[str]) -> None:
        for name in names:
            for attempt in range(TRIES):
                try:
                    await self.add(store, "t", name)
                    break
                except Exception:
                    if attempt == TRIES - 1:
                        raise
                    # Writers that were refused together would meet again after equal pauses.
                    await asyncio.sleep(0.001 * (1 + secrets.randbelow(2 ** min(attempt, 6))))


class _Meeting:
    """Let each run wait at its first pause until every other run waits too, or has ended."""

    def __init__(self, runs: int) -> None:
        self._runs = runs
        self._waiting = 0
        self._all_wait = asyncio.Event()

    async def pause(self) -> None:
        """Wait for the other runs. A run that another one keeps out, such as by a lock, goes on after a second."""
        self._waiting += 1
        self._check()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._all_wait.wait(), LONGEST_PAUSE_S)
        await asyncio.sleep(0)

    def leave(self) -> None:
        """Note that a run has ended."""
        self._runs -= 1
        self._check()

    def _check(self) -> None:
        if self._waiting >= self._runs:
            self._all_wait.set()
