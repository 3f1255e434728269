"""The current state of a thread: its own item and its newest record, found by one query.

Everything else is derived from these two. The first step of a draft sorts between them. So the query gives it as well,
and an append knows whether there is a draft to tidy up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import msgspec

from recuerda.cosmos.container import Container
from recuerda.cosmos.items import (
    FIRST_STEP_ID,
    DraftItem,
    RecordItem,
    ThreadItem,
    record_item_id,
    thread_partition,
)
from recuerda.storage.records import ThreadInfo

NEWEST_FIRST = "c.number DESC"

_FIELDS = ", ".join(
    f"c.{name}"
    for name in (
        *("partition", "id", "kind", "_etag", "_ts", "number", "incarnation", "created_us", "user_id", "title"),
        *("is_set", "is_settled", "metadata", "changed_us", "changed_at", "changes"),
        *("record_id", "call", "target", "message_count", "first", "turns", "messages"),
        *("summary", "covered", "last_turn"),
        *("draft", "step", "turn_id", "revision", "base"),
    )
)
"""All fields except the bodies."""


@dataclass(frozen=True, slots=True)
class Head:
    """The state of a thread when one query read it.

    Attributes:
        thread: its own item, if there is one.
        record: its newest record, if there is one.
        given: its first record, until the user and the title have been copied from it to the thread's own item.
        draft: the first step of a draft, without its body. The draft may be valid or may have ended.
        others: older records that the query also gave, without their bodies.
        is_complete: True when all results of the query were read.
        has_leftovers: True when there are records of an incarnation that has ended.
    """

    thread: ThreadItem | None
    record: RecordItem | None = None
    given: RecordItem | None = None
    draft: DraftItem | None = None
    others: tuple[RecordItem, ...] = ()
    is_complete: bool = True
    has_leftovers: bool = False

    @property
    def living(self) -> ThreadItem | None:
        """The thread's own item; None if all its records have expired, because then the thread has to be recreated."""
        is_over = self.thread is not None and self.thread.is_settled and self.record is None
        return None if is_over else self.thread

    @property
    def exists(self) -> bool:
        """True if the thread exists for its readers."""
        return self.living is not None and (self.living.is_set or self.record is not None)

    @property
    def revision(self) -> int:
        """The thread's revision."""
        return 0 if self.record is None else self.record.number

    @property
    def first(self) -> int:
        """The number below which every turn is gone."""
        return 1 if self.record is None else self.record.first

    @property
    def undone(self) -> int | None:
        """The number of the turn that the newest record undoes. Turns undone earlier have been emptied since."""
        return self.record.target if self.record is not None and self.record.kind == "undo" else None

    @property
    def summary(self) -> int:
        """The number of the newest summary; 0 if there is none."""
        return self.record.summary if self.record is not None and self.record.summary >= self.first else 0

    @property
    def last_turn(self) -> int:
        """The number of the newest turn that was ever appended, even if the thread no longer has it."""
        if self.record is None or self.record.last_turn is None:
            return self.revision
        return self.record.last_turn

    @property
    def living_draft(self) -> DraftItem | None:
        """The first step of the draft, if the draft is valid."""
        if self.draft is None or self.draft.base < self.last_turn:
            return None
        is_same = self.living is None or self.draft.incarnation in (None, self.living.incarnation)
        return self.draft if is_same else None

    def takes_out(self, record: RecordItem) -> bool:
        """Return True if the newest record undoes this turn, or a turn that this summary covers."""
        if self.undone is None:
            return False
        return record.number == self.undone or (record.kind == "summary" and (record.target or 0) >= self.undone)

    def holds(self, record: RecordItem, kinds: tuple[str, ...] = ("turn",)) -> bool:
        """Return True if the thread has a record with this number and one of these kinds."""
        return (
            record.kind in kinds
            and self.thread is not None
            and record.incarnation == self.thread.incarnation
            and self.first <= record.number <= self.revision
            and not self.takes_out(record)
        )

    def info(self) -> ThreadInfo | None:
        """Return the information about the thread; None if the thread does not exist."""
        if not self.exists or self.thread is None:
            return None
        return describe(settled(self.thread, self.given), self.record)


def describe(thread: ThreadItem, record: RecordItem | None) -> ThreadInfo:
    """Return the information about a thread, from its own item and its newest record."""
    revision = 0 if record is None else record.number
    changed_us = thread.changed_us if thread.changed_at == revision else None
    updated_us = changed_us or (thread.created_us if record is None else record.created_us)
    return ThreadInfo(
        id=thread.partition.removeprefix(thread_partition("")),
        revision=revision,
        incarnation=thread.incarnation,
        first=1 if record is None else record.first,
        turns=0 if record is None else record.turns,
        messages=0 if record is None else record.messages,
        user_id=thread.user_id,
        title=thread.title,
        metadata=msgspec.json.decode(thread.metadata),
        created_us=int(thread.created_us),
        updated_us=int(updated_us),
    )


def settled(thread: ThreadItem, given: RecordItem | None) -> ThreadItem:
    """Return the thread's own item with the user, the title and the time of the first record."""
    if thread.is_settled or given is None:
        return thread
    return msgspec.structs.replace(
        thread,
        is_settled=True,
        user_id=given.user_id if thread.user_id is None else thread.user_id,
        title=given.title if thread.title is None else thread.title,
        created_us=thread.created_us if thread.is_set else given.created_us,
        changes=thread.changes + 1,
    )


async def load(container: Container, thread_id: str, *, near: int | None = None, record_id: str | None = None) -> Head:
    """Read the current state of a thread.

    Args:
        container: the container that has the thread.
        thread_id: the thread's id.
        near: the probable number of the newest record. The query also gives all records from this number on. None reads
            only the newest record.
        record_id: with `near`, the query also gives the turn with this id.
    """
    if near is None:
        return await _collect(container, thread_id, "c.number >= 0", page=3, only_head=True)
    where = "c.number >= @near OR c.record_id = @record_id" if record_id is not None else "c.number >= @near"
    values: dict[str, object] = {"near": near} if record_id is None else {"near": near, "record_id": record_id}
    head = await _collect(container, thread_id, where, values, page=12, only_head=False)
    if head.thread is not None and (head.record is None or head.record.number < near):
        return await load(container, thread_id)
    return head


async def _collect(
    container: Container,
    thread_id: str,
    where: str,
    values: Mapping[str, object] | None = None,
    *,
    page: int,
    only_head: bool,
) -> Head:
    thread: ThreadItem | None = None
    records: list[RecordItem] = []
    draft: DraftItem | None = None
    is_complete, has_leftovers = not only_head, False
    count = 0
    partition = thread_partition(thread_id)
    pages = container.query(partition, where, values, page=page, fields=_FIELDS, order=NEWEST_FIRST)
    async for items in pages:
        for item in items:
            if isinstance(item, ThreadItem):
                thread = item
            elif isinstance(item, DraftItem):
                draft = item if item.id == FIRST_STEP_ID else draft
            elif isinstance(item, RecordItem) and thread is not None and item.incarnation == thread.incarnation:
                records.append(item)
            else:
                has_leftovers = True
        count += len(items)
        if (records and (only_head or count >= page)) or (thread is None and has_leftovers):
            is_complete = False
            break
    await pages.aclose()
    head = Head(
        thread=thread,
        record=records[0] if records else None,
        draft=draft,
        others=tuple(records[1:]),
        is_complete=is_complete,
        has_leftovers=has_leftovers,
    )
    return await with_given(container, head)


async def with_given(container: Container, head: Head) -> Head:
    """Add the first record to a head that is not settled yet.

    A head is unsettled for a moment after the first record, or after a crash.
    """
    if head.thread is None or head.thread.is_settled or head.record is None:
        return head
    first = record_item_id(head.thread.incarnation, 1)
    found = await container.query_all(head.thread.partition, "c.id = @id", {"id": first}, fields=_FIELDS)
    given = next((item for item in found if isinstance(item, RecordItem)), None)
    return replace(head, given=given)


async def find(container: Container, head: Head, record_id: str) -> RecordItem | None:
    """Return the turn with an id, and its body; None if the thread does not have it."""
    if not head.exists or head.thread is None:
        return None
    found = await container.query_all(head.thread.partition, "c.record_id = @record_id", {"record_id": record_id})
    return next((item for item in found if isinstance(item, RecordItem) and head.holds(item)), None)


def may_hold(head: Head, record_id: str) -> bool:
    """Return False if the records in a head prove that the thread has no turn with this id."""
    known = (*head.others, *(() if head.record is None else (head.record,)))
    return not head.is_complete or any(item.record_id == record_id and head.holds(item) for item in known)
