"""The newest state of a graph, held to find out what the next checkpoint changes.

LangGraph hands over the whole state with every checkpoint. What is held here are copies that nobody else has, so a
message that a node changed in place is noticed. Comparing ten thousand messages takes milliseconds, and encodes none.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping
from typing import Any, cast

import msgspec
from langchain_core.messages import BaseMessage

from recuerda.interop.langgraph.collector import paused_collector
from recuerda.interop.langgraph.log import Log
from recuerda.interop.langgraph.messages import copied
from recuerda.interop.langgraph.records import CheckpointRecord, Entry
from recuerda.interop.langgraph.values import Values
from recuerda.json_value import JsonObject

_SIMPLE = frozenset((str, int, bool, type(None)))


class Held:
    """The value of one channel.

    Attributes:
        serial: the serial number of the checkpoint that has the entry.
        entry: the entry, if it holds a whole value or nothing.
        items: copies of the items, if the value is a list.
        is_whole: False if the first items of the list were trimmed.
    """

    __slots__ = ("entry", "is_whole", "items", "serial")

    def __init__(
        self, serial: int, *, entry: Entry | None = None, items: list[Any] | None = None, is_whole: bool = True
    ) -> None:
        self.serial: int = serial
        self.entry: Entry | None = entry
        self.items: list[Any] | None = items
        self.is_whole: bool = is_whole


class State:
    """A checkpoint with the values of its channels.

    Attributes:
        record: the checkpoint as it is stored.
        through: the number of the last record whose turn the state has.
        channels: the values, by the channels' names.
    """

    __slots__ = ("channels", "record", "through")

    def __init__(self, record: CheckpointRecord, through: int, channels: dict[str, Held]) -> None:
        self.record: CheckpointRecord = record
        self.through: int = through
        self.channels: dict[str, Held] = channels

    @classmethod
    def of_log(cls, log: Log, serial: int, values: Values) -> State:
        """Return the state of a checkpoint in a log."""
        record = log.checkpoint(serial)
        channels: dict[str, Held] = {}
        for channel in record.at:
            if (placed := log.entry(serial, channel)) is not None:
                place, entry = placed
                if entry.added is msgspec.UNSET:
                    channels[channel] = Held(place, entry=entry)
                else:
                    items, is_whole = log.items(place, channel)
                    channels[channel] = Held(place, items=log.decode(items, values), is_whole=is_whole)
        return cls(record, log.through(serial), channels)

    def channel_values(self, values: Values) -> dict[str, Any]:
        """Return the values of the channels, as objects that the caller may change."""
        found: dict[str, Any] = {}
        for channel, held in self.channels.items():
            if held.items is not None:
                with paused_collector():
                    found[channel] = [own_copy(item) for item in held.items]
            elif held.entry is not None and held.entry.value is not msgspec.UNSET:
                found[channel] = values.decode(held.entry.value)
        return found


def next_state(
    before: State | None, number: int, record: CheckpointRecord, shown: list[Any], values: Values
) -> State | None:
    """Return the state of a checkpoint; None if it builds on a state other than the given one.

    Args:
        before: the state of the checkpoint's parent, if it is known.
        number: the number of the checkpoint's record.
        record: the checkpoint.
        shown: the messages that its record shows.
        values: reads the values.
    """
    channels: dict[str, Held] = {}
    for channel, place in record.at.items():
        held = before.channels.get(channel) if before is not None else None
        if place == record.serial:
            held = _after(held, place, record.entries[channel], shown, values)
        if held is None or held.serial != place:
            return None
        channels[channel] = held
    return State(record, record.through(number), channels)


def _after(held: Held | None, serial: int, entry: Entry, shown: list[Any], values: Values) -> Held | None:
    if entry.added is msgspec.UNSET:
        return Held(serial, entry=entry)
    kept: list[Any] = []
    if entry.kept:
        if held is None or held.items is None or held.serial != entry.base or not held.is_whole:
            return None
        kept = held.items[: entry.kept]
    return Held(serial, items=kept + [values.decode(item, shown) for item in entry.added])


class Changes:
    """What a checkpoint stores of its channels.

    Args:
        before: the state of the parent; None if there is none.
        serial: the serial number of the checkpoint.
        values: writes values as JSON.
        shown_channel: the channel whose new messages every reader of the thread sees; None for no channel.
        shown_ids: the ids of messages that the thread shows already.
    """

    def __init__(
        self,
        before: State | None,
        serial: int,
        values: Values,
        *,
        shown_channel: str | None,
        shown_ids: Collection[str | None] = (),
    ) -> None:
        self._before: Mapping[str, Held] = before.channels if before is not None else {}
        self._versions = before.record.versions if before is not None else {}
        self._serial = serial
        self._values = values
        self._shown_channel = shown_channel
        self._shown_ids = frozenset(shown_ids)
        self.at: dict[str, int] = {}
        self.entries: dict[str, Entry] = {}
        self.shown: list[JsonObject] = []
        self.channels: dict[str, Held] = {}

    def add(self, channel: str, version: object, channel_values: Mapping[str, Any], *, is_new: bool) -> None:
        """Add a channel at its version.

        Args:
            channel: the channel's name.
            version: the channel's version.
            channel_values: the values of all channels that are not empty.
            is_new: True if the checkpoint gives the channel a new version.

        Raises:
            EncodeError: the value cannot be stored.
        """
        held = self._before.get(channel)
        if not is_new and held is not None and self._versions.get(channel) == version:
            self.at[channel] = held.serial
            self.channels[channel] = held
            return
        if channel not in channel_values and not is_new:
            return
        value = channel_values.get(channel)
        self.at[channel] = self._serial
        if channel not in channel_values:
            self._put(channel, Entry())
        elif type(value) is list:
            self._put_list(channel, cast("list[Any]", value), held)
        else:
            self._put(channel, Entry(value=self._values.encode(value, f"channel_values.{channel}")))

    def _put(self, channel: str, entry: Entry) -> None:
        self.entries[channel] = entry
        self.channels[channel] = Held(self._serial, entry=entry)

    def _put_list(self, channel: str, items: list[Any], held: Held | None) -> None:
        known = held.items if held is not None and held.items is not None else []
        # The list of a trimmed thread is stored anew, because its items are no longer at their places.
        former = known if held is not None and held.is_whole else []
        kept = self._same(former, items)
        # A short common start would make every later read go through the former list for little.
        kept = kept if 2 * kept >= len(former) else 0
        # A list that only grew has no message twice.
        shown = self._shown_ids.union([] if kept == len(known) else _ids_of(known))
        path = f"channel_values.{channel}"
        added = [self._encode(item, f"{path}[{i}]", channel, shown) for i, item in enumerate(items[kept:], kept)]
        self.entries[channel] = Entry(added=added, kept=kept, base=held.serial if held is not None and kept else 0)
        copies = former[:kept] + [self._copy(item) for item in items[kept:]]
        self.channels[channel] = Held(self._serial, items=copies)

    def _encode(self, item: object, path: str, channel: str, known: frozenset[str | None]) -> object:
        if channel == self._shown_channel and isinstance(item, BaseMessage) and (not item.id or item.id not in known):
            return self._values.encode_shown(item, path, self.shown)
        return self._values.encode(item, path)

    def _copy(self, item: object) -> object:
        """Return an item as it is when it is read back."""
        if type(item) in _SIMPLE or isinstance(item, BaseMessage):
            return own_copy(item)
        return self._values.decode(self._values.encode(item, "item"))

    def _same(self, former: list[Any], items: list[Any]) -> int:
        """Return the number of first items that have not changed."""
        for same, (held, item) in enumerate(zip(former, items, strict=False)):
            if type(held) is not type(item) or not (
                held.__dict__ == item.__dict__ and held.__pydantic_extra__ == item.__pydantic_extra__
                if isinstance(item, BaseMessage)
                else self._is_same(held, item)
            ):
                return same
        return min(len(former), len(items))

    def _is_same(self, held: object, item: object) -> bool:
        if type(item) in _SIMPLE:
            return held == item
        return self._values.fingerprint(held) == self._values.fingerprint(item)


def _ids_of(items: list[Any]) -> list[str | None]:
    return [item.id for item in items if isinstance(item, BaseMessage)]


def own_copy(item: Any) -> Any:
    """Return a copy that shares nothing that can change with the original."""
    if isinstance(item, BaseMessage):
        return copied(item)
    return item if type(item) in _SIMPLE else copy.deepcopy(item)
