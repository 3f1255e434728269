"""Sessions of the OpenAI Agents SDK for the conformance kit: ours, the SDK's own, and a naive one."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from agents import RunContextWrapper, SQLiteSession
from agents.memory import SessionABC

from recuerda.file import FileStorage
from recuerda.interop.openai_agents import RecuerdaSession
from recuerda.storage import Storage
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at


class AgentsAdapter(KitAdapter[Any, Any]):
    """Sessions of the OpenAI Agents SDK, written as its runner writes them."""

    def session(self, store: Any, conversation_id: str, run_id: str | None = None) -> SessionABC:
        raise NotImplementedError

    def options(self, wrapper: RunContextWrapper[Any]) -> dict[str, Any]:
        """Return what the SDK's runner gives to each call of one run."""
        return {}

    def make(self, part: Part, text: str) -> Any:
        match part:
            case "question":
                return {"role": "user", "content": text}
            case "call":
                return {"type": "function_call", "call_id": text, "name": "scan", "arguments": '{"deck": 7}'}
            case "result":
                return {"type": "function_call_output", "call_id": text, "output": "clear"}
            case "answer":
                # The SDK's models give an answer all of these fields.
                said: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
                message: dict[str, Any] = {"id": "msg_1", "type": "message", "status": "completed"}
                return {**message, "role": "assistant", "content": [said]}

    def dump(self, item: Any) -> bytes:
        return msgspec.json.encode(item, order="sorted")

    def load(self, dumps: Sequence[bytes]) -> list[Any]:
        return [json.loads(one) for one in dumps]

    async def add_run(
        self, store: Any, conversation_id: str, items: Sequence[Any], *, pause: Pause, run_id: str
    ) -> None:
        session = self.session(store, conversation_id, run_id)
        options = self.options(RunContextWrapper(None))  # the runner makes it for any session
        await session.get_items(self.reads, **options)
        first, *between, last = items
        await session.add_items([first], **options)
        await pause()
        if between:
            await session.add_items(between, **options)
            await pause()
        await session.add_items([last], **options)

    async def read(self, store: Any, conversation_id: str, limit: int | None = None) -> Sequence[Any]:
        return await self.session(store, conversation_id).get_items(limit)

    async def delete(self, store: Any, conversation_id: str) -> None:
        await self.session(store, conversation_id).clear_session()

    def unusual_items(self) -> Sequence[Any]:
        return [
            {"role": "user", "content": [{"type": "input_image", "image_url": "data:image/png;base64,QUJD"}]},
            {"role": "user", "content": [{"type": "input_file", "file_id": "f", "filename": None}], "more": [1, 1.0]},
            {"type": "reasoning", "id": "rs", "summary": [], "encrypted_content": "x", "status": None},
            {"type": "web_search_call", "id": "ws", "status": "completed", "action": {"type": "search"}},
            {"type": "a kind of tomorrow", "deep": {"deeper": [None, True, {"": ""}]}},
        ]


class OurSessions(AgentsAdapter):
    """`RecuerdaSession` on SQLite."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return open_at(place)

    def session(self, store: Storage, conversation_id: str, run_id: str | None = None) -> SessionABC:
        return RecuerdaSession(conversation_id, store, turn_id=run_id)

    def options(self, wrapper: RunContextWrapper[Any]) -> dict[str, Any]:
        return {"wrapper": wrapper}


class OurSessionsInFiles(OurSessions):
    """`RecuerdaSession` on files."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return FileStorage(place / "threads")


class TheirSessions(AgentsAdapter):
    """The SDK's own session on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[dict[str, SQLiteSession]]:
        sessions = _Sessions(place / "sessions.db")
        try:
            yield sessions
        finally:
            for session in sessions.values():
                session.close()

    def session(self, store: dict[str, SQLiteSession], conversation_id: str, run_id: str | None = None) -> SessionABC:
        return store[conversation_id]


class _Sessions(dict[str, SQLiteSession]):
    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def __missing__(self, conversation_id: str) -> SQLiteSession:
        return self.setdefault(conversation_id, SQLiteSession(conversation_id, self._path))


class NaiveFiles(AgentsAdapter):
    """What a first attempt looks like: one JSON file for each conversation, rewritten in place."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[Path]:
        yield place

    async def add_run(
        self, store: Path, conversation_id: str, items: Sequence[Any], *, pause: Pause, run_id: str
    ) -> None:
        known = await self.read(store, conversation_id)
        await pause()
        self._file(store, conversation_id).write_text(json.dumps([*known, *items]))

    async def read(self, store: Path, conversation_id: str, limit: int | None = None) -> Sequence[Any]:
        file = self._file(store, conversation_id)
        found: list[Any] = json.loads(file.read_text()) if file.exists() else []
        return found[-limit:] if limit else found

    async def delete(self, store: Path, conversation_id: str) -> None:
        self._file(store, conversation_id).unlink()

    def _file(self, store: Path, conversation_id: str) -> Path:
        return store / "".join(letter if letter.isalnum() else "_" for letter in conversation_id)
