"""The cost of pictures in a thread: `python -m bench.pictures [FOLDER]`.

A thread with 200 pictures of 300 kB is compared with a thread of the same texts. A turn sends the files of the newest
turns and names the other files, so its cost must not grow with the number of pictures. Times are CPU times of the whole
process. In each round, both threads get two turns first, so that a window that sends two files has two. Then one turn
of each is timed. A turn of another thread comes before each timed turn: a turn right behind new pictures would pay for
the processor's caches, which the pictures have filled.

A "warm" handle has read the thread and added the turns. A "new" handle is opened for the timed turn by the same agent,
as for a request to a web backend. A "first" handle is the first one of an agent that has not seen the thread, as after
the start of a process: it reads the window and the files. The line "two pictures from a plain file" is the least that
this can cost: the same number of bytes, into memory that the system has to provide, and into memory that the process
has.

With "no client", the answers are scripted and nothing is sent: this is the work of recuerda and of the storage. The
other rows have a real client, which writes the request and calls the SDK, and the SDK's transport answers at once. The
time of the SDK's call is subtracted and printed apart, so these rows are the work of recuerda too.

The disk is measured on the storages that can tell their size. From each size, the size of the same thread without its
pictures is subtracted. A storage in RAM has no disk, and the emulator of Cosmos DB keeps everything in RAM.
"""

from __future__ import annotations

import asyncio
import mmap
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any, Literal, TypeAlias, cast, get_args

import httpx2
import msgspec
import psycopg
from openai import AsyncOpenAI

from recuerda import Agent, ChatClient, ChatMessage, ContextWindow, DataContent, Storage, open_storage
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient, ready_body
from recuerda.sqlite import SQLiteStorage
from recuerda.testing import ScriptedChatClient
from tests.servers.postgres_server import PostgresServer
from tests.servers.redis_server import RedisServer

PICTURES, PICTURE_BYTES, LARGE_BYTES = 200, 300_000, 20_000_000
ROUNDS = 40
ANSWER = "It is a red square."
THREADS = ("pictures", "plain")
Handle: TypeAlias = Literal["warm", "new", "first"]

_CHAT: dict[str, object] = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": ANSWER}}],
}
_RESPONSE: dict[str, object] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "model": "m",
    "output": [
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": ANSWER, "annotations": list[object]()}],
        }
    ],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": list[object](),
}


class AtOnce(httpx2.AsyncBaseTransport):
    """A transport that answers at once."""

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        await request.aread()
        return httpx2.Response(200, json=_RESPONSE if request.url.path.endswith("responses") else _CHAT)


class _Service:
    """A real client, whose SDK answers at once. `sdk_ms` is the CPU time of the SDK in the newest call."""

    def __init__(self, kind: str) -> None:
        self.name = kind
        self.sdk_ms = 0.0
        sdk = AsyncOpenAI(api_key="k", base_url="http://model/v1", http_client=httpx2.AsyncClient(transport=AtOnce()))
        self.client: ChatClient
        if kind == "chat completions":
            self.client, calls = OpenAIChatClient(model_id="m", client=sdk), sdk.chat.completions
        else:
            self.client, calls = OpenAIResponsesClient(model_id="m", client=sdk, store=False), sdk.responses
        self._create: Any = calls.create
        cast("Any", calls).create = self._timed
        # The clock is no reason to give the messages as arguments.
        _keep_ready(self._timed)

    async def _timed(self, **arguments: Any) -> object:
        started = time.process_time()
        try:
            return await self._create(**arguments)
        finally:
            self.sdk_ms = (time.process_time() - started) * 1000


def _keep_ready(clock: object) -> None:
    is_sdks_own = ready_body.is_sdks_own
    ready_body.is_sdks_own = lambda method: method == clock or is_sdks_own(method)


class _Times(msgspec.Struct):
    """CPU times in milliseconds: of turns without the SDK, and of the SDK in these turns."""

    own: list[float] = []
    sdk: list[float] = []


def _message(number: int, *, has_picture: bool) -> ChatMessage:
    text = f"Question {number}: what is there to see, and what has changed since the last time?"
    return ChatMessage("user", [text, DataContent(os.urandom(PICTURE_BYTES), "image/png")] if has_picture else text)


def _agent(storage: Storage, client: ChatClient | None = None, keep_files: int = 2) -> Agent:
    window = ContextWindow(max_messages=40, keep_files=keep_files)
    return (client or ScriptedChatClient(default=ANSWER)).create_agent(storage=storage, window=window)


async def _fill(storage: Storage, name: str) -> None:
    """Add the turns of the thread with pictures, or of the same thread without them."""
    agent = _agent(storage)
    thread = agent.get_thread(name)
    for number in range(PICTURES):
        await agent.run(_message(number, has_picture=name == "pictures"), thread=thread)


async def _turns(storage: Storage, service: _Service | None, keep_files: int, handle: Handle) -> dict[str, _Times]:
    """Return the times of turns of both threads, which take turns."""

    def made() -> Agent:
        return _agent(storage, service and service.client, keep_files)

    agent = made()
    adding = _agent(storage, keep_files=keep_files) if handle == "first" else agent
    threads = {name: adding.get_thread(name) for name in THREADS}
    between = _agent(storage)
    times = {name: _Times() for name in THREADS}
    for number in range(ROUNDS):
        for name in THREADS:
            for _ in range(2):
                await adding.run(_message(number, has_picture=name == "pictures"), thread=threads[name])
        for name in THREADS if number % 2 else reversed(THREADS):
            await between.run("Meanwhile?", thread="another")
            if handle == "first":
                agent = made()
            thread = threads[name] if handle == "warm" else agent.get_thread(name)
            started = time.process_time()
            await agent.run("And now?", thread=thread)
            whole_ms = (time.process_time() - started) * 1000
            sdk_ms = service.sdk_ms if service else 0.0
            times[name].own.append(whole_ms - sdk_ms)
            times[name].sdk.append(sdk_ms)
    return times


async def _measure_turns(folder: Path) -> None:
    async with SQLiteStorage(folder / "turns.db") as storage:
        for name in THREADS:
            await _fill(storage, name)
        for kind in (None, "chat completions", "responses"):
            for keep in (0, 2):
                for handle in get_args(Handle):
                    service = None if kind is None else _Service(kind)
                    times = await _turns(storage, service, keep, handle)
                    _print(f"{kind or 'no client'}, keep_files={keep}, {handle} handle", times)


def _measure_memory(folder: Path) -> None:
    """Read the bytes of two pictures from a plain file: the least that a first handle has to do."""
    file = folder / "two pictures"
    file.write_bytes(os.urandom(2 * PICTURE_BYTES))
    times: dict[str, list[float]] = {"new": [], "used": []}
    with file.open("rb", buffering=0) as source:
        for _ in range(5 * ROUNDS):
            with mmap.mmap(-1, 2 * PICTURE_BYTES) as memory:
                for spent in times.values():
                    source.seek(0)
                    started = time.process_time()
                    source.readinto(memory)
                    spent.append((time.process_time() - started) * 1000)
    new, used = map(median, times.values())
    print(f"two pictures from a plain file: {new:.2f} ms into new memory, {used:.2f} ms into used memory")


async def _measure_large(folder: Path) -> None:
    async with SQLiteStorage(folder / "large.db") as storage:
        agent = _agent(storage)
        film = ChatMessage("user", [DataContent(os.urandom(LARGE_BYTES), "video/mp4")])
        started = time.perf_counter()
        await agent.run(film, thread="t")
        added = time.perf_counter()
        (message, _) = await agent.get_thread("t").list_messages()
        read = time.perf_counter()
        assert message == film
    print(f"a file of 20 MB: {(added - started) * 1000:.0f} ms to add, {(read - added) * 1000:.0f} ms to read")


async def _measure_disk(folder: Path) -> None:
    for kind, size in (("sqlite", _sqlite), ("file", _files), ("postgresql", _postgres), ("redis", _redis)):
        plain, pictures = [await size(folder / f"{kind}-{name}", name) for name in ("plain", "pictures")]
        ratio, whole = [one / (PICTURES * PICTURE_BYTES) for one in (pictures - plain, pictures)]
        print(f"disk, {kind}: {ratio:.3f} x the bytes of the pictures ({whole:.3f} x with the texts)")


async def _sqlite(folder: Path, name: str) -> int:
    async with open_storage(f"sqlite:///{folder.as_posix()}/t.db") as storage:
        await _fill(storage, name)
    return _size(folder)


async def _files(folder: Path, name: str) -> int:
    async with open_storage(f"file://{folder.as_posix()}") as storage:
        await _fill(storage, name)
    return _size(folder)


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


async def _postgres(_: Path, name: str) -> int:
    server = PostgresServer(is_durable=False)
    try:
        async with open_storage(server.url) as storage:
            await _fill(storage, name)
        async with await psycopg.AsyncConnection.connect(server.url) as connection:
            row = await (await connection.execute(_TABLES)).fetchone()
        return int(row[0]) if row else 0
    finally:
        server.stop()


_TABLES = """
    SELECT sum(pg_total_relation_size(oid)) FROM pg_class
    WHERE relnamespace = 'recuerda'::regnamespace AND relkind = 'r'
"""


async def _redis(_: Path, name: str) -> int:
    # The size of the append-only file, without its rewrites.
    server = RedisServer(
        "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--auto-aof-rewrite-percentage", "0"
    )
    try:
        async with open_storage(server.url) as storage:
            await _fill(storage, name)
        return _size(server.folder)
    finally:
        server.stop()


async def main(folder: Path) -> None:
    """Measure, and print one line for each figure."""
    await _measure_turns(folder)
    _measure_memory(folder)
    await _measure_large(folder)
    await _measure_disk(folder)


def _print(name: str, times: dict[str, _Times]) -> None:
    one, other = (median(times[thread].own) for thread in THREADS)
    print(f"{name}: {one:.2f} ms with pictures, {other:.2f} ms without, {one / other:.2f} x", end="")
    if any(times["pictures"].sdk):
        sdk = [median(times[thread].sdk) for thread in THREADS]
        print(f"; the SDK: {sdk[0]:.2f} ms and {sdk[1]:.2f} ms", end="")
    print()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(main(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory() as made:
            asyncio.run(main(Path(made)))
