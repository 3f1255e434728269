"""Storm 1: the storage is put back to a snapshot while warm handles and agents go on."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial

from recuerda import Storage
from recuerda.recall.memory import Memory
from recuerda.recall.provider import RecallProvider
from recuerda.threads.history import StoredTurn
from tests.chaos.clocks import clock_of
from tests.chaos.ledger import Kept, Ledger
from tests.chaos.places import Place
from tests.chaos.speaking import Speaker, check_thread
from tests.chaos.tally import Round

USER = "ana"
THREADS = ("x", "y")


async def rollback(place: Place, current: Round) -> None:
    """Let four agents speak in two threads, undo turns, and put the storage back again and again."""
    clock, ledger = clock_of(current), Ledger()
    async with AsyncExitStack() as stack:
        storages = [await stack.enter_async_context(place.open(clock)) for _ in range(4)]
        provider = RecallProvider(place.folder / "recall.db", user_id=USER, storage=storages[0])
        stack.push_async_callback(provider.close)
        speakers = [
            Speaker(USER, one, ledger, current, slowest_s=0.01 if i % 2 else 0) for i, one in enumerate(storages)
        ]
        check = partial(_check, current, ledger, speakers, storages[0], provider)
        for thread in THREADS:
            await speakers[0].speak(thread)
        async with asyncio.TaskGroup() as tasks:
            for speaker in speakers:
                tasks.create_task(current.repeat(partial(_speak_or_undo, speaker, ledger, current)))
            tasks.create_task(_go_back(place, current, ledger, check))
        async with current.quiet():
            await check()


async def _speak_or_undo(speaker: Speaker, ledger: Ledger, current: Round) -> None:
    thread = current.luck.choice(THREADS)
    if current.luck.random() < 0.9:
        await speaker.speak(thread)
        return
    with ledger.undo() as undone:
        turn = await current.attempt(speaker.thread(thread).undo())
        if isinstance(turn, StoredTurn):
            undone.append(turn.id)


async def _go_back(place: Place, current: Round, ledger: Ledger, check: Callable[[], Awaitable[None]]) -> None:
    kept = Kept()
    while current.goes_on:
        if not kept.ended or current.luck.random() < 0.5:
            with ledger.snapshot() as kept:
                await asyncio.to_thread(place.keep)
        await current.pause(0.15)
        if current.luck.random() < 0.5:
            async with current.quiet():
                await check()
        await current.pause(0.15)
        async with contextlib.nullcontext() if place.goes_back_at_once else current.quiet():
            with ledger.rollback(kept):
                await asyncio.to_thread(place.put_back)
        current.disturbed("rollbacks")
        if current.luck.random() < 0.5:
            async with current.quiet():
                await check()


async def _check(
    current: Round, ledger: Ledger, speakers: list[Speaker], storage: Storage, provider: RecallProvider
) -> None:
    """Compare the ledger, the warm handles and the recalled memories with the threads, while nothing is under way."""
    words: dict[str, set[str]] = {}
    for thread in THREADS:
        turns = await check_thread(current, storage, ledger, thread)
        texts = [message.text for turn in turns for message in turn.messages]
        words[thread] = set(texts)
        for speaker in speakers:
            warm = [message.text for message in await speaker.thread(thread).list_messages()]
            current.check(thread, expected=texts, found=warm)
    for memory in await _recalled(provider):
        if memory.text not in words.get(memory.thread_id, ()):
            current.fault(memory.thread_id, expected="memories of turns that are in the thread", found=memory.text)


async def _recalled(provider: RecallProvider) -> list[Memory]:
    return await provider.search("says number", user_id=USER, limit=1_000)
