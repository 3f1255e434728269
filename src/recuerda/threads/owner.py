"""The owner of a thread, which keeps its messages.

A thread has exactly one owner. It is kept here (`kept_here.py`), by a class of the application's own
(`kept_by_application.py`) or by the service of a model (`kept_by_service.py`). Each owner reads and commits in its own
way, and knows the lock for which the thread's runs queue. An `AgentThread` has an owner and delegates to it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import Any

from recuerda.errors import InvalidInput, StateError, ThreadOwnershipError
from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.operations import Appended
from recuerda.storage.run_lock import RunLock
from recuerda.storage.thread_info import Expected
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.mirror import Mirror
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.store import ChatMessageStore

CUSTOM_KIND = "custom"
"""The kind in the state of a store of the application's own class."""


class Owner(ABC):
    """The object that keeps the messages of a thread."""

    def __init__(self) -> None:
        self._lock = RunLock()

    @property
    @abstractmethod
    def thread_id(self) -> str:
        """The thread's id."""

    @property
    def is_settled(self) -> bool:
        """True when the owner of the messages is decided."""
        return True

    @property
    def message_store(self) -> ChatMessageStoreProtocol | None:
        """The store of the messages; None if there is no store."""
        return None

    @property
    def turn_store(self) -> ChatMessageStore | None:
        """The store of the turns; None if there is no such store."""
        return None

    @property
    def service_thread_id(self) -> str | None:
        """The service's id of the thread; None if no service keeps it, or if it has no such id yet."""
        return None

    @property
    def is_kept_by_service(self) -> bool:
        """True when the messages are at a service."""
        return False

    @property
    def mirror(self) -> Mirror | None:
        """The local copy of a thread that a service keeps; None when there is none."""
        return None

    @property
    def local_store(self) -> ChatMessageStore | None:
        """The store of the turns, or of their local copy; None if no turn is on a storage."""
        return self.turn_store

    @property
    def identity(self) -> Hashable:
        """Equal for two handles on one thread."""
        store = self.local_store
        return self if store is None else (id(store.storage), store.thread_id)

    # -- another owner -------------------------------------------------------------------------------------------------

    def settled(self) -> Owner:
        """Return the owner that keeps the thread from its first message on."""
        return self

    def check_takes_store(self) -> None:
        """Check that the thread can still get a message store.

        Raises:
            ThreadOwnershipError: the thread already has an owner.
        """
        raise ThreadOwnershipError(f"thread {self.thread_id!r} already has a message store")

    def check_takes_service(self) -> None:
        """Check that a service can keep the thread, or already keeps it.

        Raises:
            ThreadOwnershipError: the thread has a message store.
        """
        raise ThreadOwnershipError(
            f"thread {self.thread_id!r} has a message store, which keeps it: a service cannot keep it as well, and it "
            "needs no mirror"
        )

    async def take_state(self, store_state: Mapping[str, Any]) -> None:
        """Let the thread's store become the store that a saved state describes.

        Raises:
            StateError: the state belongs to a store of another kind; nothing has changed.
        """
        raise StateError(
            f"the state belongs to a store of kind {store_state.get('kind')!r}, and "
            f"{type(self.message_store).__name__} cannot take it over: restore it with the storage or the store "
            "factory that it was saved with"
        )

    # -- messages ------------------------------------------------------------------------------------------------------

    @abstractmethod
    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Append messages as one turn."""

    @abstractmethod
    async def list_messages(self, *, limit: int | None, before: int | None) -> list[ChatMessage]:
        """Return the messages, the oldest first; see `ChatMessageStore.list_messages`."""

    @abstractmethod
    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Return the data that a run needs, read in one trip to the storage.

        Raises:
            ConfigurationError: a turn id is given, but this owner knows no turns.
        """

    @abstractmethod
    async def commit(
        self,
        turn: Turn,
        *,
        turn_id: str | None,
        expected: Expected | None,
        service_thread_id: str | None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> Appended | None:
        """Append a run's turn in one write, and return the stored turn; None if this owner knows no turns.

        `replaces` is the number of a turn that goes in the same step, and `last_step` the last step of the draft that
        the turn commits. Only an owner that has a `turn_store` gets them.
        """

    @abstractmethod
    async def store_state(self, **kwargs: Any) -> Json:
        """Return the store's part of the thread's state."""

    @abstractmethod
    def known_turns(self) -> ChatMessageStore:
        """Return the store of the turns.

        Raises:
            InvalidInput: the store knows no turns.
            ThreadOwnershipError: a service keeps the thread.
        """

    def known_mirror(self) -> Mirror:
        """Return the local copy of the service's thread.

        Raises:
            InvalidInput: the thread has no local copy.
        """
        if self.mirror is None:
            raise InvalidInput(
                f"thread {self.thread_id!r} has no mirror: make its agent with create_agent(mirror=storage)"
            )
        return self.mirror

    # -- runs that queue -----------------------------------------------------------------------------------------------

    def run_lock(self) -> RunLock:
        """Return the lock for which runs of the thread queue in this process."""
        store = self.local_store
        return self._own_lock() if store is None else store.storage.run_lock(store.thread_id)

    def lease(self, ttl: timedelta | None) -> AbstractAsyncContextManager[object]:
        """Return a lease of the thread, for runs that queue across processes.

        The lease does nothing if `ttl` is None, or if no part of the thread is on a storage.
        """
        store = self.local_store
        return nullcontext() if ttl is None or store is None else store.view.lease(store.thread_id, ttl)

    def _own_lock(self) -> RunLock:
        return self._lock
