"""`RecuerdaChatStore`: the chat store of LlamaIndex, with a thread for each key."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.bridge.pydantic import PrivateAttr
from llama_index.core.storage.chat_store.base_db import AsyncDBChatStore, MessageStatus

from recuerda.errors import InvalidInput
from recuerda.ids import check_id
from recuerda.interop.item_log import ItemLog
from recuerda.interop.llama_index.lines import (
    ARCHIVED,
    FORM,
    MARK,
    STATUS,
    Line,
    Lines,
    Mark,
    batch_of,
    new_lines,
    read_lines,
)
from recuerda.interop.retries import insist
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.registry import open_storage

_OPEN = 10_000
"""The number of keys of which a store remembers the turn that is under way."""


class RecuerdaChatStore(AsyncDBChatStore):
    """Keep the messages of each key in a thread, on any storage.

    The messages from a question to its answer are one turn. If another store has written to a key since this store has
    begun a turn there, the next messages of the turn are refused with `ThreadConflict`. So make a store for each
    request, on the one storage of your program.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the threads belong. Another user's thread raises `ThreadOwnershipError`. None opens
            the threads of any user.
        turn_id: the id of the turn that the next run begins, such as the id of a web request. It makes a retry safe: a
            run that is repeated with the same id sees the same history as the first one, and is stored once.
    """

    _storage: Storage = PrivateAttr()
    _owns_storage: bool = PrivateAttr()
    _user_id: str | None = PrivateAttr()
    _turn_id: str | None = PrivateAttr()
    _turn: str = PrivateAttr(default="waiting")
    _logs: dict[str, ItemLog] = PrivateAttr(default_factory=dict[str, ItemLog])

    def __init__(self, storage: Storage | str, *, user_id: str | None = None, turn_id: str | None = None) -> None:
        super().__init__()
        self._storage = open_storage(storage) if isinstance(storage, str) else storage
        self._owns_storage = isinstance(storage, str)
        self._user_id = None if user_id is None else check_id(user_id, "user id")
        self._turn_id = None if turn_id is None else check_id(turn_id, "turn id")

    @classmethod
    def class_name(cls) -> str:
        """Return the name of the class."""
        return "RecuerdaChatStore"

    async def close(self) -> None:
        """Close the storage if the store opened it."""
        if self._owns_storage:
            await self._storage.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    # -- reading -------------------------------------------------------------------------------------------------------

    async def get_messages(
        self,
        key: str,
        status: MessageStatus | None = MessageStatus.ACTIVE,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[ChatMessage]:
        """Return the messages of a key, the oldest first.

        Active messages cost the same however many messages are archived.

        Args:
            key: the thread's id.
            status: the status of the messages; None for all.
            limit: the largest number of messages; None for all.
            offset: the number of the oldest messages to leave out.
        """
        lines = await self._lines(key, status)
        start = offset or 0
        return _messages(lines[start : None if limit is None else start + limit])

    async def count_messages(self, key: str, status: MessageStatus | None = MessageStatus.ACTIVE) -> int:
        """Return the number of messages of a key with a status."""
        return len(await self._lines(key, status))

    async def get_keys(self) -> list[str]:
        """Return the ids of all threads of the user, or of the storage."""
        return [info.id async for info in self._storage.threads(user_id=self._user_id)]

    async def _lines(self, key: str, status: MessageStatus | None) -> list[Line]:
        found = await self._read(key, is_whole=status != MessageStatus.ACTIVE)
        return [line for line in found.lines if line.message is not None and _has(line, status)]

    async def _read(self, key: str, *, is_whole: bool) -> Lines:
        """Return the lines of a key, without those that a retry is about to say again."""
        hidden = None if self._turn == "done" else self._turn_id
        found = await read_lines(self._storage, key, user_id=self._user_id, is_whole=is_whole, without=hidden)
        if self._turn == "waiting" and hidden is not None and found.draft == hidden:
            return msgspec.structs.replace(found, lines=[line for line in found.lines if line.turn != hidden])
        return found

    # -- adding --------------------------------------------------------------------------------------------------------

    async def add_message(self, key: str, message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> None:
        """Add a message; see `add_messages`."""
        await self.add_messages(key, [message], status)

    async def add_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Add messages in one atomic step.

        Raises:
            ThreadConflict: this store has begun a turn, and another store has written to the key since.
            EncodeError: a message is not JSON; nothing was written.
        """
        items = [_item(message, status) for message in messages]
        if not items:
            return
        log = self._logs.pop(key, None)
        is_next = log is not None and items[0]["role"] != "user"
        log = log or ItemLog(self._storage, key, FORM, user_id=self._user_id)
        turn_id = self._turn_id if self._turn == "waiting" else None
        place = await log.add(items, at=log.place if is_next else None, turn_id=turn_id)
        is_open = place.steps > 0
        if is_open:
            self._logs[key] = log
            if len(self._logs) > _OPEN:
                del self._logs[next(iter(self._logs))]
        self._turn = "begun" if is_open else "done"

    async def set_messages(
        self, key: str, messages: list[ChatMessage], status: MessageStatus = MessageStatus.ACTIVE
    ) -> None:
        """Replace all messages of a key, in one atomic step."""
        lines = new_lines([_item(message) for message in messages], is_archived=status == MessageStatus.ARCHIVED)
        await self._change(key, lambda _: lines)

    # -- the status ----------------------------------------------------------------------------------------------------

    async def archive_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Archive the oldest active messages, in one atomic step, and return them.

        This writes a mark into the thread's metadata, and no message.
        """

        async def archive() -> list[ChatMessage]:
            found = await self._read(key, is_whole=False)
            oldest = _oldest(found.lines, n)
            if oldest:
                await self._storage.update_thread(
                    key,
                    metadata={MARK: msgspec.to_builtins(_mark_behind(oldest[-1]))},
                    expected=found.version,
                    expected_user_id=self._user_id,
                )
            return _messages(oldest)

        return await insist(archive)

    # -- deleting ------------------------------------------------------------------------------------------------------

    async def delete_message(self, key: str, idx: int) -> ChatMessage | None:
        """Delete a message, and return it; None if there is no such message.

        Args:
            key: the thread's id.
            idx: the message's position in `get_messages(key, status=None)`, from 0.
        """
        deleted = await self._delete(key, lambda lines: [line for line in lines if line.message is not None][idx:][:1])
        return deleted[0] if deleted else None

    async def delete_oldest_messages(self, key: str, n: int) -> list[ChatMessage]:
        """Delete the oldest active messages, and return them."""
        return await self._delete(key, lambda lines: _oldest(lines, n))

    async def delete_messages(self, key: str, status: MessageStatus | None = None) -> None:
        """Delete all messages with a status. Without a status, the whole thread is deleted."""
        if status is None:
            self._logs.pop(key, None)
            await self._storage.delete(key, user_id=self._user_id)
        else:
            await self._delete(key, lambda lines: [line for line in lines if _has(line, status)])

    async def _delete(self, key: str, choose: Callable[[Sequence[Line]], Sequence[Line]]) -> list[ChatMessage]:
        deleted: list[Line] = []

        def left(lines: Sequence[Line]) -> Sequence[Line]:
            deleted[:] = choose(lines)
            places = {(line.turn, line.position) for line in deleted}
            return [line for line in lines if (line.turn, line.position) not in places]

        await self._change(key, left)
        return _messages(deleted)

    async def _change(self, key: str, change: Callable[[Sequence[Line]], Sequence[Line]]) -> None:
        """Replace the lines of a key."""

        async def replace() -> None:
            found = await read_lines(self._storage, key, user_id=self._user_id, is_whole=True)
            lines = change(found.lines)
            if lines == found.lines:
                return
            if lines:
                await self._append(key, found, lines)
            else:
                await self._storage.delete(key, expected=found.version, user_id=self._user_id)

        self._logs.pop(key, None)
        await insist(replace)

    async def _append(self, key: str, found: Lines, lines: Sequence[Line]) -> None:
        """Append a batch, which replaces the earlier turns, and then delete those turns for good."""
        turns = batch_of(lines, self._storage)
        appended = await self._storage.append_all(key, turns, expected=found.version, user_id=self._user_id)
        first = appended[0].revision

        async def trim() -> None:
            info = await self._storage.head(key, user_id=self._user_id)
            if info is not None and info.turns > info.revision - first + 1:
                kept = info.revision - first + 1
                await self._storage.trim(key, keep_turns=kept, expected=info.version, user_id=self._user_id)

        await insist(trim)


def _item(message: ChatMessage, status: MessageStatus = MessageStatus.ACTIVE) -> JsonObject:
    item = message.model_dump(mode="json")
    return {**item, STATUS: ARCHIVED} if status == MessageStatus.ARCHIVED else item


def _messages(lines: Sequence[Line]) -> list[ChatMessage]:
    return [line.message.copy() for line in lines if line.message is not None]


def _has(line: Line, status: MessageStatus | None) -> bool:
    return status is None or line.is_archived == (status == MessageStatus.ARCHIVED)


def _oldest(lines: Sequence[Line], count: int) -> list[Line]:
    if count < 0:
        raise InvalidInput(f"n must be at least 0, not {count}")
    return [line for line in lines if line.message is not None and not line.is_archived][:count]


def _mark_behind(line: Line) -> Mark:
    return Mark(line.turn, line.number, line.position + 1)
