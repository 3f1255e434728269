"""Conversation stores of Pydantic AI for the conformance kit: ours, and Pydantic AI's own."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from weakref import WeakKeyDictionary

from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import ConversationStore, InMemoryConversationStore
from pydantic_ai.messages import (
    BinaryContent,
    ImageUrl,
    ModelMessage,
    ModelMessagesTypeAdapter,
    ModelRequest,
    ModelResponse,
    TextPart,
    ThinkingPart,
    ToolCallPart,
    ToolReturnPart,
    UserPromptPart,
)

from recuerda.interop.pydantic_ai import RecuerdaConversationStore
from recuerda.storage import MemoryStorage
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at

WHEN = datetime(2367, 1, 1, tzinfo=UTC)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


class PydanticAdapter(KitAdapter[ConversationStore, ModelMessage]):
    """Conversation stores of Pydantic AI. A retry saves the conversation that was loaded before the first attempt."""

    def __init__(self) -> None:
        self._places: WeakKeyDictionary[ConversationStore, Path] = WeakKeyDictionary()
        self._begun: dict[tuple[Path, str, str], Conversation] = {}

    def at(self, place: Path, store: ConversationStore) -> ConversationStore:
        self._places[store] = place
        return store

    def make(self, part: Part, text: str) -> ModelMessage:
        match part:
            case "question":
                return ModelRequest(parts=[UserPromptPart(text, timestamp=WHEN)])
            case "call":
                return ModelResponse(parts=[ToolCallPart("scan", {"deck": 7}, tool_call_id=text)], timestamp=WHEN)
            case "result":
                return ModelRequest(parts=[ToolReturnPart("scan", "clear", tool_call_id=text, timestamp=WHEN)])
            case "answer":
                return ModelResponse(parts=[TextPart(text)], timestamp=WHEN)

    def dump(self, item: ModelMessage) -> bytes:
        return ModelMessagesTypeAdapter.dump_json([item])

    def load(self, dumps: Sequence[bytes]) -> list[ModelMessage]:
        return ModelMessagesTypeAdapter.validate_json(b"[%b]" % b",".join([one[1:-1] for one in dumps]))

    async def add_run(
        self,
        store: ConversationStore,
        conversation_id: str,
        items: Sequence[ModelMessage],
        *,
        pause: Pause,
        run_id: str,
    ) -> None:
        key = (self._places[store], conversation_id, run_id)
        loaded = await store.load(conversation_id, limit=self.reads)
        begun = self._begun.get(key) or loaded or Conversation(conversation_id=conversation_id)
        await pause()
        again = copy.copy(begun)
        begun.messages = [*begun.messages, *items]
        await store.save(begun)
        self._begun[key] = again

    async def read(
        self, store: ConversationStore, conversation_id: str, limit: int | None = None
    ) -> Sequence[ModelMessage]:
        loaded = await store.load(conversation_id, limit=limit)
        return [] if loaded is None else loaded.messages

    async def delete(self, store: ConversationStore, conversation_id: str) -> None:
        await store.delete(conversation_id)

    def unusual_items(self) -> Sequence[ModelMessage]:
        shown = ["Look.", ImageUrl("https://a/b.png"), BinaryContent(PNG, media_type="image/png")]
        thought = ThinkingPart("Hm.", id="t", signature="s", provider_name="p")
        return [
            ModelRequest(parts=[UserPromptPart(shown, timestamp=WHEN)], instructions="Be brief."),
            ModelResponse(parts=[thought, TextPart("")], timestamp=WHEN, provider_details={"a": [1]}),
        ]


class OurConversations(PydanticAdapter):
    """`RecuerdaConversationStore` on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[ConversationStore]:
        async with open_at(place) as storage:
            yield self.at(place, RecuerdaConversationStore(storage))


class OurConversationsInRAM(PydanticAdapter):
    """`RecuerdaConversationStore` in RAM."""

    def __init__(self) -> None:
        super().__init__()
        self._storages: defaultdict[Path, MemoryStorage] = defaultdict(MemoryStorage)

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[ConversationStore]:
        yield self.at(place, RecuerdaConversationStore(self._storages[place]))


class TheirConversations(PydanticAdapter):
    """Pydantic AI's own store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._stores: defaultdict[Path, ConversationStore] = defaultdict(InMemoryConversationStore)

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[ConversationStore]:
        yield self.at(place, self._stores[place])
