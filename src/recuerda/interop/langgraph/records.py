"""The records of a graph's thread: one for each checkpoint, and one for each task's writes.

A record is a turn like any other: its body has `messages`, so that every reader of the thread sees the conversation.
Beside them, under `langgraph`, it has the checkpoint or the writes. A checkpoint holds only what it changed. For every
other channel it names the checkpoint that holds the channel's value. A list that only grew is stored as the items that
were added to the list of an earlier checkpoint.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, TypeAlias, cast

import msgspec

from recuerda.errors import CorruptTurn
from recuerda.json_value import Json, JsonObject
from recuerda.storage import TurnRecord

ChannelVersion: TypeAlias = str | int | float
Key: TypeAlias = tuple[str, str]
"""A checkpoint's namespace and id."""

_LONGEST_ID = 200


class Entry(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a checkpoint stores of one channel: a value, a list, or nothing if the channel is empty.

    Attributes:
        value: the whole value; unset if the entry is a list or empty.
        added: the items that follow the kept ones; unset if the entry is not a list.
        kept: the number of first items that come from the list of an earlier checkpoint.
        base: the serial number of the checkpoint that has this list; 0 if `kept` is 0.
    """

    value: Any | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="s")
    added: list[Any] | msgspec.UnsetType = msgspec.field(default=msgspec.UNSET, name="a")
    kept: int = msgspec.field(default=0, name="n")
    base: int = msgspec.field(default=0, name="b")


class CheckpointRecord(msgspec.Struct, frozen=True, omit_defaults=True, tag="checkpoint"):
    """A checkpoint as it is stored.

    Attributes:
        id: the checkpoint's id; "" if only its entries are left, because later checkpoints need them.
        ns: the checkpoint's namespace; "" for the graph itself, otherwise a subgraph's.
        parent: the id of the checkpoint before it.
        fields: the checkpoint without its channels, as `Checkpoint` names them.
        versions: the version of each channel.
        metadata: the checkpoint's metadata.
        serial: the checkpoint's serial number in its thread. Checkpoints name each other by it, and not by the numbers
            of records, which a copy of the thread may change.
        at: for each channel that has an entry, the serial number of the checkpoint that has it.
        entries: what the checkpoint itself stores.
        later: the number of records before this one that are newer than what the state has of other programs.
        is_hidden: True if the checkpoint was deleted, but later ones replay the writes that belong to it.
    """

    id: str
    ns: str = ""
    parent: str | None = None
    fields: Any = None
    versions: dict[str, ChannelVersion] = {}
    metadata: Any = None
    serial: int = 0
    at: dict[str, int] = {}
    entries: dict[str, Entry] = msgspec.field(default={}, name="set")
    later: int = 0
    is_hidden: bool = msgspec.field(default=False, name="hidden")

    @property
    def key(self) -> Key:
        """The namespace and the id."""
        return self.ns, self.id

    def through(self, number: int) -> int:
        """Return the number of the last record whose turn the state has, given the number of this record."""
        return number - 1 - self.later


class WritesRecord(msgspec.Struct, frozen=True, omit_defaults=True, tag="writes"):
    """What a task wrote while a checkpoint was the newest: the next checkpoint has it, or a resumed run uses it.

    Attributes:
        id: the checkpoint's id.
        ns: the checkpoint's namespace.
        task: the task's id.
        path: the task's path, by which writes are ordered.
        writes: the position, the channel and the value of each write.
    """

    id: str
    task: str
    writes: list[tuple[int, str, Any]]
    ns: str = ""
    path: str = ""

    @property
    def key(self) -> Key:
        """The namespace and the id of the checkpoint."""
        return self.ns, self.id


Kept: TypeAlias = CheckpointRecord | WritesRecord


class Body(msgspec.Struct, frozen=True, omit_defaults=True):
    """The body of a record. A turn that another program wrote has no `kept`."""

    messages: list[Any]
    kept: Kept | None = msgspec.field(default=None, name="langgraph")


class _Wire(msgspec.Struct, frozen=True):
    messages: list[Any]
    kept: Kept | None = msgspec.field(default=None, name="langgraph")


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(_Wire)


def encode_body(kept: Kept | None, shown: list[JsonObject]) -> bytes:
    """Return the body of a record.

    Args:
        kept: the checkpoint or the writes.
        shown: the messages that every reader of the thread sees.
    """
    return _encoder.encode(Body(shown, kept))


def decode_body(record: TurnRecord, thread_id: str) -> Body:
    """Return the body that `encode_body` wrote, or that of another program's turn.

    Raises:
        CorruptTurn: the body cannot be read.
    """
    try:
        wire = _decoder.decode(record.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptTurn(thread_id, record.number, str(error)) from None
    return Body(wire.messages, wire.kept)


def checkpoint_record_id(key: Key) -> str:
    """Return the id of the record of a checkpoint, so that a repeated `put` writes nothing."""
    ns, checkpoint_id = key
    if not ns and len(checkpoint_id.encode()) <= _LONGEST_ID:
        return checkpoint_id
    return sha256(_encoder.encode([ns, checkpoint_id])).hexdigest()[:32]


def writes_record_id(record: WritesRecord) -> str:
    """Return the id of a record of writes, so that a repeated `put_writes` writes nothing."""
    return sha256(_encoder.encode(record)).hexdigest()[:32]


def as_json(value: object) -> Json:
    """Return data that was read from a body as the JSON that it is."""
    return cast("Json", value)
