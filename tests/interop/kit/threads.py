"""Stores of ChatKit for the conformance kit: ours."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from chatkit.store import NotFoundError
from chatkit.types import (
    AssistantMessageContent,
    AssistantMessageItem,
    ClientToolCallItem,
    HiddenContextItem,
    InferenceOptions,
    ThreadItem,
    ThreadMetadata,
    UserMessageItem,
    UserMessageTextContent,
)
from pydantic import TypeAdapter

from recuerda.interop.chatkit import RecuerdaStore
from recuerda.testing.conversation_contract import Part, Pause
from tests.interop.kit.base import KitAdapter
from tests.interop.kit.places import open_at

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901)  # noqa: DTZ001 - ChatKit's times have no zone
PAGE = 100

_item: TypeAdapter[ThreadItem] = TypeAdapter(ThreadItem)


class Request:
    """The context of one request."""


class OurThreads(KitAdapter[RecuerdaStore[Request], ThreadItem]):
    """`RecuerdaStore` on SQLite, written as ChatKit's server writes: the question, then each item of the response."""

    @asynccontextmanager
    async def open(self, place: Path) -> AsyncGenerator[RecuerdaStore[Request]]:
        async with open_at(place) as storage:
            yield RecuerdaStore(storage, user_of=None)

    def make(self, part: Part, text: str) -> ThreadItem:
        known: dict[str, Any] = {
            "id": f"{part}-{sha256(text.encode()).hexdigest()[:16]}",
            "thread_id": "t",
            "created_at": NOW,
        }
        match part:
            case "question":
                content: list[Any] = [UserMessageTextContent(text=text)]
                return UserMessageItem(**known, content=content, inference_options=InferenceOptions())
            case "call":
                return ClientToolCallItem(**known, call_id=text, name="scan", arguments={"deck": 7}, status="completed")
            case "result":
                return HiddenContextItem(**known, content={"call": text, "result": "clear"})
            case "answer":
                return AssistantMessageItem(**known, content=[AssistantMessageContent(text=text, annotations=[])])

    def dump(self, item: ThreadItem) -> bytes:
        return item.model_dump_json(exclude={"thread_id"}).encode()

    def load(self, dumps: Sequence[bytes]) -> list[ThreadItem]:
        return [_item.validate_python({**json.loads(one), "thread_id": "t"}) for one in dumps]

    async def add_run(
        self,
        store: RecuerdaStore[Request],
        conversation_id: str,
        items: Sequence[ThreadItem],
        *,
        pause: Pause,
        run_id: str,
    ) -> None:
        request = Request()
        try:
            await store.load_thread(conversation_id, request)
        except NotFoundError:
            await store.save_thread(ThreadMetadata(id=conversation_id, created_at=NOW), request)
        for number, item in enumerate(items):
            if number:
                await pause()
            await store.add_thread_item(
                conversation_id, item.model_copy(update={"thread_id": conversation_id}), request
            )

    async def read(
        self, store: RecuerdaStore[Request], conversation_id: str, limit: int | None = None
    ) -> Sequence[ThreadItem]:
        request = Request()
        try:
            await store.load_thread(conversation_id, request)
        except NotFoundError:
            return []
        if limit is not None:
            page = await store.load_thread_items(conversation_id, None, limit, "desc", request)
            return page.data[::-1]
        found: list[ThreadItem] = []
        after: str | None = None
        while True:
            page = await store.load_thread_items(conversation_id, after, PAGE, "asc", request)
            found += page.data
            if not page.has_more:
                return found
            after = page.after

    async def delete(self, store: RecuerdaStore[Request], conversation_id: str) -> None:
        await store.delete_thread(conversation_id, Request())
