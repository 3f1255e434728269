"""The owner of a thread that the service of a model keeps."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable, Sequence
from typing import Any
from weakref import WeakValueDictionary

from recuerda.errors import ChatClientError, ConfigurationError, ThreadOwnershipError
from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.records import Appended
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.mirror import Mirror
from recuerda.threads.owner import Owner
from recuerda.threads.store import ChatMessageStore

_locks_by_reference: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


class KeptByService(Owner):
    """Leave a thread to the service of a model; it may have a local copy.

    Args:
        thread_id: our id of the thread.
        service_thread_id: the service's id of it; None until its first turn. It may change with each turn.
        mirror: the local copy.
    """

    def __init__(self, thread_id: str, service_thread_id: str | None, mirror: Mirror | None = None) -> None:
        super().__init__()
        self._thread_id = thread_id
        self._service_thread_id = service_thread_id
        self._mirror = mirror

    def __repr__(self) -> str:
        return f"service_thread_id={self._service_thread_id!r}"

    @property
    def thread_id(self) -> str:
        """Our id of the thread."""
        return self._thread_id

    @property
    def is_settled(self) -> bool:
        """True once the service has the thread."""
        return self._service_thread_id is not None

    @property
    def service_thread_id(self) -> str | None:
        """The service's id of the thread."""
        return self._service_thread_id

    @property
    def is_kept_by_service(self) -> bool:
        """True."""
        return True

    @property
    def mirror(self) -> Mirror | None:
        """The local copy."""
        return self._mirror

    @property
    def local_store(self) -> ChatMessageStore | None:
        """The store of the local copy."""
        return None if self._mirror is None else self._mirror.store

    @property
    def identity(self) -> Hashable:
        """The place of the local copy; without one, the service's id of the thread."""
        return super().identity if self._mirror is not None else self._service_thread_id or self

    def check_takes_store(self) -> None:
        """Allow a store as long as the service does not have the thread."""
        if self.is_settled or self._mirror is not None:
            raise ThreadOwnershipError(
                f"thread {self._thread_id!r} is kept by a service; it cannot have a message store as well"
            )

    def check_takes_service(self) -> None:
        """Allow it: the service keeps the thread already."""

    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Do nothing: the service has the messages already."""

    async def list_messages(self, *, last: int | None) -> list[ChatMessage]:
        """Refuse: the messages are at the service."""
        raise self._not_here()

    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Read the local copy, where there is one, and from it where the thread goes on at the service."""
        if query.service is None:
            raise self._not_here()
        if self._mirror is None:
            if query.turn_id is not None:
                raise ConfigurationError("turn_id needs to know a thread's turns: make the agent with mirror=storage")
            return LoadedThread(is_new=not self.is_settled)
        self._service_thread_id, committed = await self._mirror.load(
            query.service, self._service_thread_id, turn_id=query.turn_id
        )
        return LoadedThread(revision=self._mirror.store.revision, committed=committed, is_new=not self.is_settled)

    async def commit(
        self, turn: Turn, *, turn_id: str | None, expected: int | None, service_thread_id: str | None
    ) -> Appended | None:
        """Write the turn, which the service has already, to the local copy, and note the service's id of the thread."""
        if service_thread_id is None:
            raise ChatClientError(f"the service did not name its thread for {self._thread_id!r}, so it cannot go on")
        appended = None
        if self._mirror is not None:
            appended = await self._mirror.append(turn, turn_id=turn_id, expected=expected, reference=service_thread_id)
        self._service_thread_id = service_thread_id
        return appended

    async def store_state(self, **kwargs: Any) -> Json:
        """Return None: no store keeps the thread."""
        return None

    def known_turns(self) -> ChatMessageStore:
        """Refuse: the turns are at the service."""
        raise self._not_here()

    def _own_lock(self) -> asyncio.Lock:
        if self._service_thread_id is None:
            return super()._own_lock()
        key = (id(asyncio.get_running_loop()), self._service_thread_id)
        return _locks_by_reference.setdefault(key, asyncio.Lock())

    def _not_here(self) -> ThreadOwnershipError:
        return ThreadOwnershipError(f"thread {self._thread_id!r} is kept by a service: its messages are not here")
