"""The removal of records by an undo, a trim or a limit, and the end of what removed records leave.

A removed record's item is replaced by one without a body, if possible in the batch of the record that removes it.
`finish` does this later for records that were too many for a batch. `forget` deletes the items of old removed records.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass

from recuerda.cosmos.container import Container, run_all
from recuerda.cosmos.heads import holds, is_undone, load
from recuerda.cosmos.items import DraftItem, HeadItem, RecordItem
from recuerda.storage.records import REMEMBERED, NewRecord, RecordKind

_FORGETS_EVERY = 100
"""The number of records after which old removed records are forgotten."""

_FIELDS = "c.partition, c.id, c.kind, c.number, c.incarnation, c.record_id, c.message_count, c.target"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The effect of a new record on the records before it.

    Attributes:
        kind: the kind of the new record.
        items: the records that it removes.
        first: the thread's `first` after it.
        turns: the number of turns among `items`; `messages` likewise.
        summary: the number of the newest summary after it; 0 if there is none.
        covered: the last number that this summary covers.
    """

    kind: RecordKind = "turn"
    items: tuple[RecordItem, ...] = ()
    first: int = 1
    turns: int = 0
    messages: int = 0
    summary: int = 0
    covered: int = 0

    @property
    def emptied(self) -> list[RecordItem]:
        """The items that replace the removed records."""
        return [item.emptied(keeps_id=item.kind == "turn" and self.kind != "undo") for item in self.items]

    def removes_title(self, head: HeadItem) -> bool:
        """Return True if the turn from which the title was made is removed."""
        return any(item.number == head.title_turn for item in self.items)


NOTHING = Cut()
"""No effect."""


async def cut_of(container: Container, head: HeadItem, record: NewRecord) -> Cut:
    """Return the effect of a record that is about to be appended to a thread."""
    number = head.revision + 1
    cut = Cut(kind=record.kind, first=head.first, summary=head.summary, covered=head.covered)
    if record.kind == "summary":
        return _with_summary(cut, number, record.target or 0)
    is_too_much = record.keep_messages is not None and head.messages + record.message_count > record.keep_messages
    if record.kind == "turn" and not is_too_much:
        return cut
    cut = await _removals(container, head, record)
    if cut.summary < cut.first:
        return _with_summary(cut, 0, 0)
    if any(item.number == cut.summary for item in cut.items):
        older = await _newest_summary(container, head, below=record.target or 0)
        return _with_summary(cut, older.number, older.target or 0) if older else _with_summary(cut, 0, 0)
    return cut


def _with_summary(cut: Cut, number: int, covered: int) -> Cut:
    return Cut(
        kind=cut.kind,
        items=cut.items,
        first=cut.first,
        turns=cut.turns,
        messages=cut.messages,
        summary=number,
        covered=covered,
    )


async def _removals(container: Container, head: HeadItem, record: NewRecord) -> Cut:
    """Return the records that a record removes."""
    enough = max(record.keep_messages or 0, record.message_count)
    first = max(head.first, record.target or 0) if record.kind == "trim" else head.first
    messages = head.messages + record.message_count
    items: list[RecordItem] = []
    async for item in _oldest_first(container, head, record):
        if not holds(head, item):
            continue
        if record.kind == "turn" and item.kind == "turn":
            if messages <= enough:
                break
            first = item.number + 1
        items.append(item)
        messages -= item.message_count
    # A limit keeps the summaries that come after the last turn that it removes.
    removed = tuple(item for item in items if record.kind == "undo" or item.number < first)
    return Cut(
        kind=record.kind,
        items=removed,
        first=first,
        turns=sum(item.kind == "turn" for item in removed),
        messages=sum(item.message_count for item in removed),
        summary=head.summary,
        covered=head.covered,
    )


async def _oldest_first(container: Container, head: HeadItem, record: NewRecord) -> AsyncGenerator[RecordItem]:
    """Yield the records that a record of this kind may remove."""
    number = record.target or 0
    where = "c.kind IN ('turn', 'summary') AND c.number >= @first"
    if record.kind == "trim":
        where += " AND c.number < @number"
    elif record.kind == "undo":
        where += " AND (c.number = @number OR (c.kind = 'summary' AND c.target >= @number))"
    pages = container.query(
        head.partition,
        f"c.incarnation = @incarnation AND {where}",
        {"incarnation": head.incarnation, "first": head.first, "number": number},
        fields=_FIELDS,
        order="c.number ASC",
        page=8 if record.kind == "turn" else 1000,
    )
    async with aclosing(pages):
        async for items in pages:
            for item in items:
                if isinstance(item, RecordItem):
                    yield item


async def _newest_summary(container: Container, head: HeadItem, *, below: int) -> RecordItem | None:
    """Return the newest summary that covers only records before the number `below`."""
    pages = container.query(
        head.partition,
        "c.kind = 'summary' AND c.incarnation = @incarnation AND c.target < @below AND c.number >= @first",
        {"incarnation": head.incarnation, "below": below, "first": head.first},
        fields=_FIELDS,
        order="c.number DESC",
        page=1,
    )
    async with aclosing(pages):
        async for items in pages:
            for item in items:
                if isinstance(item, RecordItem):
                    return item
    return None


async def finish(container: Container, head: HeadItem) -> None:
    """Empty the records that a thread no longer holds, and delete the steps of drafts that have ended."""
    found = await container.query_all(
        head.partition,
        "c.incarnation = @incarnation AND c.kind IN ('turn', 'summary', 'draft')",
        {"incarnation": head.incarnation},
        fields=f"{_FIELDS}, c.draft, c.step, c.turn_id, c.revision",
    )
    # The head is read after the items. So an item that it does not name was removed, and is not new.
    now = (await load(container, head.thread_id)).alive
    if now is None or now.incarnation != head.incarnation:
        return
    draft = None if now.draft is None else now.draft.id
    steps = [item for item in found if isinstance(item, DraftItem) and item.draft != draft]
    records = [item for item in found if isinstance(item, RecordItem) and not holds(now, item)]
    await run_all(
        (
            *(container.delete(item.partition, item.id) for item in steps),
            *(container.replace(_emptied(now, item), etag=None) for item in records),
        )
    )


def _emptied(head: HeadItem, item: RecordItem) -> RecordItem:
    return item.emptied(keeps_id=item.kind == "turn" and not is_undone(head, item))


async def forget(container: Container, head: HeadItem) -> None:
    """Once in many records, delete the items of removed records that are too old for a retry or a continued read."""
    if head.revision <= REMEMBERED or head.revision % _FORGETS_EVERY:
        return
    old = await container.query_all(
        head.partition,
        "c.incarnation = @incarnation AND c.number >= 0 AND c.number <= @oldest AND c.kind IN ('gone', 'undo', 'trim')",
        {"incarnation": head.incarnation, "oldest": head.revision - REMEMBERED},
        fields=_FIELDS,
    )
    first = head.first
    await run_all(
        container.delete(item.partition, item.id)
        for item in old
        if isinstance(item, RecordItem) and (item.kind == "gone" or item.number < first)
    )
