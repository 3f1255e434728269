"""The owner of a thread that recuerda keeps, and the owner of a thread until its real owner is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.operations import Appended
from recuerda.storage.thread_info import Expected
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.owner import CUSTOM_KIND, Owner
from recuerda.threads.pins import NO_PINS, kept
from recuerda.threads.store import ChatMessageStore


class KeptHere(Owner):
    """Keep a thread in a `ChatMessageStore`."""

    def __init__(self, store: ChatMessageStore) -> None:
        super().__init__()
        self._store = store

    def __repr__(self) -> str:
        return f"message_store={self._store!r}"

    @property
    def thread_id(self) -> str:
        """The store's thread id."""
        return self._store.thread_id

    @property
    def message_store(self) -> ChatMessageStore | None:
        """The store."""
        return self._store

    @property
    def turn_store(self) -> ChatMessageStore | None:
        """The store."""
        return self._store

    async def take_state(self, store_state: Mapping[str, Any]) -> None:
        """Let the store take over the state."""
        if store_state.get("kind") == CUSTOM_KIND:
            await super().take_state(store_state)
        await self._store.update_from_state(store_state)

    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Append messages as one turn."""
        await self._store.add_messages(messages)

    async def list_messages(self, *, limit: int | None, before: int | None) -> list[ChatMessage]:
        """Return the messages, the oldest first."""
        return await self._store.list_messages(limit=limit, before=before)

    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Read the window, or the summary and the turns after it."""
        with_summary = query.reach is not None
        committed = await self._store.refresh(
            query.reach or query.window,
            turn_id=query.turn_id,
            with_summary=with_summary,
            spare=query.spare,
            keep_files=_files_to_read(query),
            warm=self._store.warm,
        )
        history = self._store.history
        pinned = NO_PINS
        if query.window is not None and not with_summary:
            pinned = kept((await self._store.read_pins()).pins(history.first), query.window)
        return LoadedThread(
            version=history.version,
            history=history,
            has_draft=history.has_draft,
            committed=committed,
            is_new=history.revision == 0,
            summary=history.summary if with_summary else None,
            pinned=pinned,
        )

    async def commit(
        self,
        turn: Turn,
        *,
        turn_id: str | None,
        expected: Expected | None,
        service_thread_id: str | None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> Appended:
        """Append the turn, if the thread is at the expected version."""
        appended = await self._store.append(
            turn, turn_id=turn_id, expected=expected, replaces=replaces, last_step=last_step
        )
        if self._store.warm is not None:
            self._store.warm.keep(self._store.history)
        return appended

    async def store_state(self, **kwargs: Any) -> Json:
        """Return the store's state."""
        return await self._store.serialize(**kwargs)

    def known_turns(self) -> ChatMessageStore:
        """Return the store."""
        return self._store


def _files_to_read(query: ThreadQuery) -> int | None:
    """Return the number of the newest turns whose files are read: one more if the newest turn is to be replaced."""
    if query.window is None or query.window.keep_files is None:
        return None
    return query.window.keep_files + (query.spare > 0)


class Unsettled(KeptHere):
    """Keep a new thread in RAM, unless it gets another owner before its first message."""

    def __init__(self, thread_id: str) -> None:
        super().__init__(ChatMessageStore(thread_id=thread_id))

    def __repr__(self) -> str:
        return "message_store=None"

    @property
    def is_settled(self) -> bool:
        """False."""
        return False

    @property
    def message_store(self) -> None:
        """None, because the store in RAM does not keep the thread yet."""

    @property
    def turn_store(self) -> None:
        """None, as for `message_store`."""

    def settled(self) -> Owner:
        """Return the owner that keeps the thread in RAM."""
        return KeptHere(self._store)

    def check_takes_store(self) -> None:
        """Allow any store."""

    def check_takes_service(self) -> None:
        """Allow any service."""

    async def store_state(self, **kwargs: Any) -> Json:
        """Return None, because the store in RAM holds nothing."""
        return None
