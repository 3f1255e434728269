"""How the tests use a conversation store."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Generic, Literal, TypeAlias, TypeVar

Part: TypeAlias = Literal["question", "call", "result", "answer"]
"""The part of a run that an item is: a user's question, a call of a tool, its result, the model's answer."""

Pause: TypeAlias = Callable[[], Awaitable[None]]
"""What a run waits for while the model is at work."""

StoreT = TypeVar("StoreT")
ItemT = TypeVar("ItemT")


class ConversationAdapter(ABC, Generic[StoreT, ItemT]):
    """Use one framework's conversation store as the tests ask.

    For the tests that kill a process, the class must be importable, and must be made without arguments.
    """

    @abstractmethod
    def open(self, place: Path) -> AbstractAsyncContextManager[StoreT]:
        """Return a handle on the store at a place. Two handles on one place share the conversations.

        Args:
            place: an existing folder. A store in RAM takes it as a name.
        """

    @abstractmethod
    def make(self, part: Part, text: str) -> ItemT:
        """Return an item. The same arguments give the same item.

        Args:
            part: the kind of item.
            text: the words of a question or an answer; the id of a call and of its result.
        """

    @abstractmethod
    def dump(self, item: ItemT) -> bytes:
        """Return bytes that differ if two items differ in anything."""

    @abstractmethod
    async def add_run(
        self, store: StoreT, conversation_id: str, items: Sequence[ItemT], *, pause: Pause, run_id: str
    ) -> None:
        """Read the conversation, and add the items of one run, in the writes in which the framework adds them.

        Args:
            store: a handle.
            conversation_id: the conversation.
            items: the question first.
            pause: await it wherever the run waits for the model: after the conversation was read, or between writes.
            run_id: an id that a retry of the run has again. Ignore it if the framework has nothing like it.

        Raises:
            Exception: the run was refused, because another run came first. Any exception counts as a refusal.
        """

    @abstractmethod
    async def read(self, store: StoreT, conversation_id: str, limit: int | None = None) -> Sequence[ItemT]:
        """Return the newest items of a conversation, the oldest of them first; none if there is no conversation.

        Args:
            store: a handle.
            conversation_id: the conversation.
            limit: the largest number of items; None for all. Only `LimitContract` and `PairContract` give one.
        """

    @abstractmethod
    async def delete(self, store: StoreT, conversation_id: str) -> None:
        """Delete a conversation."""

    def unusual_items(self) -> Sequence[ItemT]:
        """Return items with everything that the framework can say: images, files, reasoning, unknown fields."""
        return ()
