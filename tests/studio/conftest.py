from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from recuerda import ChatMessage, ChatMessageStore, MemoryStorage, Storage
from tests.studio.client import settings_of, studio_client


@pytest.fixture
async def storage() -> Storage:
    """A storage with two threads of ana, one of ben, and one of nobody."""
    storage = MemoryStorage()
    for thread_id, user, question, answer in (
        ("trip/1", "ana", "When does the ferry to Tangier leave?", "At nine."),
        ("trip/2", "ana", "And the train to Fez?", "At noon."),
        ("bill", "ben", "Pay the bill, please.", "It is paid."),
        ("..", None, "Who am I?", "I do not know."),
    ):
        store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user)
        await store.add_messages([ChatMessage("user", question), ChatMessage("assistant", answer)])
    await storage.update_thread("trip/1", metadata={"channel": "web"}, tags=["travel"])
    return storage


@pytest.fixture
async def client(storage: Storage) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of a read-only studio, with its token."""
    async with studio_client(settings_of(storage)) as client:
        yield client
