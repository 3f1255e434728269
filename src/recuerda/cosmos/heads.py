"""The head of a thread: its own item, and the rules for changing it.

`load` reads the head, and with it the turn that an append looks for. `changed` and its callers make the next head.
`Container.commit` replaces the old head by it. A guard is checked on the head that was read, and the commit succeeds
only if this head is still the present one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec

from recuerda.cosmos.container import Container
from recuerda.cosmos.items import HEAD_ID, HeadItem, RecordItem, record_item_id, thread_partition
from recuerda.storage.operations import Guard
from recuerda.storage.rules import check_last_step, check_state, check_user, owner_after
from recuerda.storage.thread_info import ThreadInfo

NEWEST_FIRST = "c.number DESC"


@dataclass(frozen=True, slots=True)
class Head:
    """The head of a thread as one query found it.

    Attributes:
        thread_id: the thread's id.
        item: the head; None if there is none.
        found: the records that have the id which `load` was given, removed or not.
    """

    thread_id: str
    item: HeadItem | None = None
    found: tuple[RecordItem, ...] = ()

    @property
    def alive(self) -> HeadItem | None:
        """The head, if the thread exists for its readers."""
        return self.item if self.item is not None and self.item.life == "alive" else None

    @property
    def revision(self) -> int:
        """The thread's revision; 0 without a thread."""
        return 0 if self.alive is None else self.alive.revision

    @property
    def held(self) -> RecordItem | None:
        """The record in `found` that the thread holds, or None."""
        return next((item for item in self.found if self.alive is not None and holds(self.alive, item)), None)

    @property
    def dropped(self) -> RecordItem | None:
        """The turn in `found` that the thread has dropped, or None."""
        if self.alive is None or self.held is not None:
            return None
        first = self.alive.first
        return next((item for item in self.found if item.kind == "gone" or item.number < first), None)

    def info(self) -> ThreadInfo | None:
        """Return the information about the thread; None if the thread does not exist."""
        return None if self.alive is None else self.alive.info()

    def check_user(self, guard: Guard) -> None:
        """Refuse the thread of another user."""
        check_user(self.thread_id, guard, None if self.alive is None else self.alive.user_id)

    def check_state(self, guard: Guard) -> None:
        """Refuse a thread that is not in the guard's state."""
        head = self.alive
        check_state(
            self.thread_id,
            guard,
            revision=self.revision,
            incarnation=None if head is None else head.incarnation,
            record_id="" if head is None else head.record_id,
            edits=0 if head is None else head.edits,
        )

    def check_last_step(self, guard: Guard, turn_id: str) -> None:
        """Refuse a draft that does not end with the guard's step."""
        draft = None if self.alive is None else self.alive.draft
        check_last_step(self.thread_id, guard, turn_id=turn_id, last_step="" if draft is None else draft.last_id)


def holds(head: HeadItem, item: RecordItem) -> bool:
    """Return True if a thread has a record; False if the record has been removed, even if its item is still there."""
    return (
        item.kind != "gone"
        and item.incarnation == head.incarnation
        and head.first <= item.number <= head.revision
        and not is_undone(head, item)
    )


def is_undone(head: HeadItem, item: RecordItem) -> bool:
    """Return True if an undo that is not finished removes a record: the turn itself, or a summary that covers it."""
    if head.undone is None:
        return False
    return item.number == head.undone or (item.kind == "summary" and (item.target or 0) >= head.undone)


def made_alive(head: HeadItem, now_us: int, guard: Guard) -> HeadItem:
    """Return the next head of a thread, which exists from now on.

    A thread without a record and a user becomes the guard's user's.
    """
    if head.life == "new":
        head = msgspec.structs.replace(head, life="alive", created_us=str(now_us), updated_us=str(now_us))
    user_id = owner_after(guard.user_id, owner=head.user_id, revision=head.revision)
    return msgspec.structs.replace(head, user_id=user_id, writes=head.writes + 1)


async def record_at(container: Container, head: HeadItem, number: int) -> RecordItem | None:
    """Read a record that a thread holds or remembers, by its number, with its id and without its body."""
    values = {"id": record_item_id(head.incarnation, number)}
    fields = "c.partition, c.id, c.kind, c.number, c.incarnation, c.record_id, c.removed_id"
    found = await container.query_all(head.partition, "c.id = @id", values, fields=fields)
    return next((item for item in found if isinstance(item, RecordItem)), None)


async def load(container: Container, thread_id: str, *, record_id: str | None = None) -> Head:
    """Read the head of a thread; with `record_id`, also the record with this id, without its body."""
    where, values = "c.id = @head", {"head": HEAD_ID}
    if record_id is not None:
        where, values = "c.id = @head OR c.record_id = @record_id", {"head": HEAD_ID, "record_id": record_id}
    return await _load(container, thread_id, where, values, fields=_FIELDS if record_id is not None else "*")


async def load_with_body(container: Container, thread_id: str, record_id: str) -> Head:
    """Read the head of a thread, and the record with an id."""
    values = {"head": HEAD_ID, "record_id": record_id}
    return await _load(container, thread_id, "c.id = @head OR c.record_id = @record_id", values, fields="*")


async def _load(container: Container, thread_id: str, where: str, values: Mapping[str, object], *, fields: str) -> Head:
    items = await container.query_all(thread_partition(thread_id), where, values, fields=fields)
    head = next((item for item in items if isinstance(item, HeadItem)), None)
    records = (item for item in items if isinstance(item, RecordItem))
    living = () if head is None else tuple(item for item in records if item.incarnation == head.incarnation)
    return Head(thread_id, head, living)


_BODIES = {"text", "data"}
_FIELDS = ", ".join(
    f"c.{field.encode_name}"
    for field in {
        field.encode_name: field
        for field in (*msgspec.structs.fields(HeadItem), *msgspec.structs.fields(RecordItem))
        if field.encode_name not in _BODIES
    }.values()
)
"""All fields of heads and records except the bodies."""
