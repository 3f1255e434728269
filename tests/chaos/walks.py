"""Storm 4: walks over all threads, while threads are used, begun and deleted.

Listings, erasures, retention, copies and key rotation go by the same walk. Each must meet every thread that is there
from its beginning to its end exactly once. Meanwhile two workers set metadata, each its own keys.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

from recuerda import Storage
from recuerda.copying import copy_threads
from recuerda.encryption import EncryptedStorage
from recuerda.errors import DecryptionError, RecuerdaError, ThreadConflict, ThreadNotFound
from recuerda.retention import RetentionPolicy
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import ThreadInfo
from tests.chaos.clocks import clock_of
from tests.chaos.keys import TwoKeys
from tests.chaos.places import Place
from tests.chaos.tally import Round

STABLE = 240
"""The number of threads that are there during the whole round: more than one page of a walk."""

KEEP_TURNS = 5
WORKERS = ("one", "two")
STABLE_USERS = ("ana", "bo")
PASSING_USER = "cy"


class _Watched(EncryptedStorage):
    """Note which threads a walk meets."""

    met: list[str]

    async def threads(self, *, user_id: str | None = None) -> AsyncIterator[ThreadInfo]:
        async for info in super().threads(user_id=user_id):
            self.met.append(info.id)
            yield info


@dataclass(slots=True)
class _Scene:
    """The objects of one round.

    Attributes:
        stable: the threads that stay, and their users.
        passing: the threads of `PASSING_USER` that are there now.
        erasures: the number of beginnings and ends of erasures. A thread that was begun meanwhile may be gone.
        last: the id of the turn that was acknowledged last, by thread.
        notes: the number that was set last, by thread and key.
    """

    current: Round
    place: Place
    keys: TwoKeys
    watched: _Watched
    storages: list[Storage]
    stable: dict[str, str] = field(default_factory=dict[str, str])
    passing: set[str] = field(default_factory=set[str])
    erasures: int = 0
    begun: int = 0
    last: dict[str, str] = field(default_factory=dict[str, str])
    notes: dict[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])


async def walks(place: Place, current: Round) -> None:
    """Walk over the threads in all ways, while they are used, begun and deleted."""
    clock, keys = clock_of(current), TwoKeys()
    async with AsyncExitStack() as stack:
        watched = await stack.enter_async_context(_Watched(place.open(clock), keys))
        opened = [EncryptedStorage(place.open(clock), keys) for _ in WORKERS]
        storages: list[Storage] = [await stack.enter_async_context(storage) for storage in opened]
        scene = _Scene(current, place, keys, watched, storages)
        await _fill(scene)
        current.start()
        async with asyncio.TaskGroup() as tasks:
            for worker, storage in zip(WORKERS, storages, strict=True):
                for work in (_use, _set_note):
                    tasks.create_task(current.repeat(partial(work, scene, storage, worker)))
            tasks.create_task(current.repeat(partial(_come_and_go, scene)))
            tasks.create_task(current.repeat(partial(_walk, scene)))
        await _check_end(scene)


async def _fill(scene: _Scene) -> None:
    for i in range(STABLE):
        scene.stable[f"stable{scene.current.luck.getrandbits(32):08x}"] = STABLE_USERS[i % 2]
    turns = [NewTurn(body=b"%d" % i, message_count=1) for i in range(3)]
    waiting = [
        scene.storages[0].append_all(thread, turns, user_id=user, title="Stable")
        for thread, user in scene.stable.items()
    ]
    for start in range(0, STABLE, 40):
        await asyncio.gather(*waiting[start : start + 40])


# -- the load ----------------------------------------------------------------------------------------------------------


async def _use(scene: _Scene, storage: Storage, worker: str) -> None:
    thread = scene.current.luck.choice(list(scene.stable))
    scene.begun += 1
    turn_id = f"{worker}.{scene.begun}"
    turn = NewTurn(body=turn_id.encode(), message_count=1, id=turn_id)
    if not isinstance(await scene.current.attempt(storage.append(thread, turn)), RecuerdaError):
        scene.last[thread] = turn_id
    await scene.current.pause(0.01)


async def _set_note(scene: _Scene, storage: Storage, worker: str) -> None:
    # Few threads, so that both workers often set their keys in the same thread.
    thread = scene.current.luck.choice(list(scene.stable)[:4])
    note = scene.notes.get((thread, worker), 0) + 1
    done = await scene.current.attempt(storage.update_thread(thread, metadata={worker: note}))
    if not isinstance(done, RecuerdaError):
        scene.notes[thread, worker] = note
    await scene.current.pause(0.02)


async def _come_and_go(scene: _Scene) -> None:
    storage = scene.current.luck.choice(scene.storages)
    scene.begun += 1
    thread = f"passing{scene.current.luck.getrandbits(32):08x}"
    turn = NewTurn(body=b"hello", message_count=1)
    erasures = scene.erasures
    done = await scene.current.attempt(storage.append(thread, turn, user_id=PASSING_USER))
    if not isinstance(done, RecuerdaError) and erasures == scene.erasures and erasures % 2 == 0:
        scene.passing.add(thread)
    if len(scene.passing) > 10:
        gone = scene.current.luck.choice(sorted(scene.passing))
        scene.passing.discard(gone)
        await scene.current.attempt(storage.delete(gone))
    await scene.current.pause(0.01)


# -- the walks ---------------------------------------------------------------------------------------------------------


async def _walk(scene: _Scene) -> None:
    kind = scene.current.luck.choice(list(WALKS))
    walk, users = WALKS[kind]
    before, scene.watched.met = set(scene.passing), []
    await walk(scene)
    scene.current.disturbed("walks")
    stayed = {thread for thread, user in scene.stable.items() if user in users}
    if PASSING_USER in users and kind != "an erasure":
        stayed |= before & scene.passing
    met = Counter(scene.watched.met)
    odd = sorted(thread for thread in stayed | met.keys() if met[thread] > 1 or (thread in stayed and not met[thread]))
    for thread in odd[:3]:
        scene.current.fault(thread, expected=f"{kind} meets the thread once", found=f"met {met[thread]} times")


async def _list(scene: _Scene, user_id: str | None = None) -> None:
    async for info in scene.watched.threads(user_id=user_id):
        assert info.id
        await asyncio.sleep(0)


async def _erase(scene: _Scene) -> None:
    before = set(scene.passing)
    scene.erasures += 1
    await scene.watched.erase_user(PASSING_USER)
    scene.erasures += 1
    scene.passing -= before
    for thread in before:
        scene.current.check(thread, expected=None, found=await scene.storages[0].head(thread))


async def _retain(scene: _Scene) -> None:
    await RetentionPolicy(keep_turns=KEEP_TURNS).apply(scene.watched)


async def _copy(scene: _Scene) -> None:
    async with MemoryStorage() as target:
        try:
            async for copied in copy_threads(scene.watched, target):
                if copied.problem is not None:
                    scene.current.fault(copied.thread_id, expected="a whole copy", found=copied.problem)
        except ThreadNotFound:
            scene.current.fault("", expected="a copy goes on when a thread is deleted", found="ThreadNotFound")


async def _rotate(scene: _Scene) -> None:
    async with scene.current.quiet():  # so that no turn is under way with the other key
        scene.keys.name = "new" if scene.keys.name == "old" else "old"
    async for info in scene.watched.threads():
        while True:
            try:
                await scene.watched.rotate(info.id)
            except ThreadConflict:
                continue
            break
    async with EncryptedStorage(scene.place.open(), TwoKeys(held=(scene.keys.name,))) as storage:
        for thread in scene.stable:
            try:
                await storage.read(thread)
            except DecryptionError as error:
                scene.current.fault(thread, expected="a key rotation meets the thread once", found=error)


Walk: TypeAlias = Callable[[_Scene], Awaitable[None]]

WALKS: dict[str, tuple[Walk, tuple[str, ...]]] = {
    "a listing": (_list, (*STABLE_USERS, PASSING_USER)),
    "a listing of a user": (partial(_list, user_id="ana"), ("ana",)),
    "an erasure": (_erase, (PASSING_USER,)),
    "retention": (_retain, (*STABLE_USERS, PASSING_USER)),
    "a copy": (_copy, (*STABLE_USERS, PASSING_USER)),
    "a key rotation": (_rotate, (*STABLE_USERS, PASSING_USER)),
}
"""The walks, and the users whose threads each of them meets."""


async def _check_end(scene: _Scene) -> None:
    for thread in scene.stable:
        found = await scene.storages[0].read(thread)
        ids = [record.id for record in found.records]
        if thread in scene.last and scene.last[thread] not in ids:
            scene.current.fault(thread, expected=f"the acknowledged turn {scene.last[thread]}", found=ids)
        expected = {key: number for (one, key), number in scene.notes.items() if one == thread}
        scene.current.check(thread, expected=expected, found=found.info.metadata if found.info else None)
