"""History providers of Agent Framework for the conformance kit: ours, and the framework's own."""

from __future__ import annotations

import json
import warnings
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from agent_framework import Agent, AgentResponse, AgentSession, Content, FileHistoryProvider, Message, SessionContext

from recuerda.interop.agent_framework import RecuerdaHistoryProvider
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.agent_framework.scripted import ScriptedClient
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at


class HistoryAdapter(KitAdapter[Any, Message]):
    """History providers of Agent Framework, called as an agent calls them: before its run, and after it."""

    def make(self, part: Part, text: str) -> Message:
        match part:
            case "question":
                return Message("user", [text])
            case "call":
                return Message("assistant", [Content.from_function_call(text, "scan", arguments={"deck": 7})])
            case "result":
                return Message("tool", [Content.from_function_result(text, result="clear")])
            case "answer":
                return Message("assistant", [text])

    def dump(self, item: Message) -> bytes:
        return msgspec.json.encode(item.to_dict(), order="sorted")

    def load(self, dumps: Sequence[bytes]) -> list[Message]:
        return [Message.from_dict(json.loads(one)) for one in dumps]

    async def add_run(
        self,
        store: Any,
        conversation_id: str,
        items: Sequence[Message],
        *,
        pause: Pause,
        run_id: str,
    ) -> None:
        context = SessionContext(session_id=conversation_id, input_messages=[items[0]])
        calling: dict[str, Any] = {
            "agent": Agent(ScriptedClient()),
            "session": AgentSession(session_id=conversation_id),
            "context": context,
            "state": {},
        }
        await store.before_run(**calling)
        await pause()
        context._response = AgentResponse(messages=[*items[1:]])  # pyright: ignore[reportPrivateUsage] - as an agent does
        await store.after_run(**calling)

    async def read(self, store: Any, conversation_id: str, limit: int | None = None) -> Sequence[Message]:
        return await store.get_messages(conversation_id)

    async def fill(self, store: Any, conversation_id: str, pairs: Sequence[Sequence[Message]]) -> None:
        for pair in pairs:
            await store.save_messages(conversation_id, pair)

    def unusual_items(self) -> Sequence[Message]:
        return [
            Message("user", [Content.from_data(b"\x89PNG", "image/png"), ""], additional_properties={"more": [1, 1.0]}),
            Message(
                "assistant", [Content.from_text_reasoning(text="x"), Content.from_error(message="no", error_code="e")]
            ),
            Message(
                "assistant", [Content.from_uri("https://a/b.pdf", media_type="application/pdf")], author_name="Data"
            ),
        ]


class OurHistories(HistoryAdapter):
    """`RecuerdaHistoryProvider` on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[RecuerdaHistoryProvider]:
        async with open_at(place) as storage:
            yield RecuerdaHistoryProvider(storage, limit=self.reads)

    async def delete(self, store: RecuerdaHistoryProvider, conversation_id: str) -> None:
        await store.delete(conversation_id)


class TheirHistories(HistoryAdapter):
    """Agent Framework's own provider on files. It cannot delete a session."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[FileHistoryProvider]:
        with warnings.catch_warnings(action="ignore"):  # it is called experimental
            provider = FileHistoryProvider(place)
        yield provider

    async def fill(self, store: FileHistoryProvider, conversation_id: str, pairs: Sequence[Sequence[Message]]) -> None:
        # Each write reads the whole file.
        await store.save_messages(conversation_id, [message for pair in pairs for message in pair])

    async def delete(self, store: FileHistoryProvider, conversation_id: str) -> None:
        raise NotImplementedError
