"""Session repositories of Strands for the conformance kit: ours, and Strands' own."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from strands.session.file_session_manager import FileSessionManager
from strands.session.session_repository import SessionRepository
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from recuerda.interop.strands import RecuerdaSessionRepository
from recuerda.storage import Storage
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at

AGENT = "default"


class RepositoryAdapter(KitAdapter[Any, Any]):
    """Session repositories of Strands, written as an agent's session manager writes: message by message."""

    def repository(self, store: Any, session_id: str, run_id: str | None = None) -> Any:
        raise NotImplementedError

    def make(self, part: Part, text: str) -> Any:
        match part:
            case "question":
                return {"role": "user", "content": [{"text": text}]}
            case "call":
                call = {"toolUseId": text, "name": "scan", "input": {"deck": 7}}
                return {"role": "assistant", "content": [{"toolUse": call}]}
            case "result":
                result = {"toolUseId": text, "status": "success", "content": [{"text": "clear"}]}
                return {"role": "user", "content": [{"toolResult": result}]}
            case "answer":
                return {"role": "assistant", "content": [{"text": text}]}

    def dump(self, item: Any) -> bytes:
        return msgspec.json.encode(item, order="sorted")

    def load(self, dumps: Sequence[bytes]) -> list[Any]:
        return [SessionMessage.from_message(json.loads(one), number).to_message() for number, one in enumerate(dumps)]

    async def add_run(
        self, store: Any, conversation_id: str, items: Sequence[Any], *, pause: Pause, run_id: str
    ) -> None:
        session_id = _session_id(conversation_id)
        repository = self.repository(store, session_id, run_id)
        _begin(repository, session_id)
        stored = repository.list_messages(session_id, AGENT)
        first = stored[-1].message_id + 1 if stored else 0
        for number, message in enumerate(items):
            if number:
                await pause()
            repository.create_message(session_id, AGENT, SessionMessage.from_message(message, first + number))
            repository.update_agent(session_id, SessionAgent(AGENT, {}, {}))

    async def read(self, store: Any, conversation_id: str, limit: int | None = None) -> Sequence[Any]:
        session_id = _session_id(conversation_id)
        repository = self.repository(store, session_id)
        if repository.read_session(session_id) is None:
            return []
        stored = repository.list_messages(session_id, AGENT)
        return [message.to_message() for message in stored]

    async def delete(self, store: Any, conversation_id: str) -> None:
        session_id = _session_id(conversation_id)
        self.repository(store, session_id).delete_session(session_id)

    async def fill(self, store: Any, conversation_id: str, pairs: Sequence[Sequence[Any]]) -> None:
        session_id = _session_id(conversation_id)
        repository = self.repository(store, session_id)
        _begin(repository, session_id)
        for number, message in enumerate(message for pair in pairs for message in pair):
            repository.create_message(session_id, AGENT, SessionMessage.from_message(message, number))

    def unusual_items(self) -> Sequence[Any]:
        picture = {"format": "png", "source": {"bytes": b"\x89PNG"}}
        thought = {"reasoningText": {"text": "x", "signature": "s"}}
        failed = {"toolUseId": "c", "status": "error", "content": [{"json": {"a": [1, 1.0, None]}}, {"image": picture}]}
        return [
            {"role": "user", "content": [{"image": picture}, {"text": ""}]},
            {
                "role": "assistant",
                "content": [{"reasoningContent": thought}, {"guardContent": {"text": {"text": "g"}}}],
            },
            {"role": "user", "content": [{"toolResult": failed}, {"a kind of tomorrow": {"deep": [True]}}]},
        ]


class OurRepositories(RepositoryAdapter):
    """`RecuerdaSessionRepository` on SQLite."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return open_at(place)

    def repository(self, store: Storage, session_id: str, run_id: str | None = None) -> Any:
        return RecuerdaSessionRepository(store, turn_id=run_id)


class TheirRepositories(RepositoryAdapter):
    """Strands' own session manager on files."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Path]:
        return nullcontext(place)

    def repository(self, store: Path, session_id: str, run_id: str | None = None) -> Any:
        return FileSessionManager(session_id, str(store))


def _begin(repository: SessionRepository, session_id: str) -> None:
    if repository.read_session(session_id) is None:
        repository.create_session(Session(session_id, SessionType.AGENT))
    if repository.read_agent(session_id, AGENT) is None:
        repository.create_agent(session_id, SessionAgent(AGENT, {}, {}))


def _session_id(conversation_id: str) -> str:
    """Return an id that Strands accepts: it refuses an id with a slash."""
    return quote(conversation_id, safe="")
