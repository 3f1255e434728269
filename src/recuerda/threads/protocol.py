"""The methods that an application's own message store must have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from recuerda.messages.message import ChatMessage


@runtime_checkable
class ChatMessageStoreProtocol(Protocol):
    """The methods of a message store. An object of any class with these five methods works as a store.

    A method may have further parameters with defaults, and `**kwargs`. recuerda never passes them.
    """

    async def add_messages(self, messages: Sequence[ChatMessage], /) -> object:
        """Append messages. All messages of one run come in one call."""
        ...

    async def list_messages(self) -> list[ChatMessage]:
        """Return all messages, the oldest first."""
        ...

    async def serialize(self) -> Any:
        """Return the store's state as JSON data."""
        ...

    async def update_from_state(self, serialized_store_state: Any, /) -> None:
        """Take over the state that `serialize` returned."""
        ...

    @classmethod
    async def deserialize(cls, serialized_store_state: Any, /) -> ChatMessageStoreProtocol:
        """Return a store with the state that `serialize` returned."""
        ...
