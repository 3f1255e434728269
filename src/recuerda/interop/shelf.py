"""A shelf: a thread whose records hold items by their keys, and the labels of the shelves below.

It is not a conversation: its records have no messages. They are read once, and later only the new ones. A put is one
append. A deletion replaces the bodies of the records that hold the item, so that nothing of it is left in the thread.
When most records are outdated, the items are written anew and the old records are trimmed. `shelves` does the writing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec import structs

from recuerda.errors import CorruptTurn
from recuerda.storage import Appended, ThreadInfo, ThreadSlice, TurnRecord, Version

_FEW_RECORDS = 32
_CHUNK_BYTES = 100_000


class StoredItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """An item as it is stored.

    Attributes:
        key: the item's key.
        value: the item's value.
        index: the paths of the texts by which it is found; False if it is not found by a query; None for the store's
            own paths.
        ttl_us: the time for which the item stays after its last use, in microseconds; None for ever.
        expires_us: the time at which it ends, in microseconds since 1970; None for never.
        vectors: the vectors of its texts, in the format of `recall.vectors`.
        model: the model that made the vectors.
        created_us: the time of the first put. 0 stands for the time of the record, or of the item before it.
        updated_us: the time of the last put. 0 stands for the time of the record.
        used_us: the time of the last use since the last put; 0 if there was none.
        source: the number of the record of which this is a copy; 0 if it is none.
    """

    key: str
    value: dict[str, Any]
    index: list[str] | bool | None = None
    ttl_us: int | None = None
    expires_us: int | None = None
    vectors: list[bytes] = []
    model: str = ""
    created_us: int = 0
    updated_us: int = 0
    used_us: int = 0
    source: int = 0


class Use(msgspec.Struct, frozen=True, omit_defaults=True):
    """A use of an item.

    Attributes:
        key: the item's key.
        expires_us: the new end of the item, in microseconds since 1970; 0 leaves the end.
        used_us: the time of the use, in microseconds since 1970; 0 notes no time.
    """

    key: str
    expires_us: int = 0
    used_us: int = 0


class Contents(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a record of a shelf holds: items, uses of items, and labels of the shelves directly below."""

    items: list[StoredItem] = []
    uses: list[Use] = []
    below: list[str] = []


class _Wire(msgspec.Struct, frozen=True):
    contents: Contents = msgspec.field(default=Contents(), name="shelf")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Wire)


def encode_contents(contents: Contents) -> bytes:
    """Return the body of a record."""
    return _encoder.encode({"messages": [], "shelf": contents})


class Placed(msgspec.Struct, frozen=True):
    """An item with the number of the record that has it. A copy counts as the record of which it is a copy."""

    item: StoredItem
    source: int


class Shelf:
    """What is known of a shelf's thread.

    Args:
        thread_id: the thread's id.
        namespace: the labels that lead to the shelf from the topmost one.

    Attributes:
        thread_id: the thread's id.
        namespace: the labels that lead to the shelf.
        info: the thread at the last read or append; None if it does not exist.
        items: the items, by their keys, in the order in which they were put.
        below: the labels of the shelves directly below.
    """

    def __init__(self, thread_id: str, namespace: tuple[str, ...] = ()) -> None:
        self.thread_id = thread_id
        self.namespace = namespace
        self.info: ThreadInfo | None = None
        self.items: dict[str, Placed] = {}
        self.below: dict[str, None] = {}
        self._holders: dict[int, Contents] = {}

    @property
    def version(self) -> Version | int:
        """The version of the thread at the last read or append."""
        return 0 if self.info is None else self.info.version

    def take(self, found: ThreadSlice) -> None:
        """Take the records of a read.

        Raises:
            CorruptTurn: a record cannot be read.
        """
        if not found.is_continued:
            self.items.clear()
            self.below.clear()
            self._holders.clear()
        self.info = found.info
        for record in found.records:
            if record.kind == "trim":
                self._holders = {number: one for number, one in self._holders.items() if number >= (record.target or 0)}
            elif record.kind == "turn":
                self._add(record)

    def put(self, appended: Appended, contents: Contents) -> bool:
        """Take a record that was appended. Return False if the thread has changed otherwise, and must be read."""
        info = self.info
        if info is None or appended.replayed or appended.revision != info.revision + 1:
            return False
        self.info = structs.replace(info, revision=appended.revision, record_id=appended.record.id)
        self._fold(appended.record, contents)
        return True

    def living(self, now_us: int) -> list[StoredItem]:
        """Return the items that have not ended."""
        return [one.item for one in self.items.values() if _lives(one.item, now_us)]

    def find(self, key: str, now_us: int) -> StoredItem | None:
        """Return the item with a key; None if there is none, or if it has ended."""
        placed = self.items.get(key)
        return placed.item if placed is not None and _lives(placed.item, now_us) else None

    def without(self, keys: Iterable[str]) -> dict[int, bytes]:
        """Return the new bodies of the records that hold the items of these keys, without these items."""
        gone = set(keys)
        bodies: dict[int, bytes] = {}
        for number, contents in self._holders.items():
            items = [item for item in contents.items if item.key not in gone]
            uses = [use for use in contents.uses if use.key not in gone]
            if len(items) < len(contents.items) or len(uses) < len(contents.uses):
                bodies[number] = encode_contents(Contents(items, uses, contents.below))
        return bodies

    def is_empty_without(self, keys: Iterable[str]) -> bool:
        """Return True if nothing is left when the items of these keys are gone."""
        return not self.below and self.items.keys() <= set(keys)

    def is_outdated(self) -> bool:
        """Return True if most records hold nothing that counts."""
        return len(self._holders) > _FEW_RECORDS + 2 * (len(self.items) + len(self.below))

    def renewed(self, now_us: int) -> list[Contents]:
        """Return what the thread has to hold, in records of a moderate size."""
        parts: list[Contents] = [Contents(below=list(self.below))] if self.below else []
        items: list[StoredItem] = []
        size = 0
        for placed in self.items.values():
            if not _lives(placed.item, now_us):
                continue
            item = structs.replace(placed.item, source=placed.source)
            items.append(item)
            size += len(_encoder.encode(item))
            if size > _CHUNK_BYTES:
                parts.append(Contents(items=items))
                items, size = [], 0
        return [*parts, Contents(items=items)] if items or not parts else parts

    def _add(self, record: TurnRecord) -> None:
        try:
            contents = _decoder.decode(record.body).contents
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise CorruptTurn(self.thread_id, record.number, str(error)) from None
        self._fold(record, contents)

    def _fold(self, record: TurnRecord, contents: Contents) -> None:
        self._holders[record.number] = contents
        self.below.update(dict.fromkeys(contents.below))
        for item in contents.items:
            former = self.items.get(item.key)
            source = item.source or record.number
            if former is None or former.source < source:
                self.items.pop(item.key, None)
                self.items[item.key] = Placed(_dated(item, record, former), source)
        for use in contents.uses:
            if (placed := self.items.get(use.key)) is not None:
                self.items[use.key] = structs.replace(placed, item=_used(placed.item, use))


def _lives(item: StoredItem, now_us: int) -> bool:
    return item.expires_us is None or item.expires_us > now_us


def _dated(item: StoredItem, record: TurnRecord, former: Placed | None) -> StoredItem:
    updated_us = item.updated_us or record.created_us
    created_us = item.created_us or (former.item.created_us if former is not None else updated_us)
    return structs.replace(item, created_us=created_us, updated_us=updated_us)


def _used(item: StoredItem, use: Use) -> StoredItem:
    ends_us = item.expires_us
    expires_us = ends_us if ends_us is None else max(ends_us, use.expires_us)
    return structs.replace(item, expires_us=expires_us, used_us=max(item.used_us, use.used_us))
