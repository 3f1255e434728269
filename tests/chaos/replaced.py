"""Storm 8: turns are replaced by workers that are killed, cancelled or cut off.

At every moment, a thread has the old turn or the new one, once. After the end of a worker, the same turn is said again
under its id. Then the new turn is there once.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from functools import partial

from recuerda import Storage
from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from tests.chaos.clocks import clock_of
from tests.chaos.mortal import KILLED, run_and_kill
from tests.chaos.places import Place
from tests.chaos.replacing import FIRST, STAYING, Replacer
from tests.chaos.speaking import turns_of
from tests.chaos.tally import Round

THREADS = ("x", "y")


async def replaced(place: Place, current: Round) -> None:
    """Replace the newest turns of two threads, and watch them."""
    clock = clock_of(current)
    current.has_outages = True
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(place.open(clock)) for _ in THREADS]
        threads = [_Thread(place, one, thread, current) for one, thread in zip(storages, THREADS, strict=True)]
        for thread in threads:
            await thread.begin()
        current.start()
        async with asyncio.TaskGroup() as tasks:
            for thread in threads:
                tasks.create_task(current.repeat(thread.live_and_die))
                tasks.create_task(current.repeat(thread.watch))
            tasks.create_task(current.repeat(partial(_cut, place, current)))
        for thread in threads:
            await thread.check()


async def _cut(place: Place, current: Round) -> None:
    await current.pause(0.3)
    if await asyncio.to_thread(place.cut):
        current.disturbed("cuts")


class _Thread:
    """A thread with its workers, one after the other, and what they noted.

    Args:
        place: the place of the storage.
        storage: a handle for the workers of this process and for the watcher.
        id: the thread's id.
        current: the round.
    """

    def __init__(self, place: Place, storage: Storage, id: str, current: Round) -> None:
        self._place = place
        self._storage = storage
        self._id = id
        self._current = current
        self._tried = self._done = FIRST
        self._watcher = Replacer(storage, id, current, self._note)

    async def begin(self) -> None:
        """Begin the thread."""
        await self._watcher.begin()

    async def live_and_die(self) -> None:
        """Let a worker live for some time, then check the thread, and say the last turn again."""
        if self._place.is_shared and self._current.luck.random() < 0.7:
            await self._live_in_process()
        else:
            await self._live_in_task()
        await self.check()
        if self._tried != self._done:
            await Replacer(self._storage, self._id, self._current, self._note).answer_again(self._tried)
            await self.check()

    async def watch(self) -> None:
        """Look at the thread while it changes."""
        cold = await self._current.attempt(turns_of(self._storage, self._id))
        for turns in (cold, await self._watcher.turns()):
            if not isinstance(turns, RecuerdaError) and len(turns) != len(STAYING) + 1:
                self._fault([turn.id for turn in turns])
        await self._current.pause(0.02)

    async def check(self) -> None:
        """Check that the last turn that was tried is there, or the last one that was acknowledged; one of them once."""
        turns = await self._current.attempt(turns_of(self._storage, self._id))
        if isinstance(turns, RecuerdaError):
            return
        ids = [turn.id for turn in turns]
        if ids not in ([*STAYING, self._tried], [*STAYING, self._done]):
            self._fault(ids)

    def _fault(self, found: list[str]) -> None:
        self._current.fault(self._id, expected=f"{STAYING} and {self._tried} or {self._done}", found=found)

    def _note(self, kind: str, turn_id: str) -> None:
        if kind == "done":
            self._done = turn_id
        else:
            self._tried = turn_id

    async def _live_in_task(self) -> None:
        worker = Replacer(self._storage, self._id, self._current, self._note)
        task = asyncio.create_task(self._current.repeat(worker.act))
        await self._current.pause(0.1)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        self._current.disturbed("cancellations")

    async def _live_in_process(self) -> None:
        journal = self._place.folder / f"{new_id()}.journal"
        seed = f"{self._current.luck.getrandbits(32)}"
        words = ["tests.chaos.replacer", self._place.scheme, self._place.address(), seed, self._id, str(journal)]
        code, errors = await run_and_kill(words, after_s=self._current.luck.uniform(0.1, 0.4))
        for line in journal.read_text().splitlines() if journal.exists() else ():
            kind, _, turn_id = line.partition(" ")
            self._current.tally.acknowledged += kind == "done"
            self._note(kind, turn_id)
        if code != KILLED:
            self._fault([f"a process that ended with code {code}:\n{errors}"])
        self._current.disturbed("kills")
