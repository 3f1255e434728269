"""The threads of an agent: new threads, threads that are opened by id, and threads that are restored from a state.

A thread has one owner. An agent whose client's service keeps threads creates threads that hold the service's id, and a
copy if the agent has a mirror. Any other agent creates threads with a store, on its storage or from its store factory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import UUID

from recuerda.errors import ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.ids import check_id
from recuerda.storage.contract import Storage
from recuerda.storage.ram import MemoryStorage
from recuerda.storage.registry import open_storage
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread
from recuerda.threads.warm_histories import WarmHistories

StoreFactory = Callable[[], ChatMessageStoreProtocol]


class AgentThreads:
    """Create and open the threads of one agent.

    Args:
        storage: the storage of the threads, or its URL. Without a storage and a factory, threads live in RAM.
        factory: creates the store of a new thread.
        mirror: the storage for copies of a service's threads, or its URL.
        by_service: True when the service of the agent's client keeps threads.
        warm_bytes: the number of bytes of threads that are kept in memory between runs.

    Raises:
        ConfigurationError: both `storage` and `factory` are given, or an argument does not fit the client.
    """

    def __init__(
        self,
        storage: Storage | str | None,
        factory: StoreFactory | None,
        *,
        mirror: Storage | str | None,
        by_service: bool,
        warm_bytes: int,
    ) -> None:
        if factory is not None and storage is not None:
            raise ConfigurationError("give chat_message_store_factory or storage: both say where threads live")
        if by_service and (factory is not None or storage is not None):
            raise ConfigurationError(
                "this client's service keeps the threads: to keep a copy, give mirror= instead of storage= or "
                "chat_message_store_factory=, or create a client whose service keeps nothing (store=False)"
            )
        if mirror is not None and not by_service:
            raise ConfigurationError(
                "a mirror is the copy of a thread that a service keeps, and this client's service keeps nothing: "
                "storage= says where its threads live"
            )
        place = storage if mirror is None else mirror
        self.by_service = by_service
        self.warm: WarmHistories | None = WarmHistories(warm_bytes) if warm_bytes else None
        self.owns_storage: bool = isinstance(place, str)
        self.storage: Storage = open_storage(place) if isinstance(place, str) else _checked(place) or MemoryStorage()
        self._factory = factory
        self._has_mirror = mirror is not None

    def new(self, *, user_id: str | None, service_thread_id: str | None) -> AgentThread:
        """Return a new thread, or a handle on a thread that a service keeps already."""
        if service_thread_id is not None or self.by_service:
            return self._of_service(AgentThread(service_thread_id=service_thread_id), user_id)
        return AgentThread(message_store=self._made_store(user_id))

    def open(self, thread_id: UUID | str, *, user_id: str | None) -> AgentThread:
        """Return the thread with an id."""
        if isinstance(thread_id, UUID):
            return self.open(str(thread_id), user_id=user_id)
        if self.by_service and not self._has_mirror:
            raise ConfigurationError(
                f"thread {thread_id!r} cannot be opened by name: this client's service keeps the threads, and knows "
                "them by its own ids. Use get_new_thread(service_thread_id=…), restore a saved state, or give the "
                "agent a mirror, whose threads have names"
            )
        if self.by_service:
            return self._of_service(AgentThread(thread_id), user_id)
        if self._factory is None:
            store = ChatMessageStore(storage=self.storage, thread_id=thread_id, user_id=user_id)
            store.warm = self.warm
        else:
            store = self._store_for(thread_id, _openable(self._factory()), user_id=user_id)
        return AgentThread(message_store=store)

    async def restore(self, state: Any, *, user_id: str | None) -> AgentThread:
        """Return the thread that a saved state describes."""
        if self.by_service:
            thread = await AgentThread.deserialize(state)
            return thread if thread.message_store is not None else self._of_service(thread, user_id)
        return await AgentThread.deserialize(state, message_store=self._made_store(user_id))

    def of_run(self, thread: AgentThread | UUID | str | None) -> AgentThread:
        """Return the thread of a run, with its owner; a temporary thread for None.

        Raises:
            ThreadOwnershipError: a service keeps the thread, and the service of this agent's client keeps none.
            InvalidInput: the thread is of another type.
        """
        if isinstance(thread, str | UUID):
            return self.open(thread, user_id=None)
        if thread is None:
            return AgentThread(message_store=ChatMessageStore())
        if not isinstance(thread, AgentThread):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise InvalidInput(f"thread must be an AgentThread or a thread's id as text, not {type(thread).__name__}")
        if self.by_service:
            is_kept = thread.message_store is not None or thread.mirror is not None
            return thread if is_kept else self._of_service(thread, None)
        if thread.service_thread_id is not None or thread.mirror is not None:
            raise ThreadOwnershipError(
                f"thread {thread.id!r} is kept by a service, and this agent's client keeps none: use an agent of that "
                "service's client, or thread.detach() if there is a mirror"
            )
        if not thread.is_initialized:
            store = self._made_store()
            made = AgentThread(message_store=store).turn_store
            thread.message_store = store if made is None else self._store_for(thread.id, made)
        return thread

    def forget(self) -> None:
        """Drop the threads that are kept in memory between runs."""
        if self.warm is not None:
            self.warm.clear()

    def _of_service(self, thread: AgentThread, user_id: str | None) -> AgentThread:
        if not self.by_service:
            raise ThreadOwnershipError(
                "this agent keeps its threads itself: a service_thread_id needs a client that keeps threads at its "
                "service, such as OpenAIResponsesClient"
            )
        if user_id is not None and not self._has_mirror:
            raise ConfigurationError("user_id is for threads that are kept here; a service knows its users by its keys")
        mirror = ChatMessageStore(storage=self.storage, thread_id=thread.id, user_id=user_id)
        thread.leave_to_service(mirror if self._has_mirror else None)
        return thread

    def _made_store(self, user_id: str | None = None) -> ChatMessageStoreProtocol:
        store = ChatMessageStore(storage=self.storage) if self._factory is None else self._factory()
        if user_id is not None:
            _openable(store).user_id = check_id(user_id, "user id")
        return store

    def _store_for(self, thread_id: str, made: ChatMessageStore, *, user_id: str | None = None) -> ChatMessageStore:
        """Return a store like the store that was just created, for the thread with an id."""
        # A store with RAM of its own would forget the thread, so threads that are opened by id live in the agent's RAM.
        is_private = made.owns_storage and isinstance(made.storage, MemoryStorage)
        return made.for_thread(thread_id, user_id=user_id, storage=self.storage if is_private else None)


def _checked(storage: Storage | None) -> Storage | None:
    if storage is not None and not isinstance(storage, Storage):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
        raise ConfigurationError(
            f"storage must be a Storage or a URL such as 'sqlite:///memory.db', not {type(storage).__name__}"
        )
    return storage


def _openable(store: ChatMessageStoreProtocol) -> ChatMessageStore:
    made = AgentThread(message_store=store).turn_store
    if made is None:
        raise ConfigurationError(
            f"the store factory makes {type(store).__name__}, which cannot be opened by id or for a user; "
            "restore its threads with deserialize_thread, or use storage="
        )
    return made
