"""The owner of a thread that the service of a model keeps."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from recuerda.errors import ChatClientError, ConfigurationError, ThreadOwnershipError
from recuerda.json_value import Json
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.operations import Appended
from recuerda.storage.run_lock import RunLock, RunLocks
from recuerda.storage.thread_info import Expected
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.mirror import Mirror
from recuerda.threads.owner import Owner
from recuerda.threads.store import ChatMessageStore

_locks_by_reference = RunLocks()


class KeptByService(Owner):
    """Leave a thread to the service of a model. The thread may have a local copy.

    Args:
        thread_id: recuerda's id of the thread.
        service_thread_id: the service's id of the thread; None until its first turn. It may change with each turn.
        mirror: the local copy; None if there is none.
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
        """Recuerda's id of the thread."""
        return self._thread_id

    @property
    def is_settled(self) -> bool:
        """True when the service has the thread."""
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
        """The identity of the local copy; without a copy, the service's id of the thread."""
        return super().identity if self._mirror is not None else self._service_thread_id or self

    def check_takes_store(self) -> None:
        """Allow a store until the service has the thread."""
        if self.is_settled or self._mirror is not None:
            raise ThreadOwnershipError(
                f"thread {self._thread_id!r} is kept by a service; it cannot have a message store as well"
            )

    def check_takes_service(self) -> None:
        """Raise no error, because the service already keeps the thread."""

    async def add_messages(self, messages: Sequence[ChatMessage]) -> None:
        """Do nothing, because the service already has the messages."""

    async def list_messages(self, *, limit: int | None, before: int | None) -> list[ChatMessage]:
        """Raise an error, because the messages are at the service."""
        raise self._not_here()

    async def load(self, query: ThreadQuery) -> LoadedThread:
        """Read the local copy, if there is one. It says under which id the thread continues at the service."""
        if query.service is None:
            raise self._not_here()
        if self._mirror is None:
            if query.turn_id is not None:
                raise ConfigurationError("a service knows no turn ids: for turn_id, make the agent with mirror=storage")
            return LoadedThread(is_new=not self.is_settled)
        self._service_thread_id, committed = await self._mirror.load(
            query.service, self._service_thread_id, turn_id=query.turn_id
        )
        return LoadedThread(version=self._mirror.store.version, committed=committed, is_new=not self.is_settled)

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
        """Write the turn, which the service already has, to the local copy, and note the service's id of the thread."""
        if service_thread_id is None:
            raise ChatClientError(
                f"the service did not name its thread for {self._thread_id!r}, so the thread cannot continue"
            )
        appended = None
        if self._mirror is not None:
            appended = await self._mirror.append(turn, turn_id=turn_id, expected=expected, reference=service_thread_id)
        self._service_thread_id = service_thread_id
        return appended

    async def store_state(self, **kwargs: Any) -> Json:
        """Return None, because no store keeps the thread."""
        return None

    def known_turns(self) -> ChatMessageStore:
        """Raise an error, because the turns are at the service."""
        raise self._not_here()

    def _own_lock(self) -> RunLock:
        if self._service_thread_id is None:
            return super()._own_lock()
        return _locks_by_reference.of(self._service_thread_id)

    def _not_here(self) -> ThreadOwnershipError:
        return ThreadOwnershipError(f"thread {self._thread_id!r} is kept by a service: its messages are not here")
