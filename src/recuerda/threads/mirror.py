"""The local copy of a thread that a service keeps.

Each turn is written to the copy after the service has it, together with the service's id of the thread at that time. So
the newest turn says under which id the thread continues. A conflict with another process is found by the same check as
in a thread that recuerda keeps. A difference between the copy and the service is reported, and never merged
automatically.
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
from recuerda.storage.operations import Appended
from recuerda.storage.thread_info import Expected
from recuerda.threads.history import StoredTurn
from recuerda.threads.store import ChatMessageStore
from recuerda.window.window import ContextWindow, group_turns

REFERENCE_KEY = "service_thread"
"""The key in a thread's metadata for the service's id of the thread, if the id was changed between turns."""

_NEWEST = ContextWindow(max_messages=1)


class ThreadService(Protocol):
    """The methods of a client that a mirror calls; `ChatClient` documents them."""

    async def read_thread(self, service_thread_id: str) -> list[ChatMessage]:
        """Return all messages of a thread, without context messages."""
        ...

    async def newest_message_id(self, service_thread_id: str) -> str | None:
        """Return the id of a thread's newest message; None for an empty thread."""
        ...

    async def create_thread(self, messages: Sequence[ChatMessage]) -> str:
        """Copy messages to a new thread and return its id."""
        ...

    async def delete_thread(self, service_thread_id: str) -> bool:
        """Delete a thread."""
        ...


class Mirror:
    """The local copy of one thread.

    Args:
        store: the store that holds the copy.
    """

    def __init__(self, store: ChatMessageStore) -> None:
        self.store = store
        self._is_checked = False

    async def load(
        self, service: ThreadService, reference: str | None, *, turn_id: str | None
    ) -> tuple[str | None, StoredTurn | None]:
        """Return the service's id of the thread, and the turn with `turn_id`, if the copy has it.

        The first call also checks that the service has the copy's newest message.

        Args:
            service: the service.
            reference: the service's id of the thread that the handle has; None for a thread that was opened by name.
            turn_id: the id of the turn to look for; None looks for no turn.

        Raises:
            ThreadDiverged: the copy and the service differ.
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

    async def append(self, turn: Turn, *, turn_id: str | None, expected: Expected | None, reference: str) -> Appended:
        """Write a turn that the service already has."""
        turn = msgspec.structs.replace(turn, service_thread_id=reference)
        return await self.store.append(turn, turn_id=turn_id, expected=expected)

    async def verify(self, service: ThreadService, reference: str | None) -> list[ChatMessage]:
        """Compare the whole copy with the whole thread, and return the newest messages that only the service has.

        Raises:
            ThreadDiverged: the copy has messages that the service does not have, or other messages.
            InvalidInput: the service does not have the thread yet.
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
        """Write the messages that only the service has to the copy, and return their number.

        Raises:
            ThreadDiverged: as in `verify`.
            ThreadConflict: another writer changed the copy at the same time.
        """
        reference = await self._known(reference)
        await self.store.refresh()
        version = self.store.version
        missing = await self.verify(service, reference)
        for turn in group_turns(missing):
            await self.append(turn, turn_id=None, expected=version, reference=reference)
            version = self.store.version
        self._is_checked = True
        return len(missing)

    async def set_reference(self, reference: str | None) -> None:
        """Note the service's id of the thread from now on; None if recuerda keeps the thread."""
        info = await self.store.info()
        noted = {"id": reference, "revision": 0 if info is None else info.revision}
        await self.store.view.update_thread(self.store.thread_id, metadata={REFERENCE_KEY: noted})

    async def hand_over(self, service: ThreadService) -> str:
        """Copy the store's messages to a service, and return the service's id; see `AgentThread.attach`."""
        messages = await self.store.list_messages()
        version, revision = self.store.version, self.store.revision
        reference = await service.create_thread(messages)
        await self.store.refresh()
        if self.store.version != version:
            await service.delete_thread(reference)
            raise ThreadConflict(self.store.thread_id, expected=revision, actual=self.store.revision)
        await self.set_reference(reference)
        self._is_checked = True
        return reference

    async def _known(self, reference: str | None) -> str:
        """Return the reference, or the noted reference of the copy if it is None."""
        if reference is None:
            await self.store.refresh(_NEWEST)
            reference = self._reference()
        if reference is None:
            raise InvalidInput(f"no service has thread {self.store.thread_id!r} yet, so there is nothing to compare")
        return reference

    def _reference(self) -> str | None:
        """Return the reference that was noted last, with the newest turn or after it."""
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
        # Messages from before the hand-over have other ids at the service.
        is_of_service = last is not None and last.turn.service_thread_id == mirrored
        newest = last.messages[-1].message_id if last is not None and is_of_service else None
        if newest is not None and (there := await service.newest_message_id(mirrored)) != newest:
            raise ThreadDiverged(
                self.store.thread_id,
                mirrored,
                f"the newest message is {newest!r} in the mirror and {there!r} at the service",
            )

    async def _had(self, reference: str | None) -> bool:
        """Return True if the thread had this reference earlier. Then the saved state is older than the mirror."""
        return any(turn.turn.service_thread_id == reference for turn in await self.store.list_turns())


def _said(messages: Iterable[ChatMessage]) -> Iterable[tuple[str, ...]]:
    """Yield the parts of messages in order. The grouping into messages differs between the copy and the service."""
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
    """Return the messages after the first `parts` parts."""
    for i, message in enumerate(messages):
        if parts <= 0:
            return list(messages[i:])
        parts -= len(list(_said([message])))
    return []
