"""Appending: look at the thread, create the record of the next number, tidy up.

The create is the commit. The tidying up stores the title, updates the directory's copy and empties the records that the
new record removes. If the tidying up fails or is interrupted, the next operations on the thread complete it, so the
caller does not see such a failure.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field, replace

from azure.core.exceptions import AzureError

from recuerda.cosmos import directory, drafts, threads
from recuerda.cosmos.container import Backoff, Container, run_all
from recuerda.cosmos.heads import Head, describe, find, load, may_hold
from recuerda.cosmos.items import HIGHEST_NUMBER, RecordItem, ThreadItem, record_item_id, write_body
from recuerda.errors import StorageError, ThreadConflict
from recuerda.ids import new_id
from recuerda.storage.records import Appended, NewRecord, RecordKind

_CUT_FIELDS = "c.partition, c.id, c.kind, c.number, c.incarnation, c.message_count, c.target"


@dataclass(frozen=True, slots=True)
class _Totals:
    """The thread's counts after a record, and the records that this record removes."""

    first: int
    turns: int
    messages: int
    summary: int = 0
    covered: int = 0
    cut: tuple[RecordItem, ...] = field(default=())


async def append(container: Container, thread_id: str, record: NewRecord, expected: int | None) -> Appended:
    """Append one record."""
    return (await append_all(container, thread_id, [record], expected))[0]


async def append_all(
    container: Container, thread_id: str, records: Sequence[NewRecord], expected: int | None
) -> list[Appended]:
    """Append records in order. The directory is updated once, after the last record."""
    done: list[Appended] = []
    for record in records:
        appended, head, totals = await _commit(container, thread_id, record, expected)
        done.append(appended)
        is_last = len(done) == len(records)
        if appended.replayed:
            container.entries.note(thread_id, None)  # read the entry before writing it: most likely it is up to date
        if is_last or appended.created or totals.cut or head.draft is not None:
            await _tidy(container, thread_id, head, totals, ends_draft=_is_over(head, appended))
        expected = None
    return done


async def _commit(
    container: Container, thread_id: str, record: NewRecord, expected: int | None
) -> tuple[Appended, Head, _Totals]:
    backoff = Backoff(container, thread_id)
    call = new_id()
    totals = _Totals(first=1, turns=0, messages=0)
    near = container.revisions.get(thread_id) if expected is None else min(max(expected, 1), HIGHEST_NUMBER)
    record_id = None if record.is_new_id else record.id
    while True:
        head = await load(container, thread_id, near=near, record_id=record_id)
        if record_id is not None and may_hold(head, record_id):
            there = await find(container, head, record_id)
            if there is not None:
                container.revisions.note(thread_id, head.revision)
                is_mine = there.call == call  # this call created it, and the answer was lost
                return _appended(there, is_replayed=not is_mine), head, totals
        if expected not in (None, head.revision):
            raise ThreadConflict(thread_id, expected=expected, actual=head.revision)
        head = await _prepared(container, thread_id, head, record)
        if head.thread is not None and (expected is None or expected == head.revision):
            totals = await _totals(container, head, record)
            made = _item(head.thread, head.revision + 1, record, totals, call=call, last_turn=head.last_turn)
            if await container.create(made) is not None:
                container.revisions.note(thread_id, made.number)
                given = made if made.number == 1 else head.given
                return _appended(made, is_replayed=False), replace(head, record=made, given=given), totals
        near, record_id = max(head.revision, 1), record.id
        await backoff.wait()


def _is_over(head: Head, appended: Appended) -> bool:
    """Return True if an append ends the draft. A new turn ends any draft, a replayed turn only its own draft."""
    if head.draft is None:
        return False
    return head.draft.turn_id == appended.record.id if appended.replayed else appended.record.kind == "turn"


def _appended(item: RecordItem, *, is_replayed: bool) -> Appended:
    return Appended(
        revision=item.number,
        replayed=is_replayed,
        record=item.record(),
        created=item.number == 1 and not is_replayed,
    )


async def _prepared(container: Container, thread_id: str, head: Head, record: NewRecord) -> Head:
    """Prepare a thread for its next record, and return its state."""
    if head.revision == 0:
        head = await threads.ready(container, thread_id, head, now_us=record.created_us, user_id=record.user_id)
    if head.record is None or head.thread is None:
        return head
    if head.undone is not None:
        # Only the newest record says that this turn is undone. So the turn has to be emptied before the next record is
        # created.
        await _empty(container, [item async for item in _oldest_first(container, head, "undo", head.undone)])
    return await threads.settle(container, thread_id, head)


async def _totals(container: Container, head: Head, record: NewRecord) -> _Totals:
    """Return the totals that the thread will have after a record."""
    now = head.record or RecordItem(partition="", id="", kind="turn", number=0, incarnation="")
    totals = _Totals(
        first=now.first,
        turns=now.turns + (record.kind == "turn"),
        messages=now.messages + record.message_count,
        summary=now.summary,
        covered=now.covered,
    )
    is_too_much = record.keep_messages is not None and totals.messages > record.keep_messages
    if record.kind == "summary":
        return replace(totals, summary=head.revision + 1, covered=record.target or 0)
    if record.kind == "turn" and not is_too_much:
        return totals
    totals = await _after_cut(container, head, record, totals)
    if record.kind == "undo" and any(item.number == totals.summary for item in totals.cut):
        older = await _newest_summary(container, head, below=record.target or 0)
        number, covered = (older.number, older.target or 0) if older else (0, 0)
        return replace(totals, summary=number, covered=covered)
    return totals


async def _after_cut(container: Container, head: Head, record: NewRecord, totals: _Totals) -> _Totals:
    """Return the totals without the records that the new record takes out."""
    enough = max(record.keep_messages or 0, record.message_count)
    first = record.target or totals.first if record.kind == "trim" else totals.first
    turns, messages = totals.turns, totals.messages
    items: list[RecordItem] = []
    number = head.revision if record.kind == "turn" else record.target or 0
    async for item in _oldest_first(container, head, record.kind, number):
        is_counted = head.holds(item)
        if record.kind == "turn" and is_counted and messages <= enough:
            break
        items.append(item)
        turns -= is_counted
        messages -= item.message_count if is_counted else 0
        if record.kind == "turn" and is_counted:
            first = item.number + 1
    # A limit keeps the summaries that come after the last turn that it removes.
    cut = tuple(item for item in items if record.kind == "undo" or item.kind == "turn" or item.number < first)
    return replace(totals, first=first, turns=turns, messages=messages, cut=cut)


async def _newest_summary(container: Container, head: Head, *, below: int) -> RecordItem | None:
    """Return the newest summary that covers only records before the number `below`."""
    if head.thread is None:
        return None
    pages = container.query(
        head.thread.partition,
        "c.kind = 'summary' AND c.incarnation = @incarnation AND c.target < @below AND c.number >= @first",
        {"incarnation": head.thread.incarnation, "below": below, "first": head.first},
        fields=_CUT_FIELDS,
        order="c.number DESC",
        page=1,
    )
    async with aclosing(pages):
        async for items in pages:
            for item in items:
                if isinstance(item, RecordItem):
                    return item
    return None


async def _oldest_first(container: Container, head: Head, kind: RecordKind, number: int) -> AsyncGenerator[RecordItem]:
    """Yield the records that a record of this kind may remove, and records that an earlier append failed to empty."""
    if head.thread is None:
        return
    where = "c.kind IN ('turn', 'summary') AND c.number <= @number"
    if kind == "trim":
        where = "c.kind IN ('turn', 'summary') AND c.number < @number"
    elif kind == "undo":
        where = "((c.kind = 'turn' AND c.number = @number) OR (c.kind = 'summary' AND c.target >= @number))"
    pages = container.query(
        head.thread.partition,
        f"c.incarnation = @incarnation AND {where}",
        {"incarnation": head.thread.incarnation, "number": number},
        fields=_CUT_FIELDS,
        order="c.number ASC",
        page=8 if kind == "turn" else 1000,
    )
    async with aclosing(pages):
        async for items in pages:
            for item in items:
                if isinstance(item, RecordItem):
                    yield item


def _item(
    thread: ThreadItem, number: int, record: NewRecord, totals: _Totals, *, call: str, last_turn: int
) -> RecordItem:
    text, data = write_body(record.body)
    return RecordItem(
        partition=thread.partition,
        id=record_item_id(thread.incarnation, number),
        kind=record.kind,
        number=number,
        incarnation=thread.incarnation,
        record_id=record.id,
        call=call,
        target=record.target,
        message_count=record.message_count,
        created_us=str(record.created_us),
        first=totals.first,
        turns=totals.turns,
        messages=totals.messages,
        summary=totals.summary,
        covered=totals.covered,
        last_turn=None if record.kind == "turn" else last_turn,
        user_id=record.user_id if number == 1 else None,
        title=record.title if number == 1 else None,
        text=text,
        data=data,
    )


async def _tidy(container: Container, thread_id: str, head: Head, totals: _Totals, *, ends_draft: bool) -> None:
    """Update everything that depends on a commit. After a failure, the next operations on the thread do it."""
    with suppress(AzureError, StorageError):
        record = head.record
        head = await threads.settle(container, thread_id, head)
        if record is None:
            return
        await run_all(
            (
                _publish(container, thread_id, head, record),
                _empty(container, totals.cut),
                _keep_alive(container, head),
                *((drafts.clear(container, thread_id, head.draft),) if ends_draft and head.draft is not None else ()),
            )
        )


async def _publish(container: Container, thread_id: str, head: Head, record: RecordItem) -> None:
    """Bring the directory's entry up to date. If the thread has been deleted since, delete the record as well."""
    thread = head.thread
    if thread is not None and thread.incarnation == record.incarnation:
        entry = directory.entry_of(describe(thread, record), changes=thread.changes, pending=thread.changes)
        if await directory.publish(container, entry):
            return
        if await directory.is_alive(container, entry):
            await directory.mark(container, entry)
            return
    await container.delete(record.partition, record.id)
    await directory.remove_dead(container, thread_id)


async def _empty(container: Container, items: Sequence[RecordItem]) -> None:
    """Replace the removed records with empty items."""
    await run_all(container.replace(item.emptied(), etag=None) for item in items)


async def _keep_alive(container: Container, head: Head) -> None:
    """If items expire, write the thread's own item again in time, so that it outlives the newest record."""
    if head.thread is not None and head.thread.changed_s and container.is_older_than_ttl(head.thread):
        await container.replace(head.thread, etag=head.thread.etag)
