"""What an application's own message store has to offer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from recuerda.messages.message import ChatMessage


@runtime_checkable
class ChatMessageStoreProtocol(Protocol):
    """What an application's own message store offers. A class with these five methods works wherever a store does."""

    async def add_messages(self, messages: Sequence[ChatMessage], /) -> object:
        """Append messages; all that one run adds come in one call."""
        ...

    async def list_messages(self) -> list[ChatMessage]:
        """Return all messages, the oldest first."""
        ...

    async def serialize(self, **kwargs: Any) -> Any:
        """Return the store's state as JSON data."""
        ...

    async def update_from_state(self, serialized_store_state: Any, /, **kwargs: Any) -> None:
        """Become the store that `serialize` described."""
        ...

    @classmethod
    async def deserialize(cls, serialized_store_state: Any, /, **kwargs: Any) -> ChatMessageStoreProtocol:
        """Make a store from what `serialize` gave."""
        ...
