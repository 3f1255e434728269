"""A page that is open shows what another process writes, and costs one look at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.applications import Starlette

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, NewTurn, StorageBusy
from recuerda.agent.steps import Step, encode_step
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import DraftStep, ReadQuery, ThreadSlice
from recuerda.studio import create_studio
from recuerda.studio.studio import Studio
from recuerda.studio.watching import Watching
from tests.studio.client import ORIGIN, TOKEN, settings_of


class Stream:
    """An open stream of events, read as a browser reads it."""

    def __init__(self) -> None:
        self._parts: asyncio.Queue[bytes] = asyncio.Queue()
        self._rest = b""
        self._is_closed = asyncio.Event()
        self._has_asked = False

    async def receive(self) -> MutableMapping[str, Any]:
        if not self._has_asked:
            self._has_asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self._is_closed.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        if message["type"] == "http.response.body":
            self._parts.put_nowait(message.get("body", b""))

    def close(self) -> None:
        self._is_closed.set()

    async def event(self) -> tuple[str, str]:
        """Return the name and the data of the next event. Comments are left out."""
        async with asyncio.timeout(20):
            while True:
                while b"\n\n" not in self._rest:
                    self._rest += await self._parts.get()
                block, _, self._rest = self._rest.partition(b"\n\n")
                lines = block.decode().split("\n")
                if lines[0].startswith("event: "):
                    data = "\n".join(line[6:] for line in lines if line.startswith("data: "))
                    return lines[0].removeprefix("event: "), data


@asynccontextmanager
async def streaming(app: Starlette, path: str, query: str) -> AsyncGenerator[Stream]:
    stream = Stream()
    scope: dict[str, Any] = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "server": ("127.0.0.1", 8788),
        "headers": [(b"host", b"127.0.0.1:8788"), (b"authorization", f"Bearer {TOKEN}".encode())],
    }
    answering = asyncio.create_task(app(scope, stream.receive, stream.send))
    try:
        yield stream
    finally:
        stream.close()
        await answering


async def test_what_another_process_writes_appears_on_an_open_page(tmp_path: Path) -> None:
    url = tmp_path / "memory.db"
    async with SQLiteStorage(url) as mine, SQLiteStorage(url) as theirs:
        store = ChatMessageStore(storage=theirs, thread_id="t", user_id="ana")
        await store.add_messages([ChatMessage("user", "first")])
        app = create_studio(settings_of(mine, live_interval_s=0.02))
        async with streaming(app, "/threads/t/live", "after=1") as stream:
            assert await stream.event() == ("gone", "draft")
            await store.add_messages([ChatMessage("user", "a <b>new</b> turn with sk-abcdefghijklmnop1234")])
            name, html = await stream.event()
            assert (name, 'data-key="2"' in html) == ("turn", True)
            assert "a &lt;b&gt;new&lt;/b&gt; turn with [redacted: API key]" in html
            await store.undo()
            assert await stream.event() == ("gone", "2")
            name, html = await stream.event()
            assert (name, 'data-key="3"' in html) == ("turn", True)
            step = encode_step(Step(input=(ChatMessage("user", "unfinished"),)))
            await theirs.save_draft("t", DraftStep(turn_id="x", revision=3, number=1, body=step))
            name, html = await stream.event()
            assert (name, 'data-key="draft"' in html, "unfinished" in html) == ("turn", True, True)
            await store.add_messages([ChatMessage("user", "done")])
            assert 'data-key="4"' in (await stream.event())[1]
            assert await stream.event() == ("gone", "draft")
            await theirs.delete("t")
            assert await stream.event() == ("reload", "")
        studio: Studio = app.state.studio
        assert studio.watching.threads == 0


class CountingStorage(MemoryStorage):
    """A storage that counts the looks at its threads."""

    looks = 0

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        self.looks += query.last_turns == 0
        return await super()._read(thread_id, query)


async def test_many_pages_of_a_thread_cost_one_look_and_none_after_the_last_page() -> None:
    storage = CountingStorage()
    await ChatMessageStore(storage=storage, thread_id="t").add_messages([ChatMessage("user", "hi")])
    app = create_studio(settings_of(storage, live_interval_s=0.05))
    studio: Studio = app.state.studio
    async with streaming(app, "/threads/t/live", "after=1") as first:
        await first.event()
        async with streaming(app, "/threads/t/live", "after=1") as second:
            await second.event()
            assert studio.watching.threads == 1
            before = storage.looks
            await asyncio.sleep(0.3)
            assert storage.looks - before <= 6
        assert studio.watching.threads == 1
    assert studio.watching.threads == 0
    before = storage.looks
    await asyncio.sleep(0.1)
    assert storage.looks == before


class FailingOnceStorage(MemoryStorage):
    """A storage of which the second read of new turns fails."""

    reads = 0

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        if query.after:
            self.reads += 1
            if self.reads == 2:
                raise StorageBusy("another program writes")
        return await super()._read(thread_id, query)


async def test_a_storage_that_does_not_answer_for_a_moment_costs_no_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recuerda.studio.threads.live.RETRY_S", 0.01)
    storage = FailingOnceStorage()
    store = ChatMessageStore(storage=storage, thread_id="t")
    await store.add_messages([ChatMessage("user", "first")])
    app = create_studio(settings_of(storage, live_interval_s=0.02))
    async with streaming(app, "/threads/t/live", "after=1") as stream:
        assert await stream.event() == ("gone", "draft")
        await storage.append("t", NewTurn(body=b'{"messages":[{"role":"user","content":"second"}]}', message_count=1))
        assert "second" in (await stream.event())[1]
        assert storage.reads == 3


async def test_a_stream_for_which_there_is_no_room_is_refused_with_a_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("recuerda.studio.watching.MOST_THREADS", 1)
    storage = MemoryStorage()
    for thread_id in ("t", "u"):
        await ChatMessageStore(storage=storage, thread_id=thread_id).add_messages([ChatMessage("user", "hi")])
    app = create_studio(settings_of(storage, live_interval_s=0.05))
    headers = {"authorization": f"Bearer {TOKEN}"}
    client = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=ORIGIN, headers=headers)
    async with client, streaming(app, "/threads/t/live", "after=1") as first:
        await first.event()
        refused = await client.get("/threads/u/live", params={"after": 1})
        assert (refused.status_code, "watched already" in refused.text) == (503, True)


async def test_an_unknown_error_of_a_storage_does_not_end_the_watch() -> None:
    class OddStorage(MemoryStorage):
        looks = 0

        async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
            self.looks += 1
            if self.looks == 1:
                raise OSError("the connection was reset")
            return await super()._read(thread_id, query)

    storage = OddStorage()
    async with Watching(storage, interval_s=0.01).watched("t") as watch:
        assert await watch.after(0, patience_s=5) == 1
