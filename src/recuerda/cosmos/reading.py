"""The read of a thread: one query gives its own item and then its records, newest first, until the window is full."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field
from dataclasses import replace as replace_head

from msgspec.structs import replace

from recuerda.cosmos.container import Backoff, Container
from recuerda.cosmos.heads import NEWEST_FIRST, Head, find, load, with_given
from recuerda.cosmos.items import HIGHEST_NUMBER, DraftItem, RecordItem, ThreadItem, record_item_id, thread_partition
from recuerda.storage.records import ReadQuery, ThreadSlice, TurnRecord

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
    """Read once; None if turns were removed from the thread while its pages arrived."""
    if query.last_turns == 0:
        head = await load(container, thread_id)
        walk = _Walk(query, after=_after(query, head), head=head)
        walk.start = max(walk.after, head.revision) + 1
    else:
        walk = await _walked(container, thread_id, query)
        if walk.pages > 1 and await _was_cut(container, thread_id, walk.head):
            return None
    if walk.has_summary and walk.summary is None:
        walk.summary = await _summary(container, walk.head)
        if walk.summary is None:  # The turn has expired: give the turns that have not.
            return await _read(container, thread_id, replace(query, with_summary=False))
    info = walk.head.info()
    if info is None:
        return ThreadSlice(info=None, has_draft=walk.head.living_draft is not None)
    container.revisions.note(thread_id, info.revision)
    turn = await find(container, walk.head, query.turn_id) if query.turn_id is not None else None
    return ThreadSlice(
        info=info,
        records=tuple(reversed(walk.records)),
        start=walk.start,
        found=None if turn is None else turn.record(),
        summary=walk.summary,
        has_draft=walk.head.living_draft is not None,
    )


async def _summary(container: Container, head: Head) -> TurnRecord | None:
    """Return the newest summary if the walk did not reach it; otherwise None."""
    if head.thread is None:
        return None
    item_id = record_item_id(head.thread.incarnation, head.summary)
    found = await container.query_all(head.thread.partition, "c.id = @id AND c.kind = 'summary'", {"id": item_id})
    return next((item.record() for item in found if isinstance(item, RecordItem)), None)


@dataclass(slots=True)
class _Walk:
    """A walk from the newest record backwards, until the window is full."""

    query: ReadQuery
    after: int
    head: Head = field(default_factory=lambda: Head(thread=None))
    records: list[TurnRecord] = field(default_factory=list[TurnRecord])
    summary: TurnRecord | None = None
    start: int = 1
    pages: int = 0
    _messages: int = 0
    _turns: int = 0

    @property
    def has_summary(self) -> bool:
        """True if the query asks for the newest summary, and there is one."""
        return self.query.with_summary and not self.after and self.head.summary > 0

    @property
    def lowest(self) -> int:
        """The number of the first record that may be taken."""
        covered = self.head.record.covered if self.has_summary and self.head.record is not None else 0
        return max(self.after + 1, self.head.first, covered + 1)

    def take(self, item: RecordItem) -> bool:
        """Take a record; return False if the window is full without it."""
        if item.kind == "gone" or self.head.takes_out(item):
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
        return True


def _after(query: ReadQuery, head: Head) -> int:
    is_same = head.thread is None or query.incarnation in (None, head.thread.incarnation)
    return query.after if is_same else 0


async def _walked(container: Container, thread_id: str, query: ReadQuery, *, is_afresh: bool = False) -> _Walk:
    walk = _Walk(query, after=0 if is_afresh else query.after)
    thread: ThreadItem | None = None
    pages = container.query(
        thread_partition(thread_id),
        "c.number >= @after AND c.kind != 'gone'",
        {"after": min(walk.after, HIGHEST_NUMBER)},  # includes the record `after`, which may be the newest
        page=_page(query),
        order=NEWEST_FIRST,
    )
    async with aclosing(pages):
        async for items in pages:
            walk.pages += 1
            for item in items:
                if isinstance(item, ThreadItem):
                    thread = item
                    walk.head = Head(thread=thread, draft=walk.head.draft)
                    if not is_afresh and _after(query, walk.head) != walk.after:
                        return await _walked(container, thread_id, query, is_afresh=True)
                elif isinstance(item, DraftItem):
                    walk.head = replace_head(walk.head, draft=item if item.step == 1 else walk.head.draft)
                elif isinstance(item, RecordItem) and thread is not None and item.incarnation == thread.incarnation:
                    if walk.head.record is None:
                        walk.head = await with_given(container, replace_head(walk.head, record=item))
                        walk.start = walk.lowest
                    if item.number < walk.lowest or not walk.take(item):
                        return walk
    if walk.head.record is None and walk.after and thread is not None:
        walk.head = await load(container, thread_id)  # the reader is ahead of the thread
    walk.start = walk.lowest
    return walk


def _page(query: ReadQuery) -> int:
    """Return the number of items of a page: enough for the window if a turn has two messages."""
    if query.last_turns is not None:
        return min(PAGE, query.last_turns + 3)
    if query.last_messages is not None:
        return min(PAGE, query.last_messages // 2 + 4)
    return PAGE


async def _was_cut(container: Container, thread_id: str, then: Head) -> bool:
    """Return True if turns were removed since `then`. In that case, the pages may mix two states of the thread."""
    now = await load(container, thread_id, near=max(then.revision, 1))
    if now.thread is None or then.thread is None or now.thread.incarnation != then.thread.incarnation:
        return True
    since = [item for item in (*now.others, now.record) if item is not None and item.number > then.revision]
    return now.first != then.first or not now.is_complete or any(item.kind == "undo" for item in since)
