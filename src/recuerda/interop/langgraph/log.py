"""The checkpoints in a thread's records: which ones there are, and the values of their channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, TypeAlias

import msgspec
from langgraph.checkpoint.base import WRITES_IDX_MAP, PendingWrite, writes_sort_key

from recuerda.interop.langgraph.collector import paused_collector
from recuerda.interop.langgraph.others import OtherTurn
from recuerda.interop.langgraph.records import (
    Body,
    CheckpointRecord,
    Entry,
    Key,
    WritesRecord,
    as_json,
    decode_body,
)
from recuerda.interop.langgraph.values import Values
from recuerda.storage import TurnRecord

Item: TypeAlias = tuple[int, Any]
"""An item of a list: the serial number of the checkpoint that has it, and its JSON."""


class _Placed(NamedTuple):
    number: int
    record: CheckpointRecord
    shown: list[Any]


class Log:
    """The checkpoints and writes in the records of a thread, as far as the thread has them.

    A trim may have deleted the oldest records. Then a value that was stored there is missing, and a list begins with
    its first item that is left.

    Attributes:
        bodies: every record's body, by its number.
        checkpoints: the serial numbers of the checkpoints, in the order in which they were put.
        hidden: the serial numbers of deleted checkpoints that later ones still need.
        others: the turns that other programs added.
        writes: the writes that belong to each checkpoint, in the order in which they were put.
        serial: the highest serial number; 0 without a checkpoint.
    """

    def __init__(self, records: Iterable[TurnRecord], thread_id: str) -> None:
        self.bodies: dict[int, Body] = {}
        self.others: list[OtherTurn] = []
        self.checkpoints: dict[Key, int] = {}
        self.hidden: dict[Key, int] = {}
        self.writes: dict[Key, list[WritesRecord]] = {}
        self.serial: int = 0
        self._placed: dict[int, _Placed] = {}
        self._decoded: dict[int, Any] = {}
        for record in records:
            self._add(record, decode_body(record, thread_id))

    @property
    def newest(self) -> dict[str, str]:
        """The id of the newest checkpoint of each namespace."""
        return dict(tuple(self.checkpoints))

    def checkpoint(self, serial: int) -> CheckpointRecord:
        """Return the checkpoint with a serial number."""
        return self._placed[serial].record

    def find(self, key: Key) -> int | None:
        """Return the serial number of a checkpoint, also of a hidden one; None if it is not there."""
        return self.checkpoints.get(key) or self.hidden.get(key)

    def ancestors(self, key: Key) -> Iterator[tuple[Key, int]]:
        """Yield the checkpoints before a checkpoint, the newest first, as far as they are still there."""
        serial = self.find(key)
        while serial is not None and (parent := self.checkpoint(serial).parent) is not None:
            above = (key[0], parent)
            serial = self.find(above)
            if serial is not None:
                yield above, serial

    def entry(self, serial: int, channel: str) -> tuple[int, Entry] | None:
        """Return the entry that has a channel's value at a checkpoint, with the serial number of its checkpoint."""
        place = self.checkpoint(serial).at.get(channel, 0)
        placed = self._placed.get(place)
        entry = None if placed is None else placed.record.entries.get(channel)
        return None if entry is None else (place, entry)

    def chain(self, serial: int, channel: str) -> Iterator[tuple[int, Entry]]:
        """Yield an entry, and the entries of earlier checkpoints on which it is built, as far as they are there."""
        while (placed := self._placed.get(serial)) is not None and channel in placed.record.entries:
            entry = placed.record.entries[channel]
            yield serial, entry
            serial = entry.base

    def items(self, serial: int, channel: str) -> tuple[list[Item], bool]:
        """Return the items of the list that an entry gives, and whether these are all."""
        links = list(self.chain(serial, channel))
        missing = links[-1][1].kept
        items: list[Item] = []
        for place, entry in reversed(links):
            del items[max(0, entry.kept - missing) :]
            items += [(place, item) for item in entry.added or ()]
        return items, not missing

    def decode(self, items: Iterable[Item], values: Values) -> list[Any]:
        """Return the items of a list. The lists of several checkpoints share their items, so nobody may change them."""
        with paused_collector():
            return [self._decoded_item(serial, item, values) for serial, item in items]

    def _decoded_item(self, serial: int, item: Any, values: Values) -> Any:
        place = id(item)
        if place not in self._decoded:
            self._decoded[place] = values.decode(as_json(item), self._placed[serial].shown)
        return self._decoded[place]

    def channel_values(self, serial: int, values: Values, channels: Iterable[str]) -> dict[str, Any]:
        """Return the values of channels at a checkpoint; empty channels are left out."""
        found: dict[str, Any] = {}
        for channel in channels:
            if (placed := self.entry(serial, channel)) is not None:
                place, entry = placed
                if entry.added is not msgspec.UNSET:
                    found[channel] = self.decode(self.items(place, channel)[0], values)
                elif entry.value is not msgspec.UNSET:
                    found[channel] = values.decode(entry.value)
        return found

    def others_after(self, serial: int | None) -> list[OtherTurn]:
        """Return the turns of other programs that a checkpoint of the graph does not have; all if there is none."""
        through = 0 if serial is None else self.through(serial)
        return [turn for turn in self.others if turn.number > through]

    def through(self, serial: int) -> int:
        """Return the number of the last record whose turn a checkpoint of the graph has."""
        placed = self._placed[serial]
        return placed.record.through(placed.number)

    def _add(self, record: TurnRecord, body: Body) -> None:
        number = record.number
        self.bodies[number] = body
        kept = body.kept
        if isinstance(kept, WritesRecord):
            self.writes.setdefault(kept.key, []).append(kept)
        elif kept is not None:
            self._placed[kept.serial] = _Placed(number, kept, body.messages)
            self.serial = max(self.serial, kept.serial)
            if kept.id:
                (self.hidden if kept.is_hidden else self.checkpoints)[kept.key] = kept.serial
        elif body.messages:
            self.others.append(OtherTurn(number, record.id, body.messages))


def pending_writes(records: Iterable[WritesRecord], values: Values) -> list[PendingWrite]:
    """Return the writes of a checkpoint in LangGraph's order.

    A write that is put again is kept as it was first put, but of the special writes, such as an interrupt, the last one
    counts.
    """
    found: dict[tuple[str, int], tuple[str, str, Any]] = {}
    for record in records:
        for position, channel, value in record.writes:
            place = (record.task, position)
            if position < 0 or place not in found:
                found[place] = (record.path, channel, value)
    order = sorted(found, key=lambda place: writes_sort_key(found[place][0], *place))
    return [(place[0], found[place][1], values.decode(found[place][2])) for place in order]


def position_of(channel: str, index: int) -> int:
    """Return the position of a write: a negative number for a special channel."""
    return WRITES_IDX_MAP.get(channel, index)
