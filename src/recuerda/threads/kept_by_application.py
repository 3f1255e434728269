"""The owner of a thread that a class of the application's own keeps."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any

from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.json_value import Json, to_json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.thread_info import Expected
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.owner import CUSTOM_KIND, Owner
from recuerda.threads.pins import Pin, Pinned, kept
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.store import ChatMessageStore
from recuerda.window.summary import pinned_of
from recuerda.window.window import ContextWindow, group_turns


class KeptByApplication(Owner):
    """Keep a thread in a store of the application's own class, which knows messages but not turns."""

    def __init__(self, store: ChatMessageStoreProtocol, thread_id: str) -> None:
        super().__init__()
        self._store = store
        self._thread_id = thread_id

    def __repr__(self) -> str:
        return f"message_store={self._store!r}"

    @property
    def thread_id(self) -> str:
        """The thread's id, which the store does not know."""
        return self._thread_id

    @property
    def message_store(self) -> ChatMessageStoreProtocol:
        """The store."""
        return self._store

    @property
    def identity(self) -> Hashable:
        """The store itself, because two handles on one store are handles on one thread."""
        return id(self._store)

    async def take_state(self, store_state: Mapping[str, Any]) -> None:
        """Let the store take the state that it gave."""
        if store_state.get("kind") != CUSTOM_KIND:
            await super().take_state(store_state)
        await self._store.update_from_state(store_state.get("state"))

    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Pass the messages to the store in one call."""
        await self._store.add_messages(messages)

    async def list_messages(self, *, limit: int | None, before: int | None) -> list[ChatMessage]:
        """Return the messages, the oldest first. With `limit`, they begin at a user's message."""
        if before is not None:
            self.known_turns()
        messages = list(await self._store.list_messages())
        return messages if limit is None else ContextWindow(max_messages=limit).latest(group_turns(messages))

    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Read all messages, because the store cannot read fewer."""
        if query.turn_id is not None:
            raise ConfigurationError(
                f"turn_id needs a store that knows turns, and {type(self._store).__name__} is not one; use a "
                "ChatMessageStore"
            )
        messages = list(await self._store.list_messages())
        return LoadedThread(messages=messages, is_new=not messages, pinned=_pinned(messages, query.window))

    async def commit(
        self,
        turn: Turn,
        *,
        turn_id: str | None,
        expected: Expected | None,
        service_thread_id: str | None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> None:
        """Pass the turn's messages to the store in one call."""
        await self._store.add_messages(list(turn.messages))

    async def store_state(self, **kwargs: Any) -> Json:
        """Return the store's state, marked as the state of an application's own class."""
        return {"kind": CUSTOM_KIND, "state": to_json(await self._store.serialize(), "the store's state")}

    def known_turns(self) -> ChatMessageStore:
        """Raise an error, because the store knows no turns."""
        raise InvalidInput(f"{type(self._store).__name__} knows no turns; use a ChatMessageStore")


def _pinned(messages: Sequence[ChatMessage], window: ContextWindow | None) -> Pinned:
    """Return the pinned messages that stay in every request. A message's number is its position among all messages."""
    if window is None:
        return Pinned()
    pins = [Pin(number, "", pinned_of([message])) for number, message in enumerate(messages)]
    return kept([pin for pin in pins if pin.messages], window)
