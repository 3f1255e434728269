"""Session services of Google ADK for the conformance kit: ours, and ADK's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

from google.adk.events.event import Event
from google.adk.sessions.base_session_service import BaseSessionService, GetSessionConfig
from google.adk.sessions.sqlite_session_service import SqliteSessionService
from google.genai import types

from recuerda.interop.google_adk import RecuerdaSessionService
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at


class EventAdapter(KitAdapter[BaseSessionService, Event]):
    """Session services of ADK, written as its runner writes: one event after the other."""

    def make(self, part: Part, text: str) -> Event:
        match part:
            case "question" | "answer":
                said = types.Part(text=text)
            case "call":
                said = types.Part(function_call=types.FunctionCall(id=text, name="scan", args={"deck": 7}))
            case "result":
                result = types.FunctionResponse(id=text, name="scan", response={"result": "clear"})
                said = types.Part(function_response=result)
        is_user = part == "question"
        content = types.Content(role="user" if part in ("question", "result") else "model", parts=[said])
        author = "user" if is_user else "doctor"
        return Event(author=author, invocation_id="i", id=f"{part} {text}", timestamp=1.5, content=content)

    def dump(self, item: Event) -> bytes:
        return item.model_dump_json(exclude_none=True).encode()

    def load(self, dumps: Sequence[bytes]) -> list[Event]:
        return [Event.model_validate_json(one) for one in dumps]

    async def add_run(
        self,
        store: BaseSessionService,
        conversation_id: str,
        items: Sequence[Event],
        *,
        pause: Pause,
        run_id: str,
    ) -> None:
        names = _names(conversation_id)
        session = await store.get_session(**names, config=_newest(self.reads)) or await store.create_session(**names)
        for number, event in enumerate(items):
            if number:
                await pause()
            await store.append_event(session, event.model_copy(deep=True))

    async def read(self, store: BaseSessionService, conversation_id: str, limit: int | None = None) -> Sequence[Event]:
        session = await store.get_session(**_names(conversation_id), config=_newest(limit))
        return [] if session is None else session.events

    async def delete(self, store: BaseSessionService, conversation_id: str) -> None:
        await store.delete_session(**_names(conversation_id))


class OurEvents(EventAdapter):
    """`RecuerdaSessionService` on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[BaseSessionService]:
        async with open_at(place) as storage:
            yield RecuerdaSessionService(storage)


class TheirEvents(EventAdapter):
    """ADK's own session service on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[BaseSessionService]:
        yield SqliteSessionService(str(place / "sessions.db"))


def _newest(limit: int | None) -> GetSessionConfig | None:
    return None if limit is None else GetSessionConfig(num_recent_events=limit)


def _names(conversation_id: str) -> dict[str, Any]:
    # ADK ignores blanks around the id of a session.
    session_id = conversation_id if conversation_id == conversation_id.strip() else quote(conversation_id)
    return {"app_name": "ship", "user_id": "ana", "session_id": session_id}
