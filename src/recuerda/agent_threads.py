"""How an agent gets at its threads: new ones, those of an id, and those of a saved state.

A thread has one owner. An agent whose client keeps threads at its service makes threads that hold only the service's
reference; any other agent makes threads with a store, on its storage or from its store factory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from recuerda.errors import ConfigurationError, ThreadOwnershipError
from recuerda.ids import check_id
from recuerda.memory_storage import MemoryStorage
from recuerda.registry import open_storage
from recuerda.storage import Storage
from recuerda.store import ChatMessageStore, ChatMessageStoreProtocol
from recuerda.thread import AgentThread

StoreFactory = Callable[[], ChatMessageStoreProtocol]


class AgentThreads:
    """Make and open the threads of one agent.

    Args:
        storage: where threads live, or its URL; in RAM when neither it nor a factory is given.
        factory: makes the store of a new thread.
        by_service: True when the agent's client keeps threads at its service.

    Raises:
        ConfigurationError: two places are given.
    """

    def __init__(self, storage: Storage | str | None, factory: StoreFactory | None, *, by_service: bool) -> None:
        if factory is not None and storage is not None:
            raise ConfigurationError("give chat_message_store_factory or storage: both say where threads live")
        if by_service and (factory is not None or storage is not None):
            raise ConfigurationError(
                "this client's service keeps the threads: leave storage and chat_message_store_factory out, or make a "
                "client that does not let its service keep them (store=False)"
            )
        self.by_service = by_service
        self.owns_storage = isinstance(storage, str)
        self.storage = open_storage(storage) if isinstance(storage, str) else storage or MemoryStorage()
        self._factory = factory

    def new(self, *, user_id: str | None, service_thread_id: str | None) -> AgentThread:
        """Return a new thread, or the handle of one that a service keeps."""
        if service_thread_id is not None or self.by_service:
            self._check_service(user_id)
            return AgentThread(service_thread_id=service_thread_id)
        store = self._make_store()
        if user_id is not None:
            _openable(store).user_id = check_id(user_id, "user id")
        return AgentThread(message_store=store)

    def open(self, thread_id: str, *, user_id: str | None) -> AgentThread:
        """Return the thread of an id."""
        if self.by_service:
            raise ConfigurationError(
                f"thread {thread_id!r} cannot be opened by a name: this client's service keeps the threads, and knows "
                "them by its own ids. Use get_new_thread(service_thread_id=…), or restore a saved state"
            )
        return AgentThread(message_store=self._open_store(self._make_store(), thread_id, user_id=user_id))

    async def restore(self, state: Any, *, user_id: str | None) -> AgentThread:
        """Return the thread of a saved state."""
        if self.by_service:
            self._check_service(user_id)
            thread = await AgentThread.deserialize(state)
            self.check_owner(thread)
            return thread
        store = self._make_store()
        if user_id is not None:
            _openable(store).user_id = check_id(user_id, "user id")
        return await AgentThread.deserialize(state, message_store=store)

    def of_run(self, thread: AgentThread | str | None) -> AgentThread:
        """Return the thread that a run was given, with an owner; a temporary one for None.

        Raises:
            ThreadOwnershipError: another owner keeps it.
        """
        if isinstance(thread, str):
            return self.open(thread, user_id=None)
        if thread is None:
            return AgentThread(message_store=ChatMessageStore())
        self.check_owner(thread)
        if not thread.is_initialized and not self.by_service:
            store = self._make_store()
            thread.message_store = self._open_store(store, thread.id) if isinstance(store, ChatMessageStore) else store
        return thread

    def check_owner(self, thread: AgentThread) -> None:
        """Refuse a thread that is kept where this agent does not keep its threads."""
        if self.by_service and thread.message_store is not None:
            raise ThreadOwnershipError(
                f"thread {thread.id!r} has a message store, and this agent's service keeps its threads itself: use an "
                "agent whose client does not (store=False), or start a new thread"
            )
        if not self.by_service and thread.service_thread_id is not None:
            raise ThreadOwnershipError(
                f"thread {thread.id!r} is kept by a service, and this agent's client keeps none: use an agent of that "
                "service's client"
            )

    def _check_service(self, user_id: str | None) -> None:
        if not self.by_service:
            raise ThreadOwnershipError(
                "this agent keeps its threads itself: a service_thread_id needs a client that keeps threads at its "
                "service, such as OpenAIResponsesClient"
            )
        if user_id is not None:
            raise ConfigurationError("user_id is for threads that are kept here; a service knows its users by its keys")

    def _make_store(self) -> ChatMessageStoreProtocol:
        return ChatMessageStore(storage=self.storage) if self._factory is None else self._factory()

    def _open_store(
        self, made: ChatMessageStoreProtocol, thread_id: str, *, user_id: str | None = None
    ) -> ChatMessageStore:
        store = _openable(made)
        # A store that has a RAM of its own would forget: threads that are opened by id live in the agent's.
        is_private = store.owns_storage and isinstance(store.storage, MemoryStorage)
        return store.for_thread(thread_id, user_id=user_id, storage=self.storage if is_private else None)


def _openable(store: ChatMessageStoreProtocol) -> ChatMessageStore:
    if not isinstance(store, ChatMessageStore):
        raise ConfigurationError(
            f"the store factory makes {type(store).__name__}, which cannot be opened by id or for a user; "
            "restore its threads with deserialize_thread, or use storage="
        )
    return store
