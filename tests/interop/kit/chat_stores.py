"""Chat stores of LlamaIndex for the conformance kit: ours."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path

from llama_index.core.base.llms.types import (
    ChatMessage,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from recuerda.interop.llama_index import RecuerdaChatStore
from recuerda.storage import Storage
from recuerda.testing.conversation_contract import ConversationAdapter, Part, Pause
from tests.interop.kit.places import open_at


class OurChatStores(ConversationAdapter[Storage, ChatMessage]):
    """`RecuerdaChatStore` on SQLite, written as LlamaIndex's memory writes: a store for each run, and each message."""

    def open(self, place: Path) -> AbstractAsyncContextManager[Storage]:
        return open_at(place)

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

    async def add_run(
        self, store: Storage, conversation_id: str, items: Sequence[ChatMessage], *, pause: Pause, run_id: str
    ) -> None:
        chat_store = RecuerdaChatStore(store, turn_id=run_id)
        await chat_store.get_messages(conversation_id)
        for number, message in enumerate(items):
            if number:
                await pause()
            await chat_store.add_message(conversation_id, message)

    async def read(self, store: Storage, conversation_id: str, limit: int | None = None) -> Sequence[ChatMessage]:
        return await RecuerdaChatStore(store).get_messages(conversation_id)

    async def delete(self, store: Storage, conversation_id: str) -> None:
        await RecuerdaChatStore(store).delete_messages(conversation_id)

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
