"""The checkpoints in a thread's records: which ones there are, and the values of their channels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias, cast

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
"""An item of a list: the number of the record that has it, and its JSON."""


class Log:
    """The checkpoints and writes in records that were read from the start of a thread.

    Attributes:
        bodies: every record's body, by its number.
        checkpoints: the numbers of the checkpoints, in the order in which they were put.
        hidden: the numbers of deleted checkpoints that later ones still need.
        others: the turns that other programs added.
        writes: the writes that belong to each checkpoint, in the order in which they were put.
    """

    def __init__(self, records: Iterable[TurnRecord], thread_id: str) -> None:
        self.bodies: dict[int, Body] = {}
        self.others: list[OtherTurn] = []
        self.checkpoints: dict[Key, int] = {}
        self.hidden: dict[Key, int] = {}
        self.writes: dict[Key, list[WritesRecord]] = {}
        for record in records:
            self._add(record, decode_body(record, thread_id))

    @property
    def newest(self) -> dict[str, str]:
        """The id of the newest checkpoint of each namespace."""
        return dict(tuple(self.checkpoints))

    def checkpoint(self, number: int) -> CheckpointRecord:
        """Return the checkpoint of a record."""
        kept = self.bodies[number].kept
        return cast("CheckpointRecord", kept)

    def ancestors(self, key: Key) -> Iterator[tuple[Key, int]]:
        """Yield the checkpoints before a checkpoint, the newest first, as far as they are still there."""
        number = self._number(key)
        while number is not None and (parent := self.checkpoint(number).parent) is not None:
            above = (key[0], parent)
            number = self._number(above)
            if number is not None:
                yield above, number

    def entry(self, number: int, channel: str) -> tuple[int, Entry] | None:
        """Return the entry that has a channel's value at a checkpoint, with its record's number."""
        place = self.checkpoint(number).at.get(channel)
        if place is None:
            return None
        place = place or number
        return place, self.checkpoint(place).entries[channel]

    def chain(self, number: int, channel: str) -> Iterator[tuple[int, Entry]]:
        """Yield the entry of a record, and the entries of earlier records on which it is built."""
        entry = self.checkpoint(number).entries[channel]
        yield number, entry
        while entry.kept:
            number = entry.base
            entry = self.checkpoint(number).entries[channel]
            yield number, entry

    def items(self, number: int, channel: str) -> list[Item]:
        """Return the items of the list that an entry gives."""
        items: list[Item] = []
        for place, entry in reversed(list(self.chain(number, channel))):
            del items[entry.kept :]
            items += [(place, item) for item in entry.added or ()]
        return items

    def decode(self, items: Iterable[Item], values: Values) -> list[Any]:
        """Return the items of a list."""
        with paused_collector():
            return [values.decode(as_json(item), self.bodies[number].messages) for number, item in items]

    def channel_values(self, number: int, values: Values, channels: Iterable[str]) -> dict[str, Any]:
        """Return the values of channels at a checkpoint; empty channels are left out."""
        found: dict[str, Any] = {}
        for channel in channels:
            if (placed := self.entry(number, channel)) is not None:
                place, entry = placed
                if entry.added is not msgspec.UNSET:
                    found[channel] = self.decode(self.items(place, channel), values)
                elif entry.value is not msgspec.UNSET:
                    found[channel] = values.decode(entry.value)
        return found

    def _number(self, key: Key) -> int | None:
        return self.checkpoints.get(key) or self.hidden.get(key)

    def others_after(self, number: int | None) -> list[OtherTurn]:
        """Return the turns of other programs that a checkpoint of the graph does not have; all if there is none."""
        through = 0 if number is None else self.checkpoint(number).through
        return [turn for turn in self.others if turn.number > through]

    def _add(self, record: TurnRecord, body: Body) -> None:
        number = record.number
        self.bodies[number] = body
        kept = body.kept
        if kept is None and body.messages:
            self.others.append(OtherTurn(number, record.id, body.messages))
        elif isinstance(kept, WritesRecord):
            self.writes.setdefault(kept.key, []).append(kept)
        elif kept is not None and kept.id:
            (self.hidden if kept.is_hidden else self.checkpoints)[kept.key] = number


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
