"""Session repositories of Strands for the conformance kit: ours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from recuerda.interop.strands import RecuerdaSessionRepository
from recuerda.storage import Storage
from recuerda.testing.conversation_contract import ConversationAdapter, Part, Pause
from tests.interop.kit.places import open_at

AGENT = "default"


class OurRepositories(ConversationAdapter[Storage, Any]):
    """`RecuerdaSessionRepository` on SQLite, written as an agent's session manager writes: message by message."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return open_at(place)

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

    async def add_run(
        self, store: Storage, conversation_id: str, items: Sequence[Any], *, pause: Pause, run_id: str
    ) -> None:
        session_id = _session_id(conversation_id)
        repository = RecuerdaSessionRepository(store, turn_id=run_id)
        if repository.read_session(session_id) is None:
            repository.create_session(Session(session_id, SessionType.AGENT))
        if repository.read_agent(session_id, AGENT) is None:
            repository.create_agent(session_id, SessionAgent(AGENT, {}, {}))
        stored = repository.list_messages(session_id, AGENT)
        first = stored[-1].message_id + 1 if stored else 0
        for number, message in enumerate(items):
            if number:
                await pause()
            repository.create_message(session_id, AGENT, SessionMessage.from_message(message, first + number))
            repository.update_agent(session_id, SessionAgent(AGENT, {}, {}))

    async def read(self, store: Storage, conversation_id: str, limit: int | None = None) -> Sequence[Any]:
        stored = RecuerdaSessionRepository(store).list_messages(_session_id(conversation_id), AGENT)
        return [message.to_message() for message in stored]

    async def delete(self, store: Storage, conversation_id: str) -> None:
        RecuerdaSessionRepository(store).delete_session(_session_id(conversation_id))

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


def _session_id(conversation_id: str) -> str:
    """Return an id that Strands accepts: it refuses an id with a slash."""
    return quote(conversation_id, safe="")
