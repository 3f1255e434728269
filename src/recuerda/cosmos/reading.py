"""Reading: one query gives the thread's own item and then its records, newest first, until there is enough."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, field

from recuerda.cosmos.container import Backoff, Container
from recuerda.cosmos.heads import NEWEST_FIRST, Head, find, load, with_given
from recuerda.cosmos.items import HIGHEST_NUMBER, RecordItem, ThreadItem, thread_partition
from recuerda.records import ReadQuery, ThreadSlice, TurnRecord

PAGE = 100
"""How many items to ask for at a time, at most."""


async def read(container: Container, thread_id: str, query: ReadQuery) -> ThreadSlice:
    """Do `Storage._read`."""
    backoff = Backoff(container, thread_id)
    while True:
        found = await _read(container, thread_id, query)
        if found is not None:
            return found
        await backoff.wait()


async def _read(container: Container, thread_id: str, query: ReadQuery) -> ThreadSlice | None:
    """Read once; None when the thread was cut while its pages came."""
    if query.last_turns == 0:
        head = await load(container, thread_id)
        walk = _Walk(query, after=_after(query, head), head=head)
        walk.start = max(walk.after, head.revision) + 1
    else:
        walk = await _walked(container, thread_id, query)
        if walk.pages > 1 and await _was_cut(container, thread_id, walk.head):
            return None
    info = walk.head.info()
    if info is None:
        return ThreadSlice(info=None)
    container.revisions.note(thread_id, info.revision)
    turn = await find(container, walk.head, query.turn_id) if query.turn_id is not None else None
    return ThreadSlice(
        info=info,
        records=tuple(reversed(walk.records)),
        start=walk.start,
        found=None if turn is None else turn.record(),
    )


@dataclass(slots=True)
class _Walk:
    """From the newest record back, until there is enough."""

    query: ReadQuery
    after: int
    head: Head = field(default_factory=lambda: Head(thread=None))
    records: list[TurnRecord] = field(default_factory=list[TurnRecord])
    start: int = 1
    pages: int = 0
    _messages: int = 0
    _turns: int = 0

    def take(self, item: RecordItem) -> bool:
        """Take a record; False when it is one too many."""
        if item.kind == "gone" or item.number == self.head.undone or (item.kind != "turn" and not self.after):
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
        "c.number >= @after AND c.kind != 'gone' AND c.kind != 'draft'",
        {"after": min(walk.after, HIGHEST_NUMBER)},  # that record as well: it may be the newest
        page=_page(query),
        order=NEWEST_FIRST,
    )
    async with aclosing(pages):
        async for items in pages:
            walk.pages += 1
            for item in items:
                if isinstance(item, ThreadItem):
                    thread = item
                    walk.head = Head(thread=thread)
                    if not is_afresh and _after(query, walk.head) != walk.after:
                        return await _walked(container, thread_id, query, is_afresh=True)
                elif isinstance(item, RecordItem) and thread is not None and item.incarnation == thread.incarnation:
                    if walk.head.record is None:
                        walk.head = await _headed(container, thread, item)
                        walk.start = max(walk.after + 1, walk.head.first)
                    if item.number < max(walk.after + 1, walk.head.first) or not walk.take(item):
                        return walk
    if walk.head.record is None and walk.after and thread is not None:
        walk.head = await load(container, thread_id)  # a reader that is ahead of the thread
    walk.start = max(walk.after + 1, walk.head.first)
    return walk


async def _headed(container: Container, thread: ThreadItem, newest: RecordItem) -> Head:
    return await with_given(container, Head(thread=thread, record=newest))


def _page(query: ReadQuery) -> int:
    """Return how many items to ask for at a time: what the window needs, if a turn has two messages."""
    if query.last_turns is not None:
        return min(PAGE, query.last_turns + 3)
    if query.last_messages is not None:
        return min(PAGE, query.last_messages // 2 + 4)
    return PAGE


async def _was_cut(container: Container, thread_id: str, then: Head) -> bool:
    """Say whether turns have gone since: then what was read page by page may never have been the thread."""
    now = await load(container, thread_id, near=max(then.revision, 1))
    if now.thread is None or then.thread is None or now.thread.incarnation != then.thread.incarnation:
        return True
    since = [item for item in (*now.others, now.record) if item is not None and item.number > then.revision]
    return now.first != then.first or not now.is_complete or any(item.kind == "undo" for item in since)
