"""Storm 2: threads are deleted, erased and begun anew by other users, while runs are under way."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from functools import partial

from recuerda import Storage
from recuerda.errors import ThreadOwnershipError
from tests.chaos.clocks import clock_of
from tests.chaos.ledger import Ledger
from tests.chaos.places import Place
from tests.chaos.speaking import Speaker, check_thread, speakers_in
from tests.chaos.tally import Round

USERS = ("ana", "bo", "cy")
THREADS = ("x", "y")


async def remade(place: Place, current: Round) -> None:
    """Let three users begin the same two threads, and delete the threads again and again."""
    clock, ledger = clock_of(current), Ledger()
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(place.open(clock)) for _ in USERS]
        speakers = [
            Speaker(user, storage, ledger, current, slowest_s=slowest_s)
            for user, storage in zip(USERS, storages, strict=True)
            for slowest_s in (0.0, 0.05)
        ]
        async with asyncio.TaskGroup() as tasks:
            for speaker in speakers:
                tasks.create_task(current.repeat(partial(_speak, speaker, current)))
            tasks.create_task(current.repeat(partial(_delete, storages[0], ledger, current)))
        async with current.quiet():
            await _check(storages[0], ledger, current)


async def _speak(speaker: Speaker, current: Round) -> None:
    if isinstance(await speaker.speak(current.luck.choice(THREADS)), ThreadOwnershipError):
        await current.pause(0.02)  # The thread is another user's for now.


async def _delete(storage: Storage, ledger: Ledger, current: Round) -> None:
    await current.pause(0.08)
    if current.luck.random() < 0.6:
        thread = current.luck.choice(THREADS)
        with ledger.deletion(lambda deed: deed.thread == thread):
            await storage.delete(thread)
        current.disturbed("deletions")
    else:
        user = current.luck.choice(USERS)
        with ledger.deletion(lambda deed: deed.user == user):
            await storage.erase_user(user)
        current.disturbed("erasures")
    if current.luck.random() < 0.2:
        async with current.quiet():
            await _check(storage, ledger, current)


async def _check(storage: Storage, ledger: Ledger, current: Round) -> None:
    for thread in THREADS:
        turns = await check_thread(current, storage, ledger, thread)
        info = await storage.head(thread)
        owner = {info.user_id} if info is not None and turns else set[str | None]()
        current.check(thread, expected=owner, found=speakers_in(turns))
