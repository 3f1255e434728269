"""Functions that keep an index in step with the log from which it is derived.

The index knows the version up to which it has followed each thread. A storage gives the records after it: turns, undos
and trims. So it does not matter which process wrote a turn, or whether the process died between the commit and the
update of the index: the next reader adds the missing turns. If a thread was deleted, its documents are removed. If the
thread does not continue that version, it is followed again from its start: it was created again under its id, its
storage was put back to an earlier state, or a body was rewritten.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from msgspec import structs

from recuerda._events import fields
from recuerda.errors import CorruptTurn, DecryptionError, StorageBusy
from recuerda.recall.about_me import facts_told
from recuerda.recall.ahead import ahead_terms
from recuerda.recall.forgotten import is_forgotten
from recuerda.recall.index import Document, NewDocument, Position, RecallIndex, ThreadUpdate
from recuerda.recall.scopes import DEFAULT_NAMESPACE, named_namespace, owner_of, thread_scope, user_scope
from recuerda.recall.text import ABOUT_ASKER, IDENTITY, STANDING, clean_text, emoji_terms, speaker_terms, terms_of
from recuerda.recall.traits import IS_IDENTITY, IS_PERSONAL, IS_QUESTION, IS_STANDING, traits_of
from recuerda.storage.contract import Storage
from recuerda.storage.operations import ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn, stored_turn

BATCH_TURNS = 250
"""The largest number of turns in one update. After a crash in a long thread, following continues after the last
update."""

REMEMBERED_ROLES = ("user", "assistant")

_TRIES = 20
_FEW_TURNS = 8
_logger = logging.getLogger("recuerda.recall")


def scope_of(info: ThreadInfo, user_id: str | None, known: Position | None) -> str:
    """Return the scope of a thread's memories.

    Args:
        info: the information about the thread. If the thread has a user, the scope is that user's.
        user_id: the user on whose behalf the thread is followed, if the thread itself has no user.
        known: the position in the index. A thread without a user stays with the first user for whom it was followed.
    """
    namespace = named_namespace(info) or DEFAULT_NAMESPACE
    if info.user_id is not None:
        return user_scope(info.user_id, namespace)
    if known is not None and known.incarnation == info.incarnation:
        user_id = owner_of(known.scope, ()).user_id or user_id
    return thread_scope(info.id, namespace) if user_id is None else user_scope(user_id, namespace)


def is_in_scope(info: ThreadInfo, scope: str) -> bool:
    """Return True if the memories of a thread can be in a scope, as its user and its namespace are now."""
    return scope == scope_of(info, owner_of(scope, ()).user_id, None)


def is_current(info: ThreadInfo, known: Position | None) -> bool:
    """Return True if a position is that of the thread as it is now, so that nothing has to be followed."""
    if known is None or (known.incarnation, known.revision, known.record_id) != (
        info.incarnation,
        info.revision,
        info.record_id,
    ):
        return False
    if not info.rewritten <= known.edits <= info.edits:
        return False
    return known.scope == scope_of(info, None, known)


class Followed(NamedTuple):
    """The outcome of following a thread.

    Attributes:
        position: the position that was reached; None if the thread does not exist.
        user_id: the thread's own user; None if it has none.
        added: the number of messages that were added.
        namespace: the namespace that the thread's metadata name; None if they name none.
        first: the thread's `first`; see `ThreadInfo`.
    """

    position: Position | None
    user_id: str | None
    added: int
    namespace: str | None = None
    first: int = 1


async def follow(
    storage: Storage,
    index: RecallIndex,
    thread_id: str,
    *,
    user_id: str | None = None,
    is_anew: bool = False,
    guess: Position | None = None,
) -> Followed:
    """Bring an index up to date with a thread.

    Args:
        storage: the storage that has the thread.
        index: the index to update.
        thread_id: the thread's id.
        user_id: see `scope_of`. The thread of another user is refused before anything is changed.
        is_anew: True indexes the whole thread again.
        guess: the position that the index probably has, which saves a request. Give it only after a commit, because
            then an update follows, and the index checks the position as part of the update.

    Raises:
        ThreadOwnershipError: the thread belongs to another user than `user_id`.
        StorageBusy: other processes kept changing the index.
    """
    for _ in range(_TRIES):
        known = guess or (await index.positions([thread_id])).get(thread_id)
        guess = None
        try:
            found = await _read(storage, thread_id, None if is_anew else known, user_id)
        except DecryptionError:
            # The key was deleted, which erases the thread. So its memories are deleted too.
            await _drop(index, thread_id, known)
            raise
        if found.info is None:
            if await _drop(index, thread_id, known):
                return Followed(None, None, 0)
            continue
        position, added = known, 0
        for update, turns in _updates(found, known, user_id):
            documents, forgotten = await _documents(thread_id, turns)
            if not await index.apply(structs.replace(update, added=documents, forgotten=forgotten)):
                break
            position, added = update.position, added + len(documents)
        else:
            return Followed(position, found.info.user_id, added, named_namespace(found.info), found.info.first)
    raise StorageBusy(
        f"the index of memories could not follow thread {thread_id!r}, because other processes keep changing it; "
        "try again"
    )


async def follow_appended(
    storage: Storage,
    index: RecallIndex,
    thread_id: str,
    turn: StoredTurn,
    *,
    last: Followed,
    user_id: str | None = None,
) -> Followed | None:
    """Add a turn that this process has just committed to an index, without reading the turn again.

    The turn is added only if it is the thread's newest record, and nothing else has changed since the thread was
    followed. An index that can look into the storage checks that in the step in which it adds the turn. Otherwise the
    storage is asked before, as by a read.

    Args:
        storage: the storage that has the thread.
        index: the index to update.
        thread_id: the thread's id.
        turn: the turn.
        last: the outcome of following the thread before the turn.
        user_id: see `scope_of`.

    Returns None, with nothing changed, if the thread must be followed by `follow`. This is always so for an encrypted
    thread, because only a read notices that its key was deleted.
    """
    known = last.position
    if known is None or turn.number != known.revision + 1 or storage.kind == "encrypted":
        return None
    if user_id not in (None, owner_of(known.scope, ()).user_id):
        return None
    position = structs.replace(known, revision=turn.number, record_id=turn.id)
    documents = list(_documents_of(turn, thread_id))
    forgotten = [turn.number] if is_forgotten(turn) else []
    update = ThreadUpdate(thread_id=thread_id, expected=known, position=position, added=documents, forgotten=forgotten)
    is_added = await index.apply_checked(update, storage, first=last.first)
    if is_added is None:
        is_added = await _is_at(position, storage, thread_id, last.first) and await index.apply(update)
    return last._replace(position=position, added=len(documents)) if is_added else None


async def _is_at(position: Position, storage: Storage, thread_id: str, first: int) -> bool:
    """Return True if a thread is exactly at a position, and has lost no further turns before a limit."""
    found = await storage.read(thread_id, after=position.version)
    return (
        found.is_continued
        and found.info is not None
        and (found.info.version, found.info.first) == (position.version, first)
    )


async def _read(storage: Storage, thread_id: str, known: Position | None, user_id: str | None) -> ThreadSlice:
    found = await storage.read(thread_id, after=0 if known is None else known.version, user_id=user_id)
    if known is None or found.info is None or not found.is_continued:
        return found
    if scope_of(found.info, user_id, known) == known.scope:
        return found
    return await storage.read(thread_id, user_id=user_id)


async def _drop(index: RecallIndex, thread_id: str, known: Position | None) -> bool:
    return known is None or await index.apply(ThreadUpdate(thread_id=thread_id, expected=known, position=None))


def _updates(
    found: ThreadSlice, known: Position | None, user_id: str | None
) -> Iterator[tuple[ThreadUpdate, Sequence[TurnRecord]]]:
    """Yield the updates that bring an index up to date, each with the turns whose documents it has to add."""
    info = found.info
    if info is None:
        return
    scope = scope_of(info, user_id, known)
    is_next = found.is_continued or _is_empty(known, info, scope)
    if is_next and known is not None and known.revision == info.revision:
        return
    turns = [record for record in found.records if record.kind == "turn"]
    undone = frozenset(record.target for record in found.records if record.kind == "undo" and record.target)
    starts = range(0, max(1, len(turns)), BATCH_TURNS)
    expected = known
    for start in starts:
        batch = turns[start : start + BATCH_TURNS]
        is_last = start == starts[-1]
        position = Position(
            scope=scope,
            incarnation=info.incarnation,
            revision=info.revision if is_last else batch[-1].number,
            record_id=info.record_id if is_last else batch[-1].id,
            edits=info.edits,
        )
        is_first = start == 0
        update = ThreadUpdate(
            thread_id=info.id,
            expected=expected,
            position=position,
            is_fresh=is_first and not is_next,
            undone=undone if is_first and is_next else frozenset(),
            first=info.first if is_first and is_next else 1,
        )
        yield update, batch
        expected = position


def _is_empty(known: Position | None, info: ThreadInfo, scope: str) -> bool:
    """Return True if the index knows a thread from before its first record, so that no read can continue from there."""
    if known is None or known.revision:
        return False
    return (known.incarnation, known.scope) == (info.incarnation, scope)


async def _documents(thread_id: str, records: Sequence[TurnRecord]) -> tuple[list[NewDocument], list[int]]:
    """Return the documents of turns, and the numbers of the turns that were forgotten on request.

    Many turns are processed in an OS thread, so that the event loop is not blocked.
    """
    if len(records) <= _FEW_TURNS:
        return _documents_now(thread_id, records)
    return await asyncio.to_thread(_documents_now, thread_id, records)


def _documents_now(thread_id: str, records: Sequence[TurnRecord]) -> tuple[list[NewDocument], list[int]]:
    documents: list[NewDocument] = []
    forgotten: list[int] = []
    for record in records:
        try:
            turn = stored_turn(record, thread_id)
            documents.extend(_documents_of(turn, thread_id))
            forgotten += [turn.number] * is_forgotten(turn)
        except CorruptTurn as error:
            _logger.warning(
                "a turn is left out of the index of memories: %s",
                error,
                extra=fields("turn_not_indexed", error=type(error).__name__),
            )
    return documents, forgotten


def documents_of(record: TurnRecord, thread_id: str) -> Iterator[NewDocument]:
    """Yield the documents of a turn: the texts of users and assistants, without tools' results and files.

    Raises:
        CorruptTurn: the turn cannot be read.
    """
    yield from _documents_of(stored_turn(record, thread_id), thread_id)


def _documents_of(turn: StoredTurn, thread_id: str) -> Iterator[NewDocument]:
    for position, message in enumerate(() if is_forgotten(turn) else turn.messages):
        text = clean_text(message.text) if message.role in REMEMBERED_ROLES else ""
        if not text:
            continue
        document = Document(
            thread_id=thread_id,
            turn=turn.number,
            turn_id=turn.id,
            position=position,
            role=message.role,
            speaker=clean_text(message.author_name or "")[:200] or None,
            created_us=turn.created_us,
            text=text,
        )
        yield new_document(document)


def new_document(document: Document) -> NewDocument:
    """Return a document with the data for searching it."""
    terms = terms_of(document.text)
    traits = traits_of(document.text, terms.words)
    marks = [*speaker_terms(document.speaker), *emoji_terms(document.text)]
    marks += ahead_terms(document.text, terms.words, document.created_us)
    if document.role == "user":
        told = facts_told(document.text)
        traits |= IS_PERSONAL * bool(told)
        marks += [ABOUT_ASKER] * bool(traits & IS_PERSONAL) + [STANDING] * bool(traits & IS_STANDING)
        marks += [IDENTITY] * (traits & (IS_IDENTITY | IS_QUESTION) == IS_IDENTITY)
        marks += told
    return NewDocument(document=document, terms=terms.counts | dict.fromkeys(marks, 1), size=terms.size, traits=traits)
