"""`RecuerdaConversationStore`: the conversation store of Pydantic AI, with a thread for each conversation."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar
from uuid import UUID

import msgspec
from pydantic_ai.conversation import Conversation
from pydantic_ai.conversation_store import (
    ConversationConflict,
    ConversationEntry,
    ConversationRecord,
    ConversationStore,
)
from pydantic_ai.run import AgentRunResult

from recuerda.errors import ThreadConflict, ThreadOwnershipError
from recuerda.interop.copies import Original, original
from recuerda.interop.own_storage import OwnStorage
from recuerda.interop.pydantic_ai.entries import Chain, has_record, record_of, written_turn
from recuerda.interop.pydantic_ai.reading import ThreadRead, read_chain, read_entries, read_record
from recuerda.interop.warm_threads import warm_threads
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.thread_info import Expected, Version
from recuerda.threads.history import stored_turn, title_of
from recuerda.threads.new_turn import new_turn

T = TypeVar("T")

_REMEMBERED = 10_000
"""The number of entries and of conversations that the store remembers."""

_AT_ONCE = 16
"""The number of threads that a listing reads at the same time."""


class _Known(msgspec.Struct, frozen=True):
    """The revision and the record of a conversation, and the version of its thread with this record."""

    revision: str

    record: Original[ConversationRecord]
    version: Expected


class _Call(msgspec.Struct):
    """A call of the store that makes several steps, and reads its thread once.

    Attributes:
        store: the store.
        conversation_id: the conversation.
        limit: the number of entries that a load needs; None for all.
        saves: the revision that a save goes on from. The append checks it, so the record of this revision needs no
            read. UNSET for other calls.
        found: what the call has read.
    """

    store: RecuerdaConversationStore
    conversation_id: str
    limit: int | None = None
    saves: str | msgspec.UnsetType | None = msgspec.UNSET
    found: ThreadRead | None = None


_call: ContextVar[_Call | None] = ContextVar("recuerda.interop.pydantic_ai.call", default=None)


class RecuerdaConversationStore(OwnStorage, ConversationStore):
    """Keep Pydantic AI's conversations as threads, on any storage.

    A save is one atomic append, checked against the revision that was loaded; a save that is sent twice is stored once.
    A conversation's scope is the thread's user: `Storage.erase_user` erases all conversations of a scope. A fork copies
    the entries that it keeps, so each conversation can be deleted with all its messages. A thread that recuerda or
    another framework has written loads like any other conversation.

    A load is one read of the thread. It returns only turns that this process does not know: what was read is kept for
    all stores on the same storage object. A save of a conversation that was loaded is one append and no read.

    `read_entry` finds an entry that this process has not met by a search through the threads that were used since the
    entry was made.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
    """

    def __init__(self, storage: Storage | str) -> None:
        self._open(storage)
        self._places: dict[str, str] = {}
        self._known: dict[str, _Known] = {}

    # -- calls that read once ------------------------------------------------------------------------------------------

    async def load(
        self, conversation_id: str, *, limit: int | None = None, scope: str | None = None
    ) -> Conversation | None:
        """See `ConversationStore`. A load is one read of the thread, and reads only turns that are new here."""
        with _reading_once(_Call(self, conversation_id, limit)):
            return await super().load(conversation_id, limit=limit, scope=scope)

    async def load_entries(
        self, conversation_id: str, *, limit: int | None = None, scope: str | None = None
    ) -> list[ConversationEntry] | None:
        """See `ConversationStore`. It is one read, like `load`."""
        with _reading_once(_Call(self, conversation_id, limit)):
            return await super().load_entries(conversation_id, limit=limit, scope=scope)

    async def save(
        self, conversation: Conversation | AgentRunResult[Any], *, scope: str | None = None
    ) -> list[ConversationEntry]:
        """See `ConversationStore`. A conversation that this store has loaded or saved is not read again."""
        saved = conversation.conversation if isinstance(conversation, AgentRunResult) else conversation
        with _reading_once(_Call(self, saved.conversation_id, 0, saves=saved.revision)):
            return await super().save(conversation, scope=scope)

    async def branch(
        self,
        conversation_id: str,
        *,
        at: int | None = None,
        from_entry: str | None = None,
        expected_revision: str | None,
        scope: str | None = None,
    ) -> Conversation:
        """See `ConversationStore`. A branch is one read of the whole thread, and one write."""
        with _reading_once(_Call(self, conversation_id)):
            return await super().branch(
                conversation_id, at=at, from_entry=from_entry, expected_revision=expected_revision, scope=scope
            )

    async def fork(
        self,
        conversation_id: str,
        *,
        at: int | None = None,
        from_entry: str | None = None,
        new_conversation_id: str | None = None,
        scope: str | None = None,
        source_scope: str | None = None,
    ) -> Conversation:
        """See `ConversationStore`. The entries that the fork keeps are copied."""
        with _reading_once(_Call(self, conversation_id)):
            return await super().fork(
                conversation_id,
                at=at,
                from_entry=from_entry,
                new_conversation_id=new_conversation_id,
                scope=scope,
                source_scope=source_scope,
            )

    # -- records -------------------------------------------------------------------------------------------------------

    async def read_record(self, conversation_id: str) -> ConversationRecord | None:
        """Return a conversation's record; None if there is no such conversation."""
        call = self._call_of(conversation_id)
        if call is None:
            return self._record(await read_record(self.storage, conversation_id))
        if call.saves is None:
            return None
        known = self._known.get(conversation_id)
        if known is not None and known.revision == call.saves:
            return known.record.copy()
        if call.limit == 0:
            call.found = await read_record(self.storage, conversation_id)
        else:
            call.found = await read_entries(self.storage, conversation_id, call.limit)
        return self._record(call.found)

    async def read_records(self, *, scope: str | None = None, limit: int | None = None) -> Sequence[ConversationRecord]:
        """Return the records of the conversations that Pydantic AI has written, the newest first.

        Each record is one read of its thread.
        """
        records: list[ConversationRecord] = []
        cursor: str | None = None
        while limit is None or len(records) < limit:
            page = await self.storage.list_threads(user_id=scope, archived=None, limit=_AT_ONCE, cursor=cursor)
            slices = await asyncio.gather(*(self.storage.read(info.id, last_turns=1) for info in page.threads))
            for found in slices:
                if found.info is not None and (record := _own_record(found)) is not None:
                    self._note(record, found.info.version)
                    records.append(record)
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
            ConversationConflict: the conversation has another revision or another scope, or the head of a fork is gone.
        """
        conversation_id = record.conversation_id
        version = await self._version(conversation_id, expected_revision)
        batches = [new_entries] if new_entries else await self._copied(record, version)
        turns = [written_turn(record, entries) for entries in batches]
        # The last turn has the id of the record's revision.
        ids = [f"{record.revision}.{number}" if number else record.revision for number in range(len(turns))][::-1]
        new = [new_turn(turn, self.storage, id=turn_id) for turn, turn_id in zip(turns, ids, strict=True)]
        self._known.pop(conversation_id, None)
        try:
            appended = await self.storage.append_all(
                conversation_id,
                new,
                expected=version,
                user_id=record.scope,
                title=title_of(turns[0]),
            )
        except (ThreadConflict, ThreadOwnershipError):
            raise ConversationConflict(conversation_id) from None
        if isinstance(version, Version):
            later = version
            for one, turn in zip(appended, turns, strict=True):
                warm_threads(self.storage).grow(conversation_id, later, one, turn)
                later = msgspec.structs.replace(version, revision=one.revision, record_id=one.record.id)
            _remember(self._known, conversation_id, _Known(record.revision, original(record), later))
        for entry in (entry for entries in batches for entry in entries):
            _remember(self._places, entry.id, conversation_id)

    async def delete_record(self, conversation_id: str, *, expected_revision: str) -> None:
        """Delete a conversation with all its messages. Forks of it stay whole.

        Raises:
            ConversationConflict: the conversation is gone, or has another revision.
        """
        found = await read_record(self.storage, conversation_id)
        record = self._record(found)
        if record is None or record.revision != expected_revision:
            raise ConversationConflict(conversation_id)
        try:
            await self.storage.delete(conversation_id, expected=found.version)
        except ThreadConflict:
            raise ConversationConflict(conversation_id) from None
        self._known.pop(conversation_id, None)

    def _record(self, found: ThreadRead) -> ConversationRecord | None:
        record = found.record()
        if record is not None:
            self._note(record, found.version)
        return record

    def _note(self, record: ConversationRecord, version: Expected) -> None:
        _remember(self._known, record.conversation_id, _Known(record.revision, original(record), version))
        for entry_id in (record.head_id, *record.branches):
            if entry_id is not None:
                _remember(self._places, entry_id, record.conversation_id)

    async def _version(self, conversation_id: str, expected_revision: str | None) -> Expected:
        call = self._call_of(conversation_id)
        if call is not None and call.saves is None and expected_revision is None:
            return 0
        known = self._known.get(conversation_id)
        if known is not None and known.revision == expected_revision:
            return known.version
        found = await read_record(self.storage, conversation_id)
        record = self._record(found)
        if (record.revision if record is not None else None) != expected_revision:
            raise ConversationConflict(conversation_id)
        return found.version

    async def _copied(self, record: ConversationRecord, version: Expected) -> list[Sequence[ConversationEntry]]:
        """Return the entries that a new conversation takes from another one, by their turns there."""
        if record.head_id is None:
            return [()]
        if version != 0:
            if await read_chain(self.storage, record.conversation_id, record.head_id, 1) is None:
                raise ConversationConflict(record.conversation_id)
            return [()]
        try:
            return (await self._chain(record.head_id)).by_turn()
        except LookupError:
            raise ConversationConflict(record.conversation_id) from None

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
        return (await self._chain(head_id, limit)).entries()

    async def _chain(self, head_id: str, limit: int | None = None) -> Chain:
        call = _call.get()
        found = call.found if call is not None and call.store is self else None
        if found is not None and (chain := found.chain(head_id, limit)) is not None:
            return chain
        conversation_id = self._places.get(head_id)
        if conversation_id is not None:
            # A call that has read the newest turns in vain needs more of them.
            chain = await read_chain(self.storage, conversation_id, head_id, limit, is_near_end=found is None)
            if chain is not None:
                return chain
        async for other_id in self._used_since(head_id):
            chain = await read_chain(self.storage, other_id, head_id, limit)
            if chain is not None:
                _remember(self._places, head_id, other_id)
                return chain
        raise LookupError(f"no conversation has the entry {head_id!r}")

    def _call_of(self, conversation_id: str) -> _Call | None:
        """Return the call that is at work on a conversation; None if the caller uses a single step."""
        call = _call.get()
        is_same = call is not None and call.store is self and call.conversation_id == conversation_id
        return call if is_same else None

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


@contextmanager
def _reading_once(call: _Call) -> Generator[None]:
    token = _call.set(call)
    try:
        yield
    finally:
        _call.reset(token)


def _own_record(found: ThreadSlice) -> ConversationRecord | None:
    """Return the record in the newest turn of a thread; None if Pydantic AI has not written the turn."""
    if found.info is None or not found.records:
        return None
    last = stored_turn(found.records[-1], found.info.id)
    return record_of(last, found.info) if has_record(last) else None


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
