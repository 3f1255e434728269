"""Chat stores of LlamaIndex for the conformance kit: ours, and LlamaIndex's own."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

from llama_index.core.base.llms.types import (
    ChatMessage,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore
from llama_index.core.storage.chat_store.sql import SQLAlchemyChatStore

from recuerda.interop.llama_index import RecuerdaChatStore
from recuerda.storage import Storage
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at


class ChatStoreAdapter(KitAdapter[Any, ChatMessage]):
    """Chat stores of LlamaIndex, written as its memory writes: each message."""

    def chat_store(self, store: Any, run_id: str | None = None) -> AsyncDBChatStore:
        raise NotImplementedError

    def make(self, part: Part, text: str) -> ChatMessage:
        match part:
            case "question":
                return ChatMessage(role="user", content=text)
            case "call":
                call = ToolCallBlock(tool_call_id=text, tool_name="scan", tool_kwargs={"deck": 7})
                return ChatMessage(role="assistant", blocks=[call])
            case "result":
                return ChatMessage(role="tool", content="clear", additional_kwargs={"tool_call_id": text})
            case "answer":
                return ChatMessage(role="assistant", content=text)

    def dump(self, item: ChatMessage) -> bytes:
        return item.model_dump_json().encode()

    def load(self, dumps: Sequence[bytes]) -> list[ChatMessage]:
        return [ChatMessage.model_validate_json(one) for one in dumps]

    async def add_run(
        self, store: Any, conversation_id: str, items: Sequence[ChatMessage], *, pause: Pause, run_id: str
    ) -> None:
        chat_store = self.chat_store(store, run_id)
        await chat_store.get_messages(conversation_id)
        for number, message in enumerate(items):
            if number:
                await pause()
            await chat_store.add_message(conversation_id, message)

    async def read(self, store: Any, conversation_id: str, limit: int | None = None) -> Sequence[ChatMessage]:
        return await self.chat_store(store).get_messages(conversation_id)

    async def delete(self, store: Any, conversation_id: str) -> None:
        await self.chat_store(store).delete_messages(conversation_id)

    async def fill(self, store: Any, conversation_id: str, pairs: Sequence[Sequence[ChatMessage]]) -> None:
        for number, pair in enumerate(pairs):
            await self.chat_store(store, f"{number}").add_messages(conversation_id, [*pair])

    def unusual_items(self) -> Sequence[ChatMessage]:
        picture = ImageBlock(image=b"QUJD", image_mimetype="image/png", detail="low")
        paper = DocumentBlock(data=b"QUJD", title="a.pdf", document_mimetype="application/pdf")
        cited = CitationBlock(
            cited_content=TextBlock(text="x"), source="s", title="t", additional_location_info={"p": 1}
        )
        return [
            ChatMessage(
                role="user", blocks=[TextBlock(text="one"), picture, paper], additional_kwargs={"more": [1, 1.0]}
            ),
            ChatMessage(role="assistant", blocks=[ThinkingBlock(content="x", num_tokens=3), cited, TextBlock(text="")]),
            ChatMessage(role="assistant", blocks=[]),
        ]


class OurChatStores(ChatStoreAdapter):
    """`RecuerdaChatStore` on SQLite, a store for each run."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return open_at(place)

    def chat_store(self, store: Storage, run_id: str | None = None) -> AsyncDBChatStore:
        return RecuerdaChatStore(store, turn_id=run_id)


class TheirChatStores(ChatStoreAdapter):
    """LlamaIndex's own chat store on SQLite."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[SQLAlchemyChatStore]:
        store = SQLAlchemyChatStore(
            table_name="messages", async_database_uri=f"sqlite+aiosqlite:///{place / 'messages.db'}"
        )
        await store.count_messages("no conversation")  # makes the table
        try:
            yield store
        finally:
            if store._async_engine is not None:  # pyright: ignore[reportPrivateUsage] - it has no method to close it
                await store._async_engine.dispose()  # pyright: ignore[reportPrivateUsage] - as above

    def chat_store(self, store: SQLAlchemyChatStore, run_id: str | None = None) -> AsyncDBChatStore:
        return store
