"""Storm 5: a process that erases a user's words and pictures is killed, and repeated until it finishes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack

from recuerda import ChatMessage, DataContent, Storage, TextContent
from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from recuerda.recall.provider import RecallProvider
from recuerda.storage.drafts import DraftStep
from recuerda.threads.store import ChatMessageStore
from tests.chaos.clocks import clock_of
from tests.chaos.eraser import ERASED_USER, LEFT, TRIMMED, UNDONE
from tests.chaos.mortal import KILLED, run_and_kill
from tests.chaos.places import Place, files_with
from tests.chaos.speaking import turns_of
from tests.chaos.tally import Round

OTHER_USER = "bo"
SOON_S = 5.0
"""The time in seconds within which erased words leave every file, although another process has the files open."""


async def erasures(place: Place, current: Round) -> None:
    """Write a user's words everywhere, erase them with a process that is killed, and search for them."""
    async with AsyncExitStack() as stack:
        storage = await stack.enter_async_context(place.open(clock_of(current)))
        provider = RecallProvider(place.folder / "recall.db", storage=storage)
        stack.push_async_callback(provider.close)
        kept: dict[str, list[str]] = {}
        while current.goes_on:
            secret = f"secret{current.luck.getrandbits(64):016x}"
            await _write(storage, secret, kept, current)
            await provider.catch_up()
            async with asyncio.TaskGroup() as tasks:
                erasing = tasks.create_task(_erase(place, current))
                tasks.create_task(_speak_meanwhile(storage, erasing, kept, current))
            await provider.catch_up()
            await _check(place, storage, secret, kept, current)


async def _write(storage: Storage, secret: str, kept: dict[str, list[str]], current: Round) -> None:
    """Write threads of the user to erase, and threads that stay. `kept` gets the texts that must stay, by thread."""
    for i in range(current.luck.randint(1, 5)):
        await _write_erased(storage, f"{secret[-6:]}.{i}", secret)
    for thread, texts in (
        (TRIMMED, [*(f"{secret} old {i}" for i in range(6)), *(f"new {i} {new_id()}" for i in range(LEFT))]),
        (UNDONE, [*(f"old {i} {new_id()}" for i in range(LEFT)), *(f"{secret} new {i}" for i in range(6))]),
    ):
        await storage.delete(thread)
        await _say(storage, thread, "cy", texts)
        kept[thread] = [text for text in texts if secret not in text]
    texts = [f"bo says {new_id()}" for _ in range(3)]
    await _say(storage, secret[-6:], OTHER_USER, texts)
    kept[secret[-6:]] = texts
    current.tally.acknowledged += 20


async def _write_erased(storage: Storage, thread: str, secret: str) -> None:
    """Write the secret into every part of a thread, and into a fork."""
    await _say(storage, thread, ERASED_USER, [f"{secret} {i}" for i in range(4)])
    await storage.summarize(thread, f"They spoke of {secret}.".encode(), through=2)
    await storage.update_thread(thread, metadata={"note": secret})
    await ChatMessageStore(storage=storage, thread_id=thread, user_id=ERASED_USER).fork()
    info = await storage.head(thread)
    step = DraftStep(turn_id="t", revision=info.revision if info else 0, number=1, body=f"a step of {secret}".encode())
    await storage.save_draft(thread, step)


async def _say(storage: Storage, thread: str, user: str, texts: Sequence[str]) -> None:
    """Say texts, each with a picture that consists of its text."""
    store = ChatMessageStore(storage=storage, thread_id=thread, user_id=user)
    for text in texts:
        picture = DataContent(text.encode() * 150, "image/png")
        await store.add_messages([ChatMessage("user", [TextContent(text), picture])])


async def _erase(place: Place, current: Round) -> None:
    """Run the eraser until it finishes; kill it at a random moment in most of its lives."""
    for kills in range(1_000):
        may_finish = kills >= 5 or (kills >= 1 and current.luck.random() < 0.3)
        after_s = None if may_finish else current.luck.uniform(0, 0.15)
        words = ["tests.chaos.eraser", place.scheme, place.address(), str(place.folder / "recall.db")]
        code, errors = await run_and_kill(words, after_s=after_s)
        if code == 0:
            return
        if code != KILLED:
            current.fault("", expected="an eraser that finishes, or is killed", found=f"exit code {code}:\n{errors}")
            return
        current.disturbed("kills")


async def _speak_meanwhile(
    storage: Storage, erasing: asyncio.Task[None], kept: dict[str, list[str]], current: Round
) -> None:
    thread = f"beside{current.luck.getrandbits(32):08x}"
    kept[thread] = []
    store = ChatMessageStore(storage=storage, thread_id=thread, user_id=OTHER_USER)
    while not erasing.done():
        text = f"bo says {new_id()}"
        done = await current.attempt(store.add_messages([ChatMessage("user", text)]))
        if not isinstance(done, RecuerdaError):
            kept[thread].append(text)
        await asyncio.sleep(0.005)


async def _check(place: Place, storage: Storage, secret: str, kept: dict[str, list[str]], current: Round) -> None:
    """Search for the secret, and compare the threads of others."""
    found = await asyncio.to_thread(_find, place, secret.encode())
    if found:
        current.fault("", expected="no byte of the erased words anywhere", found=f"bytes in {', '.join(found)}")
    for thread, texts in kept.items():
        turns = await turns_of(storage, thread)
        current.check(thread, expected=texts, found=[message.text for turn in turns for message in turn.messages])


def _find(place: Place, words: bytes) -> list[str]:
    """Return the places in which words are still found after some time."""
    end = time.monotonic() + SOON_S
    while found := place.find(words) + files_with(words, place.folder.glob("recall.db*")):
        if time.monotonic() > end:
            return found
        time.sleep(0.1)
    return []
