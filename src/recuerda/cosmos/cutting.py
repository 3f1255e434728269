"""The removal of records by an undo, a replacement, a trim or a limit, and the end of what removed records leave.

A removed record's item is replaced by one without a body, if possible in the batch of the record that removes it.
`finish` does this later for records that were too many for a batch. `forget` deletes the items of old removed records.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace

from recuerda.cosmos import blobs
from recuerda.cosmos.container import Container, run_all
from recuerda.cosmos.heads import holds, is_undone, load
from recuerda.cosmos.items import BlobItem, DraftItem, HeadItem, RecordItem
from recuerda.errors import TurnGone
from recuerda.storage.operations import NewRecord
from recuerda.storage.records import REMEMBERED

_FORGETS_EVERY = 100
"""The number of records after which old removed records are forgotten."""

_FIELDS = (
    "c.partition, c.id, c.kind, c.number, c.incarnation, c.record_id, c.message_count, c.target, c.digests, c.uploads"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """The effect of a new record on the records before it.

    Attributes:
        undone: the number of the turn that it removes as an undo does; None if it removes none in this way.
        items: the records that it removes.
        first: the thread's `first` after it.
        turns: the number of turns among `items`; `messages` likewise.
        summary: the number of the newest summary after it; 0 if there is none.
        covered: the last number that this summary covers.
    """

    undone: int | None = None
    items: tuple[RecordItem, ...] = ()
    first: int = 1
    turns: int = 0
    messages: int = 0
    summary: int = 0
    covered: int = 0

    @property
    def emptied(self) -> list[RecordItem]:
        """The items that replace the removed records."""
        return [item.emptied(keeps_id=item.kind == "turn" and item.number != self.undone) for item in self.items]

    @property
    def removes_blobs(self) -> bool:
        """True if a removed turn names blobs. No other turn may name them."""
        return any(item.uploads for item in self.items)

    def removes_title(self, head: HeadItem) -> bool:
        """Return True if the turn from which the title was made is removed."""
        return any(item.number == head.title_turn for item in self.items)


NOTHING = Cut()
"""No effect."""


async def cut_of(container: Container, head: HeadItem, record: NewRecord) -> Cut:
    """Return the effect of a record that is about to be appended to a thread.

    Raises:
        TurnGone: the thread does not hold the turn that the record replaces.
    """
    undone = None if record.kind in {"summary", "trim"} else record.target
    cut = Cut(undone=undone, first=head.first, summary=head.summary, covered=head.covered)
    if record.kind == "summary":
        return replace(cut, summary=head.revision + 1, covered=record.target or 0)
    if undone is not None:
        cut = await _with_undo(container, head, cut, undone)
    if record.replaced is not None and cut.turns == 0:
        raise TurnGone(head.thread_id, turn=record.replaced, revision=head.revision)
    if record.kind == "trim":
        cut = await _with_trim(container, head, cut, record.target or 0)
    messages = head.messages - cut.messages + record.message_count
    if record.keep_messages is not None and messages > record.keep_messages:
        enough = max(record.keep_messages, record.message_count)
        cut = await _with_limit(container, head, cut, surplus=messages - enough)
    if cut.undone is not None and any(item.number == cut.summary for item in cut.items):
        older = await _newest_summary(container, head, below=cut.undone)
        cut = replace(cut, summary=older.number if older else 0, covered=older.target or 0 if older else 0)
    return replace(cut, summary=0, covered=0) if cut.summary < cut.first else cut


async def _with_undo(container: Container, head: HeadItem, cut: Cut, number: int) -> Cut:
    """Return a cut that also removes a turn and the summaries that cover it."""
    where = "(c.number = @number OR (c.kind = 'summary' AND c.target >= @number))"
    items = [item async for item in _oldest_first(container, head, where, number=number)]
    return _with_items(cut, items)


async def _with_trim(container: Container, head: HeadItem, cut: Cut, number: int) -> Cut:
    """Return a cut that also removes all records before a number."""
    items = [item async for item in _oldest_first(container, head, "c.number < @number", number=number)]
    return replace(_with_items(cut, items), first=max(cut.first, number))


async def _with_limit(container: Container, head: HeadItem, cut: Cut, *, surplus: int) -> Cut:
    """Return a cut that also removes the oldest turns with a surplus of messages, and the summaries before them."""
    first, items = cut.first, list[RecordItem]()
    gone = {item.number for item in cut.items}
    async for item in _oldest_first(container, head, "true", page=8):
        if item.number in gone:
            continue
        if item.kind == "turn":
            if surplus <= 0:
                break
            first = item.number + 1
            surplus -= item.message_count
        items.append(item)
    # A limit keeps the summaries that come after the last turn that it removes.
    return replace(_with_items(cut, [item for item in items if item.number < first]), first=first)


def _with_items(cut: Cut, items: Sequence[RecordItem]) -> Cut:
    return replace(
        cut,
        items=(*cut.items, *items),
        turns=cut.turns + sum(item.kind == "turn" for item in items),
        messages=cut.messages + sum(item.message_count for item in items),
    )


async def _oldest_first(
    container: Container, head: HeadItem, where: str, *, number: int = 0, page: int = 1000
) -> AsyncGenerator[RecordItem]:
    """Yield the turns and the summaries that a thread holds and that meet a condition."""
    pages = container.query(
        head.partition,
        f"c.incarnation = @incarnation AND c.kind IN ('turn', 'summary') AND c.number >= @first AND {where}",
        {"incarnation": head.incarnation, "first": head.first, "number": number},
        fields=_FIELDS,
        order="c.number ASC",
        page=page,
    )
    async with aclosing(pages):
        async for items in pages:
            for item in items:
                if isinstance(item, RecordItem) and holds(head, item):
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


async def finish(container: Container, head: HeadItem) -> bool:
    """Empty the records that a thread no longer holds, and delete the steps of ended drafts and the unused blobs.

    Return False if there are blobs of a writer that may still be at work.
    """
    found = await container.query_all(
        head.partition,
        "c.incarnation = @incarnation AND c.kind IN ('turn', 'summary', 'draft', 'blob')",
        {"incarnation": head.incarnation},
        fields=f"{_FIELDS}, c.draft, c.step, c.turn_id, c.revision, {blobs.FIELDS}",
    )
    # The head is read after the items. So an item that it does not name was removed, and is not new.
    now = (await load(container, head.thread_id)).item
    if now is None or now.life == "over" or now.incarnation != head.incarnation:
        return True
    parts = [item for item in found if isinstance(item, BlobItem)]
    unused = blobs.unused(parts, [item for item in found if isinstance(item, RecordItem)], then=head, now=now)
    draft = None if now.draft is None else now.draft.id
    steps = [item for item in found if isinstance(item, DraftItem) and item.draft != draft]
    records = [item for item in found if isinstance(item, RecordItem) and not holds(now, item)]
    await run_all(
        (
            *(container.delete(item.partition, item.id) for item in steps),
            *(container.delete(head.partition, item_id) for item_id in unused),
            *(container.replace(_emptied(now, item), etag=None) for item in records),
        )
    )
    return all(item.begun_on < head.writes for item in parts)


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
