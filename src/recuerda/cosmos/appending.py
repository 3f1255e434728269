"""Appending: read the head, check it, and write the new head and the new record in one batch.

The same batch empties the records that the new record removes, and deletes the draft. Afterwards the directory's entry
is brought up to date. If that fails or is interrupted, the next turn completes it, so the caller does not see such a
failure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType

import msgspec
from azure.core.exceptions import AzureError

from recuerda.cosmos import blobs, cutting, directory, drafts, threads
from recuerda.cosmos.container import MAX_BATCH, Backoff, Container
from recuerda.cosmos.cutting import Cut
from recuerda.cosmos.heads import Head, load, load_with_body, made_alive
from recuerda.cosmos.items import HeadItem, RecordItem, record_item_id, write_body
from recuerda.errors import StorageError, TurnDropped
from recuerda.ids import new_id
from recuerda.storage.operations import Appended, Guard, NewRecord
from recuerda.storage.records import TurnRecord
from recuerda.storage.rules import title_after, updated_after

NO_UPLOADS: Mapping[str, str] = MappingProxyType({})
"""The uploads of a record without blobs."""


@dataclass(frozen=True, slots=True)
class _Commit:
    """A record that was written, or found, and the head that the thread has since.

    Attributes:
        appended: the outcome.
        head: the head, with its ETag.
        cut: the removal of other records that came with the record.
    """

    appended: Appended
    head: HeadItem
    cut: Cut = cutting.NOTHING


async def append(container: Container, thread_id: str, record: NewRecord, guard: Guard) -> Appended:
    """Append one record."""
    return (await append_all(container, thread_id, [record], guard))[0]


async def append_all(
    container: Container, thread_id: str, records: Sequence[NewRecord], guard: Guard
) -> list[Appended]:
    """Append records in order. The directory is updated once, after the last record."""
    done: list[Appended] = []
    for record in records:
        one = await _commit(container, thread_id, record, guard)
        done.append(one.appended)
        if one.appended.replayed:
            container.entries.note(thread_id, None)  # read the entry before writing it: most likely it is up to date
        await _tidy(container, one, publishes=len(done) == len(records) or one.appended.created)
        guard = Guard(user_id=guard.user_id)
    return done


async def _commit(container: Container, thread_id: str, record: NewRecord, guard: Guard) -> _Commit:
    backoff = Backoff(container, thread_id)
    call = new_id()
    record_id = None if record.is_new_id else record.id
    while True:
        head = await load(container, thread_id, record_id=record_id)
        head.check_user(guard)
        if head.held is not None:
            done = await _found(container, head, record, call)
        elif head.dropped is not None:
            raise TurnDropped(thread_id, turn_id=record.id, number=head.dropped.number)
        else:
            head.check_state(guard)
            head.check_last_step(guard, record.id)
            done = await _write(container, head, record, guard, call)
        if done is not None:
            return done
        record_id = record.id
        await backoff.wait()


async def _found(container: Container, head: Head, record: NewRecord, call: str) -> _Commit | None:
    """Return the record that the thread holds already, after the end of its draft; None if the thread has changed."""
    there = (await load_with_body(container, head.thread_id, record.id)).held
    if there is None or head.alive is None:
        return None
    is_mine = there.call == call  # this call wrote it, and the answer was lost
    appended = Appended(
        revision=there.number, replayed=not is_mine, record=there.record(), created=is_mine and there.number == 1
    )
    if head.alive.draft is None or head.alive.draft.turn_id != record.id:
        return _Commit(appended, head.alive)
    ended = await drafts.end(container, head.alive)
    return None if ended is None else _Commit(appended, ended)


async def _write(container: Container, head: Head, record: NewRecord, guard: Guard, call: str) -> _Commit | None:
    """Write a record as the next one; return None if another writer was first."""
    item = await threads.prepared(container, head, now_us=record.created_us, guard=guard)
    if item is None:
        return None
    is_clean = not item.is_unfinished or await cutting.finish(container, item)
    cut = await cutting.cut_of(container, item, record)
    uploads: Mapping[str, str] = {}
    if record.blobs:
        written = await blobs.write(container, item, record.blobs)
        if written is None:
            return None
        item, uploads = written
    if cut.removes_title(item) and item.title is not None:
        # Without this, the entry would keep the text if the process ended right after the commit.
        await threads.ready(container, head, now_us=0, users=())
    new = _after(made_alive(item, record.created_us, guard), record, cut, call)
    ended = item if record.kind == "turn" and item.draft is not None else None
    steps = drafts.step_ids(ended)
    undo = [] if record.replaced is None else [_item(new, record.undo(head.revision + 1), call)]
    fits = len(cut.items) + len(steps) + len(undo) <= MAX_BATCH
    new = msgspec.structs.replace(
        new,
        draft=None if ended is not None else item.draft,
        is_unfinished=not (fits and is_clean) or cut.removes_blobs,
        undone=None if fits else cut.undone,
    )
    made = _item(new, record.numbered(new.revision), call, uploads)
    put = [*undo, *(cut.emptied if fits else ())]
    etag = await container.commit(new, create=made, put=put, delete=steps if fits else ())
    if etag is None:
        return None
    appended = Appended(revision=made.number, replayed=False, record=made.record(), created=made.number == 1)
    return _Commit(appended, msgspec.structs.replace(new, etag=etag), cut)


def _after(head: HeadItem, record: NewRecord, cut: Cut, call: str) -> HeadItem:
    """Return the head that the thread has after a record."""
    number = head.revision + (1 if record.replaced is None else 2)
    old, old_turn = (None, 0) if cut.removes_title(head) else (head.title, head.title_turn)
    title, title_turn = title_after(record.title, title=old, title_turn=old_turn, revision=number - 1)
    return msgspec.structs.replace(
        head,
        call=call,
        revision=number,
        record_id=record.id,
        first=cut.first,
        turns=head.turns + (record.kind == "turn") - cut.turns,
        messages=head.messages + record.message_count - cut.messages,
        summary=cut.summary,
        covered=cut.covered,
        removals=head.removals + bool(cut.items),
        updated_us=str(updated_after(record, updated_us=int(head.updated_us))),
        title=title,
        title_turn=title_turn,
    )


def _item(head: HeadItem, record: TurnRecord, call: str, uploads: Mapping[str, str] = NO_UPLOADS) -> RecordItem:
    text, data = write_body(record.body)
    return RecordItem(
        partition=head.partition,
        id=record_item_id(head.incarnation, record.number),
        kind=record.kind,
        number=record.number,
        incarnation=head.incarnation,
        record_id=record.id,
        call=call,
        target=record.target,
        message_count=record.message_count,
        created_us=str(record.created_us),
        committed_us=None if record.committed_us == record.created_us else str(record.committed_us),
        text=text,
        data=data,
        digests=record.blobs or None,
        uploads=tuple(uploads[digest] for digest in record.blobs) or None,
    )


async def _tidy(container: Container, done: _Commit, *, publishes: bool) -> None:
    """Update everything that depends on a commit. After a failure, the next operations on the thread do it."""
    head = done.head
    with suppress(AzureError, StorageError):
        if publishes or done.cut.items:
            await _publish(container, head)
        if head.is_unfinished:
            await cutting.finish(container, head)
        await cutting.forget(container, head)


async def _publish(container: Container, head: HeadItem) -> None:
    """Bring the directory's entry up to date. If it is missing, and the thread is still there, make it again."""
    entry = directory.entry_of(head.info(), writes=head.writes, pending=head.writes)
    if await directory.publish(container, entry):
        return
    if await directory.is_alive(container, entry):
        await directory.mark(container, entry)
    else:
        await directory.remove_dead(container, head.thread_id)
