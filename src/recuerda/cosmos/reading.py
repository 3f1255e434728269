"""The read of a thread: one query gives its own item and then its records, newest first, until the window is full."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field

from msgspec.structs import replace

from recuerda.cosmos import blobs
from recuerda.cosmos.container import Backoff, Container
from recuerda.cosmos.heads import NEWEST_FIRST, Head, holds, is_undone, load, load_with_body, record_at
from recuerda.cosmos.items import HIGHEST_NUMBER, HeadItem, RecordItem, record_item_id, thread_partition
from recuerda.storage.operations import ReadQuery, ThreadSlice
from recuerda.storage.records import TurnRecord
from recuerda.storage.rules import is_same_history, wanted_blobs

PAGE = 100
"""The largest number of items in one page of a query."""


async def read(container: Container, thread_id: str, query: ReadQuery) -> ThreadSlice:
    """Return the slice of a thread that `Storage._read` asks for."""
    backoff = Backoff(container, thread_id)
    while True:
        found = await _read(container, thread_id, query)
        if found is not None:
            return found
        await backoff.wait()


async def _read(container: Container, thread_id: str, query: ReadQuery) -> ThreadSlice | None:
    """Read once; None if records were removed from the thread while its pages arrived."""
    found = Head(thread_id)
    if query.last_turns == 0:
        found = await _head(container, thread_id, query)
        walk = _Walk(query, after=query.after, head=found.alive)
        if walk.head is not None and not await _continues(container, walk):
            walk.after = 0
        walk.start = max(walk.after, found.revision) + 1
    else:
        walk = await _walked(container, thread_id, query)
        if walk.head is not None and walk.pages > 1 and await _was_cut(container, walk.head):
            return None
        if query.turn_id is not None:
            found = await load_with_body(container, thread_id, query.turn_id)
    if walk.head is None:
        return ThreadSlice(info=None)
    if walk.has_summary and walk.summary is None:
        walk.summary = await _summary(container, walk.head)
        if walk.summary is None:  # The turn has expired: give the turns that have not.
            return await _read(container, thread_id, replace(query, with_summary=False))
    uploads = walk.uploads
    shown = wanted_blobs(query, walk.records)
    if others := [digest for digest in shown if digest not in uploads]:
        uploads = uploads | await blobs.uploads_of(container, walk.head, others)
    data = await blobs.read(container, walk.head, {digest: uploads[digest] for digest in shown if digest in uploads})
    if not data.keys() >= uploads.keys() & set(shown) and await _was_cut(container, walk.head):
        return None
    held = next((item for item in found.found if holds(walk.head, item)), None)
    return ThreadSlice(
        info=walk.head.info(),
        records=tuple(reversed(walk.records)),
        start=walk.start,
        is_continued=walk.after > 0,
        found=None if held is None else held.record(),
        dropped=found.dropped.number if found.dropped is not None and held is None else None,
        summary=walk.summary,
        has_draft=walk.head.draft is not None,
        blobs=data,
    )


async def _head(container: Container, thread_id: str, query: ReadQuery) -> Head:
    if query.turn_id is None:
        return await load(container, thread_id)
    return await load_with_body(container, thread_id, query.turn_id)


async def _summary(container: Container, head: HeadItem) -> TurnRecord | None:
    """Return the newest summary, which the walk did not reach; None if it has expired."""
    item_id = record_item_id(head.incarnation, head.summary)
    found = await container.query_all(head.partition, "c.id = @id AND c.kind = 'summary'", {"id": item_id})
    return next((item.record() for item in found if isinstance(item, RecordItem)), None)


@dataclass(slots=True)
class _Walk:
    """A walk from the newest record backwards, until the window is full."""

    query: ReadQuery
    after: int
    head: HeadItem | None = None
    records: list[TurnRecord] = field(default_factory=list[TurnRecord])
    summary: TurnRecord | None = None
    start: int = 1
    pages: int = 0
    uploads: dict[str, str] = field(default_factory=dict[str, str])
    _messages: int = 0
    _turns: int = 0

    @property
    def has_summary(self) -> bool:
        """True if the query asks for the newest summary, and there is one."""
        return self.query.with_summary and not self.after and self.head is not None and self.head.summary > 0

    @property
    def lowest(self) -> int:
        """The number of the first record that may be taken."""
        if self.head is None:
            return self.after + 1
        return max(self.after + 1, self.head.first, self.head.covered + 1 if self.has_summary else 1)

    def take(self, item: RecordItem) -> bool:
        """Take a record; return False if the window is full without it."""
        if item.kind == "gone" or self.head is None or is_undone(self.head, item):
            return True
        if item.kind != "turn" and not self.after:
            if self.has_summary and item.number == self.head.summary:
                self.summary = item.record()
            return True
        self._messages += item.message_count
        self._turns += item.kind == "turn"
        query = self.query
        is_enough = query.last_turns is not None and self._turns > query.last_turns
        is_too_much = query.last_messages is not None and self._messages > query.last_messages and self._turns > 1
        if is_enough or is_too_much:
            self.start = item.number + 1
            return False
        self.records.append(item.record())
        if item.uploads:
            self.uploads |= dict(zip(item.digests or (), item.uploads, strict=True))
        return True


async def _walked(container: Container, thread_id: str, query: ReadQuery, *, is_anew: bool = False) -> _Walk:
    walk = _Walk(query, after=0 if is_anew else query.after)
    known: RecordItem | None = None
    condition = "c.number >= @after AND (c.kind != 'gone' OR c.number = @after)"
    values: dict[str, object] = {"after": min(walk.after, HIGHEST_NUMBER)}
    if query.before is not None and query.before <= HIGHEST_NUMBER:
        condition += " AND (c.number < @before OR c.number > @highest)"
        values |= {"before": query.before, "highest": HIGHEST_NUMBER}
    pages = container.query(
        thread_partition(thread_id),
        condition,
        values,
        page=_page(query),
        order=NEWEST_FIRST,
    )
    is_full = False
    async with aclosing(pages):
        async for items in pages:
            walk.pages += 1
            for item in items:
                if isinstance(item, HeadItem):
                    walk.head = item if item.life == "alive" else None
                    walk.start = walk.lowest
                elif walk.head is None or not isinstance(item, RecordItem) or item.incarnation != walk.head.incarnation:
                    continue
                elif item.number == walk.after:
                    known = item
                elif not is_full and item.number <= walk.head.revision:
                    is_full = item.number < walk.lowest or not walk.take(item)
            if is_full or walk.head is None or not _is_same(query, walk.head):
                break
    if walk.after and walk.head is not None and not await _continues(container, walk, known):
        return await _walked(container, thread_id, query, is_anew=True)
    return walk


def _is_same(query: ReadQuery, head: HeadItem) -> bool:
    return is_same_history(query, incarnation=head.incarnation, edits=head.edits, rewritten=head.rewritten)


async def _continues(container: Container, walk: _Walk, known: RecordItem | None = None) -> bool:
    """Return True if the records after the query's position continue what its reader knows.

    Args:
        container: the container.
        walk: the walk, with the thread's head.
        known: the record at the query's position, if the walk has reached it.
    """
    query, head = walk.query, walk.head
    if head is None or not _is_same(query, head):
        return False
    if query.record_id is None or not query.after:
        return True
    if query.after >= head.revision:
        return (query.after, query.record_id) == (head.revision, head.record_id)
    if known is None:
        known = await record_at(container, head, query.after)
    return known is not None and known.original_id == query.record_id


def _page(query: ReadQuery) -> int:
    """Return the number of items of a page: enough for the window if a turn has two messages."""
    if query.last_turns is not None:
        return min(PAGE, query.last_turns + 3)
    if query.last_messages is not None:
        return min(PAGE, query.last_messages // 2 + 4)
    return PAGE


async def _was_cut(container: Container, then: HeadItem) -> bool:
    """Return True if records were removed or rewritten since `then`: the pages may mix two states of the thread."""
    now = (await load(container, then.thread_id)).alive
    return now is None or (now.incarnation, now.removals, now.rewritten) != (
        then.incarnation,
        then.removals,
        then.rewritten,
    )
