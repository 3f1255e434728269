"""The cost of pictures in a thread: `python -m bench.pictures [FOLDER]`.

A thread with 200 pictures of 300 kB is compared with a thread of the same texts. A turn sends the files of the newest
turns and names the other files, so its cost must not grow with the number of pictures.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from recuerda import Agent, ChatMessage, ContextWindow, DataContent
from recuerda.sqlite import SQLiteStorage
from recuerda.testing import ScriptedChatClient

PICTURES, PICTURE_BYTES, LARGE_BYTES = 200, 300_000, 20_000_000
ROUNDS = 40
WINDOW = ContextWindow(max_messages=40)


def _message(number: int, *, has_picture: bool) -> ChatMessage:
    text = f"Question {number}: what is there to see, and what has changed since the last time?"
    return ChatMessage("user", [text, DataContent(os.urandom(PICTURE_BYTES), "image/png")] if has_picture else text)


def _agent(storage: SQLiteStorage, window: ContextWindow = WINDOW) -> Agent:
    return ScriptedChatClient(["It is a red square."] * 2 * PICTURES).create_agent(storage=storage, window=window)


async def _filled(file: Path, *, has_pictures: bool) -> SQLiteStorage:
    storage = SQLiteStorage(file)
    agent = _agent(storage)
    thread = agent.get_thread("t")
    for number in range(PICTURES):
        await agent.run(_message(number, has_picture=has_pictures), thread=thread)
    return storage


async def _turn_ms(storage: SQLiteStorage, window: ContextWindow, *, is_warm: bool) -> float:
    """Return the median CPU time of a turn. Each turn is undone, so that the newest turns stay those with pictures."""
    agent = _agent(storage, window)
    thread = agent.get_thread("t")
    times: list[float] = []
    for _ in range(ROUNDS):
        thread = thread if is_warm else agent.get_thread("t")
        started = time.process_time()
        await agent.run("And now?", thread=thread)
        times.append((time.process_time() - started) * 1000)
        await storage.undo("t")
    return median(times)


async def _large(folder: Path) -> tuple[float, float]:
    """Return the milliseconds in which a file of 20 MB is added and read."""
    async with SQLiteStorage(folder / "large.db") as storage:
        agent = _agent(storage)
        film = ChatMessage("user", [DataContent(os.urandom(LARGE_BYTES), "video/mp4")])
        started = time.perf_counter()
        await agent.run(film, thread="t")
        added = time.perf_counter()
        (message, _) = await agent.get_thread("t").list_messages()
        assert message == film
        return (added - started) * 1000, (time.perf_counter() - added) * 1000


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir() if file.name.startswith("pictures.db"))


async def main(folder: Path) -> None:
    """Measure, and print one line for each figure."""
    plain = await _filled(folder / "plain.db", has_pictures=False)
    pictures = await _filled(folder / "pictures.db", has_pictures=True)
    kept = _size(folder)
    for keep in (0, 2):
        window = ContextWindow(max_messages=40, keep_files=keep)
        for is_warm in (False, True):
            one, other = [await _turn_ms(storage, window, is_warm=is_warm) for storage in (pictures, plain)]
            name = f"keep_files={keep}, {'warm' if is_warm else 'cold'}"
            print(f"{name}: {one:.2f} ms with pictures, {other:.2f} ms without, {one / other:.2f} x")
    print(f"disk: {kept / (PICTURES * PICTURE_BYTES):.3f} x the bytes of the pictures")
    added, read = await _large(folder)
    print(f"a file of 20 MB: {added:.0f} ms to add, {read:.0f} ms to read")
    await plain.close()
    await pictures.close()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(main(Path(made)))
