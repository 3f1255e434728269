"""A conversation's identity, and where its messages are.

An `AgentThread` either has a message store (here, or the application's own class) or names a thread that a service
keeps: never both, because then two histories would disagree in silence. Runs read and commit through it; what a commit
promises is the store's to keep.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from datetime import timedelta
from typing import Any, Self
from weakref import WeakValueDictionary

from recuerda.errors import ConfigurationError, InvalidInput, StateError, ThreadOwnershipError
from recuerda.ids import check_id, new_id
from recuerda.json_value import JsonObject, to_json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.records import Appended
from recuerda.threads.history import LoadedThread, StoredTurn
from recuerda.threads.mirror import Mirror, ThreadService, check_mirror
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.state import STATE_VERSION, THREAD_KIND, ThreadState, read_thread_state
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow, group_turns

CUSTOM_KIND = "custom"
"""In a state: the store is a class of the application's own."""


_service_locks: WeakValueDictionary[tuple[int, str], asyncio.Lock] = WeakValueDictionary()


class AgentThread:
    """A conversation: its id, and its messages' store or its service's reference.

    Args:
        id: the thread's id; the store's own, or a new random one, by default.
        message_store: where the messages live: a `ChatMessageStore`, or any class of `ChatMessageStoreProtocol`.
        service_thread_id: the id of a thread that the model's service keeps.

    Raises:
        ThreadOwnershipError: both a store and a service thread are given.
    """

    def __init__(
        self,
        id: str | None = None,
        *,
        message_store: ChatMessageStoreProtocol | None = None,
        service_thread_id: str | None = None,
    ) -> None:
        if message_store is not None and service_thread_id is not None:
            raise ThreadOwnershipError(
                "a thread is kept either by a message store or by a service: give message_store or service_thread_id"
            )
        own = message_store.thread_id if isinstance(message_store, ChatMessageStore) else None
        if id is not None and own is not None and id != own:
            raise ConfigurationError(
                f"the store holds thread {own!r}, not {id!r}: leave id out, or make the store with it"
            )
        self._id: str = check_id(id, "thread id") if id is not None else own or new_id()
        self._store = message_store
        self._service_thread_id = service_thread_id
        self._mirror: Mirror | None = None
        self._locks: WeakValueDictionary[int, asyncio.Lock] = WeakValueDictionary()
        self.provider_states: dict[str, JsonObject] = {}
        """What context providers remember of this thread, by their names; saved with its state."""

    def __repr__(self) -> str:
        owner = (
            f"service_thread_id={self._service_thread_id!r}"
            if self._service_thread_id
            else f"message_store={self._store!r}"
        )
        return f"AgentThread(id={self.id!r}, {owner})"

    @property
    def id(self) -> str:
        """The thread's id."""
        return self._store.thread_id if isinstance(self._store, ChatMessageStore) else self._id

    @property
    def message_store(self) -> ChatMessageStoreProtocol | None:
        """Where the messages live; None for a service's thread and before the first run of a bare one."""
        return self._store

    @message_store.setter
    def message_store(self, store: ChatMessageStoreProtocol) -> None:
        if self._service_thread_id is not None:
            raise ThreadOwnershipError(
                f"thread {self.id!r} is kept by a service; it cannot have a message store as well"
            )
        if self._store is not None and self._store is not store:
            raise ThreadOwnershipError(f"thread {self.id!r} has a message store already")
        self._store = store

    @property
    def turn_store(self) -> ChatMessageStore | None:
        """The message store where it is a `ChatMessageStore`, which knows turns; None for every other thread.

        For code with checked types: `message_store` may be a class of the application's own, with five methods alone.
        """
        return self._store if isinstance(self._store, ChatMessageStore) else None

    @property
    def user_id(self) -> str | None:
        """Whose thread it is, where it was opened for a user; None where it was not."""
        store = self.turn_store or self.mirror
        return None if store is None else store.user_id

    @property
    def service_thread_id(self) -> str | None:
        """The service's id of the thread, where a service keeps it."""
        return self._service_thread_id

    @service_thread_id.setter
    def service_thread_id(self, value: str) -> None:
        if self._store is not None:
            raise ThreadOwnershipError(f"thread {self.id!r} has a message store; a service cannot keep it as well")
        self._service_thread_id = value

    @property
    def is_initialized(self) -> bool:
        """True when it is settled who keeps the messages."""
        return self._store is not None or self._service_thread_id is not None

    # -- messages ------------------------------------------------------------------------------------------------------

    async def on_new_messages(self, new_messages: ChatMessage | Sequence[ChatMessage]) -> None:
        """Append messages as one turn. A service's thread keeps its own, so there it does nothing."""
        messages = [new_messages] if isinstance(new_messages, ChatMessage) else list(new_messages)
        if self._service_thread_id is None and messages:
            await self._kept().add_messages(messages)

    async def list_messages(self, *, last: int | None = None) -> list[ChatMessage]:
        """Return the messages, the oldest first; `last` as in `ChatMessageStore.list_messages`."""
        store = self._kept()
        if isinstance(store, ChatMessageStore):
            return await store.list_messages(last=last)
        messages = await store.list_messages()
        return messages if last is None else ContextWindow(max_messages=last).latest(group_turns(messages))

    async def list_turns(self, *, last: int | None = None, skip_corrupt: bool = False) -> list[StoredTurn]:
        """Return the turns, the oldest first; see `ChatMessageStore.list_turns`.

        Raises:
            InvalidInput: the thread's store is a class of the application's own, which keeps messages and no turns.
            ThreadOwnershipError: a service keeps the thread.
        """
        return await self._turns().list_turns(last=last, skip_corrupt=skip_corrupt)

    async def undo(self) -> StoredTurn | None:
        """Take the last turn out; see `ChatMessageStore.undo`. The errors are those of `list_turns`."""
        return await self._turns().undo()

    async def fork(self, *, through: int | None = None, thread_id: str | None = None) -> Self:
        """Return a new thread that starts as a copy of this one; see `ChatMessageStore.fork`.

        The errors of `list_turns` are possible as well.
        """
        return type(self)(message_store=await self._turns().fork(through=through, thread_id=thread_id))

    async def load(
        self,
        window: ContextWindow | None = None,
        *,
        turn_id: str | None = None,
        service: ThreadService | None = None,
        reach: ContextWindow | None = None,
    ) -> LoadedThread:
        """Read what a run needs, in one trip to the storage.

        Args:
            window: the part to read; None for everything.
            turn_id: also look whether a turn of this id is there.
            service: keeps the thread: then only the mirror is read, where there is one.
            reach: read the newest summary, and of the turns behind it at most so much, of which `window` is cut; None
                reads the turns alone.

        Raises:
            ConfigurationError: a turn id is given and the store is one that knows no turns.
        """
        if service is not None and self._mirror is not None:
            self._service_thread_id, committed = await self._mirror.load(
                service, self._service_thread_id, turn_id=turn_id
            )
            is_new = self._service_thread_id is None
            return LoadedThread(revision=self._mirror.store.revision, committed=committed, is_new=is_new)
        if service is not None:
            if turn_id is not None:
                raise ConfigurationError("turn_id needs to know a thread's turns: make the agent with mirror=storage")
            return LoadedThread(revision=None, is_new=self._service_thread_id is None)
        store = self._kept()
        if isinstance(store, ChatMessageStore):
            if reach is None:
                committed = await store.refresh(window, turn_id=turn_id)
            else:
                committed = await store.refresh(reach, turn_id=turn_id, with_summary=True)
            return LoadedThread(
                revision=store.revision,
                history=store.history,
                has_draft=store.history.has_draft,
                committed=committed,
                is_new=store.revision == 0,
                summary=store.summary if reach is not None else None,
            )
        if turn_id is not None:
            raise ConfigurationError(
                f"turn_id needs a store that knows turns, and {type(store).__name__} is not one; use a ChatMessageStore"
            )
        messages = list(await store.list_messages())
        return LoadedThread(revision=None, messages=messages, is_new=not messages)

    async def commit(
        self, turn: Turn, *, turn_id: str | None, expected: int | None, service_thread_id: str | None = None
    ) -> Appended | None:
        """Append a run's turn in one write; None when the store knows no turns.

        A service has the turn already: then it is written to the mirror, where there is one, and the service's id of
        the thread, which may be another one after each turn, is learnt.
        """
        if service_thread_id is not None:
            appended = None
            if self._mirror is not None:
                appended = await self._mirror.append(
                    turn, turn_id=turn_id, expected=expected, reference=service_thread_id
                )
            self.service_thread_id = service_thread_id
            return appended
        store = self._kept()
        if isinstance(store, ChatMessageStore):
            return await store.append(turn, turn_id=turn_id, expected=expected)
        await store.add_messages(list(turn.messages))
        return None

    # -- a service's thread --------------------------------------------------------------------------------------------

    @property
    def mirror(self) -> ChatMessageStore | None:
        """The local copy of a service's thread, where its agent keeps one."""
        return None if self._mirror is None else self._mirror.store

    def keep_mirror(self, store: ChatMessageStore) -> None:
        """Write each turn of this thread, which a service keeps, to a store as well; agents with a mirror do this.

        Raises:
            ThreadOwnershipError: the thread has a message store, which keeps it.
        """
        if self._store is not None:
            raise ThreadOwnershipError(f"thread {self.id!r} has a message store, which keeps it: it needs no mirror")
        self._mirror = Mirror(store)

    async def detach(self) -> None:
        """Go on locally with what the mirror holds; the service's thread stays as it is and is no longer used.

        Needs nothing of the service, which may be down, or have forgotten the thread.

        Raises:
            InvalidInput: the thread has no mirror.
        """
        mirror = check_mirror(self._mirror, self.id)
        await mirror.set_reference(None)
        self._service_thread_id, self._mirror, self._store = None, None, mirror.store

    async def attach(self, service: ThreadService) -> str:
        """Hand a local thread over to a client's service, which keeps it from now on; return the service's id of it.

        What was local becomes the mirror. Runs then need an agent of that client.

        Raises:
            ThreadOwnershipError: a service keeps the thread already.
            ThreadConflict: somebody added to the thread meanwhile; the service's copy was deleted again.
            ChatClientError: the service failed; nothing has changed.
        """
        mirror = Mirror(self._turns())
        self._service_thread_id = await mirror.hand_over(service)
        self._id, self._store, self._mirror = self.id, None, mirror
        return self._service_thread_id

    async def verify_mirror(self, service: ThreadService) -> int:
        """Compare the mirror with the whole of the service's thread; return how many messages it is behind.

        Raises:
            InvalidInput: the thread has no mirror.
            ThreadDiverged: the mirror holds what the service does not, or something else.
        """
        return len(await check_mirror(self._mirror, self.id).verify(service, self._service_thread_id))

    async def update_mirror(self, service: ThreadService) -> int:
        """Write to the mirror what only the service has, and return how many messages that were; as `verify_mirror`."""
        return await check_mirror(self._mirror, self.id).update(service, self._service_thread_id)

    def run_lock(self) -> asyncio.Lock:
        """Return the lock on which runs of this thread queue in this process and event loop."""
        kept = self._store or self.mirror
        if isinstance(kept, ChatMessageStore):
            return kept.storage.run_lock(self.id)
        if self._service_thread_id is not None:
            key = (id(asyncio.get_running_loop()), self._service_thread_id)
            return _service_locks.setdefault(key, asyncio.Lock())
        return self._locks.setdefault(id(asyncio.get_running_loop()), asyncio.Lock())

    def lease(self, ttl: timedelta | None) -> AbstractAsyncContextManager[object]:
        """Return a lease of the thread, for runs that queue across processes; None and other stores need none."""
        kept = self._store or self.mirror
        if ttl is None or not isinstance(kept, ChatMessageStore):
            return nullcontext()
        return kept.storage.lease(self.id, ttl)

    def is_same_as(self, other: AgentThread) -> bool:
        """Say whether both are handles on one thread."""
        mine, theirs = self._store or self.mirror, other.message_store or other.mirror
        if isinstance(mine, ChatMessageStore) and isinstance(theirs, ChatMessageStore):
            return mine.storage is theirs.storage and mine.thread_id == theirs.thread_id
        is_same_service = self._service_thread_id is not None and self._service_thread_id == other.service_thread_id
        return self is other or is_same_service or (mine is not None and mine is theirs)

    # -- state ---------------------------------------------------------------------------------------------------------

    async def serialize(self, **kwargs: Any) -> JsonObject:
        """Return the thread's state as JSON data, for `Agent.deserialize_thread` in this or another process.

        A store in RAM puts its messages in. A store on a storage puts in where they are; never messages, never a
        secret.
        """
        store: Any = None
        if isinstance(self._store, ChatMessageStore):
            store = await self._store.serialize(**kwargs)
        elif self._store is not None:
            store = {"kind": CUSTOM_KIND, "state": to_json(await self._store.serialize(**kwargs), "the store's state")}
        return {
            "version": STATE_VERSION,
            "kind": THREAD_KIND,
            "id": self.id,
            "service_thread_id": self._service_thread_id,
            "store": store,
            **({"providers": to_json(self.provider_states, "provider_states")} if self.provider_states else {}),
        }

    @classmethod
    async def deserialize(
        cls,
        serialized_thread: Any,
        *,
        message_store: ChatMessageStoreProtocol | None = None,
        storage: Storage | str | None = None,
    ) -> Self:
        """Make a thread from what `serialize` gave, or from the state of an Agent Framework beta.

        Args:
            serialized_thread: the state.
            message_store: a new store, of the class that the thread had; it is given its own state.
            storage: the storage, or its URL, that the state's locator belongs to. Neither is needed for messages in
                RAM.

        Raises:
            StateError: the state is of an unknown kind, version or type; nothing is half-restored.
        """
        state = read_thread_state(serialized_thread)
        if message_store is None and state.store is not None:
            message_store = ChatMessageStore(storage=storage)
        return await cls._restored(state, message_store)

    async def update_from_thread_state(self, serialized_thread: Any) -> None:
        """Become the thread that a state describes; a thread that has a store hands it its part of the state.

        Raises:
            StateError: as in `deserialize`; this thread stays as it was.
        """
        state = read_thread_state(serialized_thread)
        store = self._store
        if store is None and state.store is not None:
            store = ChatMessageStore()
        restored = await self._restored(state, store)
        self._id, self._store, self._service_thread_id = restored.id, restored.message_store, restored.service_thread_id
        self.provider_states = restored.provider_states

    @classmethod
    async def _restored(cls, state: ThreadState, store: ChatMessageStoreProtocol | None) -> Self:
        thread = await cls._of_state(state, store)
        thread.provider_states = state.providers
        return thread

    @classmethod
    async def _of_state(cls, state: ThreadState, store: ChatMessageStoreProtocol | None) -> Self:
        if state.service_thread_id is not None:
            return cls(state.id, service_thread_id=state.service_thread_id)
        if state.store is None:
            return cls(state.id)
        is_custom = state.store.get("kind") == CUSTOM_KIND
        if store is None or is_custom == isinstance(store, ChatMessageStore):
            raise StateError(
                f"the state is of a store of kind {state.store.get('kind')!r}, which {type(store).__name__} cannot "
                "take: restore it with the storage or the store factory that it was saved with"
            )
        if isinstance(store, ChatMessageStore):
            await store.update_from_state(state.store)
            return cls(message_store=store)
        await store.update_from_state(state.store.get("state"))
        return cls(state.id, message_store=store)

    def _kept(self) -> ChatMessageStoreProtocol:
        if self._service_thread_id is not None:
            raise ThreadOwnershipError(f"thread {self.id!r} is kept by a service: its messages are not here")
        if self._store is None:
            self._store = ChatMessageStore(thread_id=self._id)
        return self._store

    def _turns(self) -> ChatMessageStore:
        store = self._kept()
        if not isinstance(store, ChatMessageStore):
            raise InvalidInput(f"{type(store).__name__} knows no turns; use a ChatMessageStore for undo and fork")
        return store
