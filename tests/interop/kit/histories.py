"""History providers of Agent Framework for the conformance kit: ours."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
from agent_framework import Agent, AgentResponse, AgentSession, Content, Message, SessionContext

from recuerda.interop.agent_framework import RecuerdaHistoryProvider
from recuerda.testing.conversation_contract import ConversationAdapter, Part, Pause
from tests.interop.agent_framework.scripted import ScriptedClient
from tests.interop.kit.places import open_at


class OurHistories(ConversationAdapter[RecuerdaHistoryProvider, Message]):
    """`RecuerdaHistoryProvider` on SQLite, called as an agent calls it: before its run, and after it."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[RecuerdaHistoryProvider]:
        async with open_at(place) as storage:
            yield RecuerdaHistoryProvider(storage)

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

    async def add_run(
        self,
        store: RecuerdaHistoryProvider,
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

    async def read(
        self, store: RecuerdaHistoryProvider, conversation_id: str, limit: int | None = None
    ) -> Sequence[Message]:
        return await store.get_messages(conversation_id)

    async def delete(self, store: RecuerdaHistoryProvider, conversation_id: str) -> None:
        await store.delete(conversation_id)

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
