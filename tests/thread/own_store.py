"""A store as an application would write it: the five methods of the protocol, and nothing of ours inside."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from recuerda import ChatMessage
from recuerda.messages.codec import message_from_json, message_to_json


class OwnStore:
    def __init__(self) -> None:
        self.messages: list[ChatMessage] = []
        self.writes = 0

    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        self.messages.extend(messages)
        self.writes += 1

    async def list_messages(self) -> list[ChatMessage]:
        return list(self.messages)

    async def serialize(self, **kwargs: Any) -> dict[str, Any]:
        return {"lines": [message_to_json(message) for message in self.messages]}

    async def update_from_state(self, serialized_store_state: Any, **kwargs: Any) -> None:
        self.messages = [message_from_json(line) for line in serialized_store_state["lines"]]

    @classmethod
    async def deserialize(cls, serialized_store_state: Any, **kwargs: Any) -> OwnStore:
        store = cls()
        await store.update_from_state(serialized_store_state, **kwargs)
        return store
