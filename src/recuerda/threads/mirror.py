"""The local copy of a thread that a service keeps.

Each turn is written to the copy when the service has it, with the service's reference to the thread as it was then: so
the newest turn tells where the thread goes on, and a turn that conflicts with another process's is found by the same
check as in a thread of one's own. What the copy does not hold and the service does, or the other way round, is told,
and never merged by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol, cast

import msgspec

from recuerda.errors import InvalidInput, ThreadConflict, ThreadDiverged, ThreadOwnershipError
from recuerda.messages.message import (
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    Turn,
)
from recuerda.storage.records import Appended
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow, group_turns

REFERENCE_KEY = "service_thread"
"""In a thread's metadata: the reference since a revision, where it was changed between turns."""

_NEWEST = ContextWindow(max_messages=1)


class ThreadService(Protocol):
    """What a mirror needs of a client whose service keeps threads; see `ChatClient`."""

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a thread."""
        ...

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id of a thread's newest message; None for an empty thread."""
        ...

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Hand messages over and return the new thread's id."""
        ...

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a thread."""
        ...


class Mirror:
    """Keep the local copy of one thread.

    Args:
        store: holds the copy.
    """

    def __init__(self, store: ChatMessageStore) -> None:
        self.store = store
        self._is_checked = False

    async def load(
        self, service: ThreadService, reference: str | None, *, turn_id: str | None
    ) -> tuple[str | None, StoredTurn | None]:
        """Read where the thread goes on: return the service's reference, and the turn of an id if it is there.

        The first time, the service is asked as well whether it has what the copy has; a chain of responses never
        changes and need not be asked for.

        Args:
            service: keeps the thread.
            reference: what the handle knows of it; None when it was opened by its name.
            turn_id: of the turn to look for.

        Raises:
            ThreadDiverged: the copy and the service do not agree.
            ThreadOwnershipError: the thread was detached from its service.
        """
        found = await self.store.refresh(_NEWEST, turn_id=turn_id)
        mirrored = self._reference()
        if not self._is_checked:
            await self._check(service, reference, mirrored)
            self._is_checked = True
        if mirrored is None and self.store.turns:
            raise ThreadOwnershipError(
                f"thread {self.store.thread_id!r} was detached from its service and is kept where its mirror was: open "
                "it with an agent on that storage, or hand it over again with thread.attach"
            )
        return mirrored or reference, found

    async def append(self, turn: Turn, *, turn_id: str | None, expected: int | None, reference: str) -> Appended:
        """Write a turn that the service has."""
        turn = msgspec.structs.replace(turn, service_thread_id=reference)
        return await self.store.append(turn, turn_id=turn_id, expected=expected)

    async def verify(self, service: ThreadService, reference: str | None) -> list[ChatMessage]:
        """Compare the whole copy with the whole thread; return what only the service has, at the end.

        Raises:
            ThreadDiverged: the copy holds what the service does not, or something else.
            InvalidInput: the service has no such thread yet.
        """
        reference = await self._known(reference)
        theirs = await service.read_thread(reference)
        ours = await self.store.list_messages()
        mine, other = list(_said(ours)), list(_said(theirs))
        for i, (here, there) in enumerate(zip(mine, other, strict=False), start=1):
            if here != there:
                raise ThreadDiverged(self.store.thread_id, reference, f"part {i} of {len(mine)} is another one there")
        if len(mine) > len(other):
            raise ThreadDiverged(self.store.thread_id, reference, f"the service lacks {len(mine) - len(other)} parts")
        return _after(theirs, len(mine))

    async def update(self, service: ThreadService, reference: str | None) -> int:
        """Write what only the service has, and return how many messages that were.

        Raises:
            ThreadDiverged: as in `verify`.
            ThreadConflict: somebody wrote to the copy meanwhile.
        """
        reference = await self._known(reference)
        await self.store.refresh()
        revision = self.store.revision
        missing = await self.verify(service, reference)
        for turn in group_turns(missing):
            appended = await self.append(turn, turn_id=None, expected=revision, reference=reference)
            revision = appended.revision
        self._is_checked = True
        return len(missing)

    async def set_reference(self, reference: str | None) -> None:
        """Note where the thread is kept from now on; None: here."""
        info = await self.store.info()
        metadata: dict[str, Any] = {} if info is None else dict(info.metadata)
        metadata[REFERENCE_KEY] = {"id": reference, "revision": 0 if info is None else info.revision}
        await self.store.storage.update_thread(self.store.thread_id, metadata=metadata)

    async def hand_over(self, service: ThreadService) -> str:
        """Give what the store holds to a service, and return its reference; see `AgentThread.attach`."""
        messages = await self.store.list_messages()
        revision = self.store.revision
        reference = await service.create_thread(messages)
        await self.store.refresh()
        if self.store.revision != revision:
            await service.delete_thread(reference)
            raise ThreadConflict(self.store.thread_id, expected=revision, actual=self.store.revision)
        await self.set_reference(reference)
        self._is_checked = True
        return reference

    async def _known(self, reference: str | None) -> str:
        """Return a reference, or the one that the copy tells."""
        if reference is None:
            await self.store.refresh(_NEWEST)
            reference = self._reference()
        if reference is None:
            raise InvalidInput(f"thread {self.store.thread_id!r} is at no service yet, so there is nothing to compare")
        return reference

    def _reference(self) -> str | None:
        """Return the reference that was noted last: with the newest turn, or after it."""
        newest = self.store.turns[-1] if self.store.turns else None
        info = self.store.history.info
        noted = None if info is None else info.metadata.get(REFERENCE_KEY)
        if isinstance(noted, dict):
            noted = cast("dict[str, Any]", noted)
            if newest is None or noted.get("revision", 0) >= newest.number:
                return noted.get("id")
        return None if newest is None else newest.turn.service_thread_id

    async def _check(self, service: ThreadService, reference: str | None, mirrored: str | None) -> None:
        if mirrored is None:
            return
        if reference not in (None, mirrored) and not await self._had(reference):
            raise ThreadDiverged(
                self.store.thread_id, reference or "", f"the mirror is of the service's thread {mirrored!r}"
            )
        last = self.store.turns[-1] if self.store.turns else None
        # A turn from before the thread was handed over has other ids there.
        is_of_service = last is not None and last.turn.service_thread_id == mirrored
        newest = last.messages[-1].message_id if last is not None and is_of_service else None
        if newest is not None and (there := await service.newest_message_id(mirrored)) != newest:
            raise ThreadDiverged(
                self.store.thread_id,
                mirrored,
                f"the newest message is {newest!r} in the mirror and {there!r} at the service",
            )

    async def _had(self, reference: str | None) -> bool:
        """Say whether the thread had a reference at some time: then a saved state is older than the mirror."""
        return any(turn.turn.service_thread_id == reference for turn in await self.store.list_turns())


def _said(messages: Iterable[ChatMessage]) -> Iterable[tuple[str, ...]]:
    """Flatten messages to what was said, in order: how parts are grouped into messages differs between the two."""
    for message in messages:
        for part in message.contents:
            match part:
                case TextContent():
                    yield (message.role, part.text)
                case RefusalContent():
                    yield (message.role, part.refusal)
                case FunctionCallContent():
                    yield ("call", part.call_id, part.name)
                case FunctionResultContent():
                    yield ("result", part.call_id)
                case _:
                    pass


def _after(messages: Sequence[ChatMessage], parts: int) -> list[ChatMessage]:
    """Return the messages behind the first so many parts."""
    for i, message in enumerate(messages):
        if parts <= 0:
            return list(messages[i:])
        parts -= len(list(_said([message])))
    return []
