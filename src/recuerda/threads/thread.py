"""A conversation's identity: the handle through which runs read and commit.

An `AgentThread` has an owner, which keeps its messages: a message store or a service, and never both, because two
histories could silently disagree. The thread delegates to its owner, and can change it; see `owner.py`.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Self

from recuerda.errors import ConfigurationError, ThreadOwnershipError
from recuerda.ids import check_id, new_id
from recuerda.json_value import Json, JsonObject, to_json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.contract import Storage
from recuerda.storage.operations import Appended
from recuerda.storage.run_lock import RunLock
from recuerda.storage.thread_info import Expected, ThreadInfo
from recuerda.threads.forking import TurnReference
from recuerda.threads.history import StoredTurn
from recuerda.threads.kept_by_application import KeptByApplication
from recuerda.threads.kept_by_service import KeptByService
from recuerda.threads.kept_here import KeptHere, Unsettled
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.mirror import Mirror, ThreadService
from recuerda.threads.owner import Owner
from recuerda.threads.protocol import ChatMessageStoreProtocol
from recuerda.threads.state import STATE_VERSION, THREAD_KIND, ThreadState, read_thread_state
from recuerda.threads.store import ChatMessageStore
from recuerda.window.tokens import ContextRoom


class AgentThread:
    """A conversation: its id, and the store or the service that keeps its messages.

    Args:
        id: the thread's id; by default the store's thread id, or a new random id.
        message_store: the store of the messages: a `ChatMessageStore`, or any object with the methods of
            `ChatMessageStoreProtocol`.
        service_thread_id: the id of a thread that the model's service keeps.

    Raises:
        ThreadOwnershipError: both a store and a service thread are given.
        ConfigurationError: `id` is not the thread id of the store.
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
        own_id = new_id() if id is None else check_id(id, "thread id")
        self._owner: Owner = Unsettled(own_id) if message_store is None else _owner_of(message_store, own_id)
        if service_thread_id is not None:
            self.service_thread_id = service_thread_id
        if id not in (None, self.id):
            raise ConfigurationError(
                f"the store holds thread {self.id!r}, not {id!r}: leave id out, or make the store with it"
            )
        self.provider_states: dict[str, JsonObject] = {}
        """The data that context providers remember about this thread, by their names; saved with its state."""
        self.sent_from: int | None = None
        """The number of the first turn that the newest run of this handle sends to the model anyway, so that a provider
        need not recall it; the number of the next turn if it sends none. It is set before the providers are asked, and
        before they are asked again because the run's turn has grown. None before that, and if the owner of the messages
        knows no turns."""
        self.sent_pinned: Sequence[ChatMessage] = ()
        """The pinned messages that the newest run of this handle sends in any case, also those of turns before
        `sent_from`. They are set before the providers are asked."""
        self.context_room: ContextRoom | None = None
        """The room that the newest run of this handle keeps for the context of each provider, beside the turns from
        `sent_from` on. It is set before the providers are asked. None if the window has no limit of tokens."""
        self.replaced: int | None = None
        """The number of the turn that the newest run of this handle replaces. No provider repeats that turn. It is None
        if the run replaces no turn."""
        self.previous: StoredTurn | None = None
        """The turn before the newest run of this handle, by which a provider understands a message such as "And why?".
        It is set before the providers are asked. None if there is no such turn, or the run has not read it."""

    def __repr__(self) -> str:
        return f"AgentThread(id={self.id!r}, {self._owner!r})"

    @property
    def id(self) -> str:
        """The thread's id."""
        return self._owner.thread_id

    @property
    def user_id(self) -> str | None:
        """The user for whom the thread was opened; None if it was opened without a user."""
        store = self._owner.local_store
        return None if store is None else store.user_id

    @property
    def is_initialized(self) -> bool:
        """True when the owner of the messages is decided."""
        return self._owner.is_settled

    @property
    def message_store(self) -> ChatMessageStoreProtocol | None:
        """The store of the messages; None for a service's thread, and for a new thread before its first run."""
        return self._owner.message_store

    @message_store.setter
    def message_store(self, store: ChatMessageStoreProtocol) -> None:
        if store is not self._owner.message_store:
            self._owner.check_takes_store()
            self._owner = _owner_of(store, self.id)

    @property
    def turn_store(self) -> ChatMessageStore | None:
        """The message store if it is a `ChatMessageStore`, which knows turns; otherwise None.

        Use it in type-checked code, because `message_store` may also be of an application's own class, with only five
        methods.
        """
        return self._owner.turn_store

    @property
    def service_thread_id(self) -> str | None:
        """The service's id of the thread; None if no service keeps it."""
        return self._owner.service_thread_id

    @service_thread_id.setter
    def service_thread_id(self, value: str) -> None:
        self._owner.check_takes_service()
        self._owner = KeptByService(self.id, value, self._owner.mirror)

    # -- messages and turns --------------------------------------------------------------------------------------------

    async def on_new_messages(self, new_messages: ChatMessage | Sequence[ChatMessage]) -> None:
        """Append messages as one turn. A service keeps its own messages, so for its thread this does nothing."""
        messages = [new_messages] if isinstance(new_messages, ChatMessage) else list(new_messages)
        if messages:
            await self._settled().add_messages(messages)

    async def list_messages(self, *, limit: int | None = None, before: int | None = None) -> list[ChatMessage]:
        """Return the messages, the oldest first; see `ChatMessageStore.list_messages`.

        Raises:
            InvalidInput: `before` is given, and the thread's store is of the application's own class, which keeps
                messages but not turns.
            ThreadOwnershipError: a service keeps the thread.
        """
        return await self._settled().list_messages(limit=limit, before=before)

    async def list_turns(
        self, *, limit: int | None = None, before: int | None = None, skip_corrupt: bool = False
    ) -> list[StoredTurn]:
        """Return the turns, the oldest first; see `ChatMessageStore.list_turns`.

        Raises:
            InvalidInput: the thread's store is of the application's own class, which keeps messages but not turns.
            ThreadOwnershipError: a service keeps the thread.
        """
        return await self._settled().known_turns().list_turns(limit=limit, before=before, skip_corrupt=skip_corrupt)

    async def info(self) -> ThreadInfo | None:
        """Return the storage's information about the thread; None before its first turn.

        It raises the same errors as `list_turns`.
        """
        return await self._settled().known_turns().info()

    async def undo(self) -> StoredTurn | None:
        """Remove the last turn; see `ChatMessageStore.undo`. It raises the same errors as `list_turns`."""
        return await self._settled().known_turns().undo()

    async def update_turn(self, turn: TurnReference, *, metadata: Mapping[str, Json]) -> JsonObject:
        """Change the metadata of a turn; see `ChatMessageStore.update_turn`.

        It raises the same errors as `list_turns`, too.
        """
        return await self._settled().known_turns().update_turn(turn, metadata=metadata)

    async def fork(
        self,
        *,
        through: TurnReference | None = None,
        before: TurnReference | None = None,
        thread_id: str | None = None,
    ) -> Self:
        """Return a new thread that starts as a copy of this thread; see `ChatMessageStore.fork`.

        It also raises the errors of `list_turns`.
        """
        store = await self._settled().known_turns().fork(through=through, before=before, thread_id=thread_id)
        return type(self)(message_store=store)

    async def list_branches(self) -> list[ThreadInfo]:
        """Return the forks that were begun from this thread; see `ChatMessageStore.list_branches`.

        It also raises the errors of `list_turns`.
        """
        return await self._settled().known_turns().list_branches()

    # -- a service's thread --------------------------------------------------------------------------------------------

    @property
    def is_kept_by_service(self) -> bool:
        """True if a service keeps the messages, or will keep them."""
        return self._owner.is_kept_by_service

    @property
    def mirror(self) -> ChatMessageStore | None:
        """The local copy of a service's thread; None if its agent keeps no copy."""
        return None if self._owner.mirror is None else self._owner.mirror.store

    def leave_to_service(self, mirror: ChatMessageStore | None = None) -> None:
        """Let the service of an agent's client keep the thread, which must not have a message store.

        Args:
            mirror: each turn is written to this store as well; None does not change the mirror.

        Raises:
            ThreadOwnershipError: the thread has a message store, which keeps it.
        """
        self._owner.check_takes_service()
        copy = self._owner.mirror if mirror is None else Mirror(mirror)
        self._owner = KeptByService(self.id, self.service_thread_id, copy)

    async def detach(self) -> None:
        """Keep the thread here from now on, with the messages of the mirror.

        The service's thread stays unchanged and is no longer used. The service is not called: it may be down, or may
        have forgotten the thread.

        Raises:
            InvalidInput: the thread has no mirror.
        """
        mirror = self._owner.known_mirror()
        await mirror.set_reference(None)
        self._owner = KeptHere(mirror.store)

    async def attach(self, service: ThreadService) -> str:
        """Hand a local thread over to a client's service, which keeps it from now on.

        Return the service's id of the thread.

        The local thread becomes the mirror. Later runs need an agent of that client.

        Raises:
            ThreadOwnershipError: a service already keeps the thread.
            ThreadConflict: another writer added to the thread during the call; the service's copy was deleted again.
            ChatClientError: the service failed; nothing has changed.
        """
        mirror = Mirror(self._settled().known_turns())
        service_thread_id = await mirror.hand_over(service)
        self._owner = KeptByService(self.id, service_thread_id, mirror)
        return service_thread_id

    async def verify_mirror(self, service: ThreadService) -> int:
        """Compare the mirror with the service's whole thread, and return the number of messages that the mirror lacks.

        Raises:
            InvalidInput: the thread has no mirror.
            ThreadDiverged: the mirror has messages that the service does not have, or different messages.
        """
        return len(await self._owner.known_mirror().verify(service, self.service_thread_id))

    async def update_mirror(self, service: ThreadService) -> int:
        """Write the messages that only the service has to the mirror, and return their number.

        It raises the same errors as `verify_mirror`.
        """
        return await self._owner.known_mirror().update(service, self.service_thread_id)

    # -- runs ----------------------------------------------------------------------------------------------------------

    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Return the data that a run needs, read in one trip to the storage.

        Raises:
            ConfigurationError: a turn id is given, but the thread's owner knows no turns.
            ThreadOwnershipError: a service keeps the thread, and the query names none.
        """
        return await self._settled().load(query)

    async def commit(
        self,
        turn: Turn,
        *,
        turn_id: str | None,
        expected: Expected | None,
        service_thread_id: str | None = None,
        replaces: int | None = None,
        last_step: str | None = None,
    ) -> Appended | None:
        """Append a run's turn in one write, and return the stored turn; None if the thread's owner knows no turns.

        If a service keeps the thread, it already has the turn. Then only the mirror is written, if there is one, and
        the thread notes the service's id of the thread, which may change with each turn.

        Args:
            turn: the turn.
            turn_id: the turn's id; None for a random id.
            expected: the version that the thread must have; None for any.
            service_thread_id: the service's id of the thread after the turn; None if no service keeps the thread.
            replaces: the number of a turn that goes in the same step; None for none.
            last_step: the last step of the draft that the turn commits; see `Storage.append`.
        """
        return await self._owner.commit(
            turn,
            turn_id=turn_id,
            expected=expected,
            service_thread_id=service_thread_id,
            replaces=replaces,
            last_step=last_step,
        )

    @property
    def identity(self) -> Hashable:
        """Equal for two handles on one thread."""
        return self._owner.identity

    def run_lock(self) -> RunLock:
        """Return the lock for which runs of this thread queue in this process."""
        return self._settled().run_lock()

    def lease(self, ttl: timedelta | None) -> AbstractAsyncContextManager[object]:
        """Return a lease of the thread, for runs that queue across processes.

        The lease does nothing if `ttl` is None, or if no part of the thread is on a storage.
        """
        return self._settled().lease(ttl)

    # -- state ---------------------------------------------------------------------------------------------------------

    async def serialize(self, **kwargs: Any) -> JsonObject:
        """Return the thread's state as JSON data, for `Agent.deserialize_thread` in this or another process.

        The state of a thread in RAM holds its messages. The state of a thread on a storage only says where the thread
        is. No state holds a secret.
        """
        return {
            "version": STATE_VERSION,
            "kind": THREAD_KIND,
            "id": self.id,
            "service_thread_id": self.service_thread_id,
            "store": await self._owner.store_state(**kwargs),
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
        """Return the thread that a state describes.

        The state comes from `serialize`, or from a beta of Agent Framework.

        Args:
            serialized_thread: the state.
            message_store: a new store of the same class as the thread's store; it takes over its part of the state.
            storage: the storage of the thread, or its URL. A thread in RAM needs neither.

        Raises:
            StateError: the state is of an unknown kind, version or type; no part of it is restored.
        """
        state = read_thread_state(serialized_thread)
        if message_store is None and state.store is not None:
            message_store = ChatMessageStore(storage=storage)
        thread = cls(state.id)
        await thread._become(state, message_store)
        return thread

    async def update_from_thread_state(self, serialized_thread: Any) -> None:
        """Take over the state of another thread. The thread's store, if it has one, takes over its part of the state.

        Raises:
            StateError: as in `deserialize`; this thread has not changed.
        """
        await self._become(read_thread_state(serialized_thread), self.message_store)

    async def _become(self, state: ThreadState, store: ChatMessageStoreProtocol | None) -> None:
        owner: Owner = Unsettled(state.id)
        if state.service_thread_id is not None:
            owner = KeptByService(state.id, state.service_thread_id)
        elif state.store is not None:
            owner = _owner_of(store or ChatMessageStore(), state.id)
            await owner.take_state(state.store)
        self._owner, self.provider_states = owner, state.providers

    def _settled(self) -> Owner:
        self._owner = self._owner.settled()
        return self._owner


def _owner_of(store: ChatMessageStoreProtocol, thread_id: str) -> Owner:
    """Return the owner for a given store. Only this function checks the class of a store.

    Args:
        store: the store.
        thread_id: the thread's id, for a store without an id.
    """
    return KeptHere(store) if isinstance(store, ChatMessageStore) else KeptByApplication(store, thread_id)
