"""`RecuerdaConversationStore`: the conversation store of Pydantic AI, with a thread for each conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import TypeVar
from uuid import UUID

import msgspec
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)

from recuerda.errors import ThreadConflict
from recuerda.interop.own_storage import OwnStorage
from recuerda.interop.pydantic_ai.entries import Line, has_record, lines_of, record_of, written_turn
from recuerda.interop.pydantic_ai.form import load
from recuerda.storage.contract import Storage
from recuerda.storage.records import Expected, NewTurn, ThreadSlice, Version
from recuerda.threads.history import StoredTurn, stored_turn, title_of
from recuerda.threads.new_turn import new_turn

T = TypeVar("T")

_REMEMBERED = 10_000
"""The number of entries and of conversations of which the store remembers where they are."""

_AT_ONCE = 16
"""The number of threads that a listing reads at the same time."""


class RecuerdaConversationStore(OwnStorage, ConversationStore):
    """Keep Pydantic AI's conversations as threads, on any storage.

    A save is one atomic append, checked against the revision that was loaded; a save that is sent twice is stored once.
    A conversation's scope is the thread's user: `Storage.erase_user` erases all conversations of a scope. A fork copies
    the entries that it keeps, so each conversation can be deleted with all its messages. A thread that recuerda or
    another framework has written loads like any other conversation.

    `read_entry` finds an entry that this process has not met by a search through the threads that were used since the
    entry was made.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
    """

    def __init__(self, storage: Storage | str) -> None:
        self._open(storage)
        self._places: dict[str, str] = {}
        self._versions: dict[str, tuple[str, Expected]] = {}

    # -- records -------------------------------------------------------------------------------------------------------

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """Return a conversation's record; None if there is no such conversation."""
        found = await self.storage.read(conversation_id, last_turns=1, blobs=None)
        return self._record(found)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """Return the records of the conversations that Pydantic AI has written, the newest first.

        Each record is one read of its thread.
        """
        records: list[ConversationRecord] = []
        cursor: str | None = None
        while limit is None or len(records) < limit:
            page = await self.storage.list_threads(user_id=scope, archived=None, limit=_AT_ONCE, cursor=cursor)
            slices = await asyncio.gather(*(self.storage.read(info.id, last_turns=1) for info in page.threads))
            records += [record for found in slices if (record := self._record(found, is_own=True)) is not None]
            cursor = page.cursor
            if cursor is None:
                break
        records.sort(key=lambda record: record.updated_at, reverse=True)
        return records[:limit]

    async def write_record(
        self,
        record: ConversationRecord,
        *,
        new_entries: Sequence[ConversationEntry] = (),
        expected_revision: str | None,
    ) -> None:
        """Store a record with its new entries, as one turn.

        Raises:
            ConversationConflict: the conversation has another revision, or the head of a fork is gone.
        """
        version = await self._version(record.conversation_id, expected_revision)
        batches = [new_entries] if new_entries else await self._copied(record, version)
        turns = [
            self._new_turn(record, entries, f"{record.revision}.{number}" if number else record.revision)
            for number, entries in enumerate(reversed(batches))
        ][::-1]
        try:
            appended = await self.storage.append_all(
                record.conversation_id,
                [turn for turn, _ in turns],
                expected=version,
                user_id=record.scope,
                title=turns[0][1],
            )
        except ThreadConflict:
            self._versions.pop(record.conversation_id, None)
            raise ConversationConflict(record.conversation_id) from None
        self._versions.pop(record.conversation_id, None)
        if isinstance(version, Version):
            last = appended[-1]
            later = msgspec.structs.replace(version, revision=last.revision, record_id=last.record.id)
            _remember(self._versions, record.conversation_id, (record.revision, later))
        for entry in (entry for entries in batches for entry in entries):
            _remember(self._places, entry.id, record.conversation_id)

    def _new_turn(
        self, record: ConversationRecord, entries: Sequence[ConversationEntry], turn_id: str
    ) -> tuple[NewTurn, str | None]:
        turn = written_turn(record, entries)
        return new_turn(turn, self.storage, id=turn_id), title_of(turn)

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Delete a conversation with all its messages. Forks of it stay whole.

        Raises:
            ConversationConflict: the conversation is gone, or has another revision.
        """
        found = await self.storage.read(conversation_id, last_turns=1, blobs=None)
        record = self._record(found)
        if found.info is None or record is None or record.revision != expected_revision:
            raise ConversationConflict(conversation_id)
        try:
            await self.storage.delete(conversation_id, expected=found.info.version)
        except ThreadConflict:
            raise ConversationConflict(conversation_id) from None
        self._versions.pop(conversation_id, None)

    def _record(self, found: ThreadSlice, *, is_own: bool = False) -> ConversationRecord | None:
        if found.info is None or not found.records:
            return None
        last = stored_turn(found.records[-1], found.info.id, found.blobs)
        if is_own and not has_record(last):
            return None
        record = record_of(last, found.info)
        _remember(self._versions, found.info.id, (record.revision, found.info.version))
        for entry_id in (record.head_id, *record.branches):
            if entry_id is not None:
                _remember(self._places, entry_id, found.info.id)
        return record

    async def _version(self, conversation_id: str, expected_revision: str | None) -> Expected:
        known = self._versions.get(conversation_id)
        if known is not None and known[0] == expected_revision:
            return known[1]
        found = await self.storage.read(conversation_id, last_turns=1, blobs=None)
        record = self._record(found)
        if (record.revision if record is not None else None) != expected_revision:
            raise ConversationConflict(conversation_id)
        return found.info.version if found.info is not None else 0

    async def _copied(self, record: ConversationRecord, version: Expected) -> list[Sequence[ConversationEntry]]:
        """Return the entries that a new conversation takes from another one, by their turns there."""
        if record.head_id is None:
            return [()]
        if version != 0:
            if await self._lines_in(record.conversation_id, record.head_id, limit=1) is None:
                raise ConversationConflict(record.conversation_id)
            return [()]
        try:
            lines = await self._lines(record.head_id)
        except LookupError:
            raise ConversationConflict(record.conversation_id) from None
        turns = [line.turn for line in lines for _ in line.items]
        batches: dict[int, list[ConversationEntry]] = {}
        for turn, entry in zip(turns, _entries(lines), strict=True):
            batches.setdefault(turn, []).append(entry)
        return [*batches.values()]

    # -- entries -------------------------------------------------------------------------------------------------------

    async def read_entry(self, entry_id: str) -> ConversationEntry:
        """Return an entry by its id.

        Raises:
            LookupError: there is no such entry.
        """
        return (await self.read_history(entry_id, limit=1))[0]

    async def read_history(self, head_id: str | None, *, limit: int | None = None) -> list[ConversationEntry]:
        """Return the entries up to `head_id`, the oldest first; only the last `limit` of them if it is given.

        A limited history reads the newest turns of its thread, however long the thread is.

        Raises:
            LookupError: there is no such entry.
        """
        if head_id is None or limit == 0:
            return []
        return _entries(await self._lines(head_id, limit=limit))

    async def _lines(self, head_id: str, *, limit: int | None = None) -> list[Line]:
        conversation_id = self._places.get(head_id)
        if conversation_id is not None:
            lines = await self._lines_in(conversation_id, head_id, limit)
            if lines is not None:
                return lines
        async for other_id in self._used_since(head_id):
            lines = await self._lines_in(other_id, head_id, limit)
            if lines is not None:
                _remember(self._places, head_id, other_id)
                return lines
        raise LookupError(f"no conversation has the entry {head_id!r}")

    async def _lines_in(self, conversation_id: str, head_id: str, limit: int | None) -> list[Line] | None:
        """Return the entries up to one of a thread; None if the thread does not have it."""
        if limit is not None:
            found = await self.storage.read(conversation_id, last_messages=4 * limit + 16, blobs=None)
            lines = _followed(_turns(found), head_id, limit, is_whole=_is_whole(found))
            if lines is not None:
                return lines
        found = await self.storage.read(conversation_id, blobs=None)
        return _followed(_turns(found), head_id, limit, is_whole=True)

    async def _used_since(self, entry_id: str) -> AsyncIterator[str]:
        """Yield the ids of the threads that were used since an entry was made, the newest first."""
        made_us = _made_us(entry_id)
        cursor: str | None = None
        while True:
            page = await self.storage.list_threads(archived=None, limit=100, cursor=cursor)
            for info in page.threads:
                if info.updated_us < made_us:
                    return
                yield info.id
            cursor = page.cursor
            if cursor is None:
                return


def _turns(found: ThreadSlice) -> list[StoredTurn]:
    info = found.info
    return [] if info is None else [stored_turn(record, info.id, found.blobs) for record in found.records]


def _is_whole(found: ThreadSlice) -> bool:
    return found.info is None or found.info.turns == len(found.records)


def _followed(turns: Sequence[StoredTurn], head_id: str, limit: int | None, *, is_whole: bool) -> list[Line] | None:
    """Return the entries from the first one to `head_id`, or the last of them; None if one was not read."""
    known = {line.id: line for line in lines_of(turns, is_whole=is_whole)}
    lines: list[Line] = []
    parent: str | msgspec.UnsetType | None = head_id
    while parent is not None and (limit is None or len(lines) < limit):
        line = None if parent is msgspec.UNSET else known.get(parent)
        if line is None:
            return None
        lines.append(line)
        parent = line.parent
    lines.reverse()
    return lines


def _entries(lines: Sequence[Line]) -> list[ConversationEntry]:
    messages = load([item for line in lines for item in line.items])
    pairs = zip([line for line in lines for _ in line.items], messages, strict=True)
    return [ConversationEntry(id=line.id, parent_id=line.parent or None, message=message) for line, message in pairs]


def _made_us(entry_id: str) -> int:
    """Return the time in an entry's id, or 0 if the id has none."""
    try:
        made = UUID(entry_id)
    except ValueError:
        return 0
    return (made.int >> 80) * 1000 if made.version == 7 else 0


def _remember(known: dict[str, T], key: str, value: T) -> None:
    """Note a value, and forget the oldest one if there are too many."""
    known.pop(key, None)
    known[key] = value
    if len(known) > _REMEMBERED:
        del known[next(iter(known))]
