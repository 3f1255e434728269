"""The format of the bytes that are stored on the server and exchanged with scripts.

A record consists of a fixed header, its id and its body. The header starts with the number, which the script adds.
Scripts read the message count and the id from the header, so `lua.py` and `scripts.py` depend on its layout. A step of
a draft consists of the length of its head, the head and the body; scripts read this too. Everything else is
MessagePack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

import msgspec

from recuerda.storage.records import DraftStep, NewRecord, RecordKind, ThreadInfo, TurnRecord

_KINDS: tuple[RecordKind, ...] = ("turn", "undo", "trim", "summary")
_HEADER = struct.Struct(">IIQBIH")
"""Number, message count, time, kind, target and length of the id: 23 bytes."""
_UNNUMBERED = struct.Struct(">IQBIH")


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A thread's head: the counts and settings that scripts need.

    `user_id` is False if the thread has no user. `summary` is the number of the newest summary, which may be lower than
    `first`; 0 if there is none.
    """

    revision: int
    incarnation: str
    first: int
    turns: int
    messages: int
    user_id: str | bool
    created: str
    updated: str
    summary: int


class Look(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A script's reply about a thread. `records` starts with the newest record."""

    head: Head
    title: bytes | None
    metadata: bytes | None
    found: bytes | None
    summary: bytes | None
    has_draft: bool
    start: int
    records: list[bytes]

    def info(self, thread_id: str) -> ThreadInfo:
        """Return the information about the thread."""
        return info_of(thread_id, self.head, self.title, self.metadata)


pack: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
read_look: Callable[[bytes], Look] = msgspec.msgpack.Decoder(Look).decode
read_head: Callable[[bytes], Head] = msgspec.msgpack.Decoder(Head).decode
_read_step_head = msgspec.msgpack.Decoder(tuple[str, int, int, int]).decode


def digits(time_us: int) -> str:
    """Return a time as a text of 18 digits, so that texts sort like times."""
    return f"{time_us:018}"


def pack_record(record: NewRecord) -> bytes:
    """Return a record's bytes without its number."""
    name = record.id.encode()
    header = _UNNUMBERED.pack(
        record.message_count, record.created_us, _KINDS.index(record.kind), record.target or 0, len(name)
    )
    return b"".join((header, name, record.body))


def read_record(data: bytes) -> TurnRecord:
    """Return the record that these bytes contain."""
    fields: tuple[int, int, int, int, int, int] = _HEADER.unpack_from(data)
    number, count, created_us, kind, target, length = fields
    end = _HEADER.size + length
    return TurnRecord(
        number=number,
        id=data[_HEADER.size : end].decode(),
        created_us=created_us,
        message_count=count,
        body=data[end:],
        kind=_KINDS[kind],
        target=target if kind else None,
    )


def pack_step_head(step: DraftStep) -> bytes:
    """Return the bytes that precede a step's body: the length of its head and the head."""
    head = pack((step.turn_id, step.revision, step.number, step.created_us))
    return len(head).to_bytes(2) + head


def read_step(data: bytes) -> DraftStep:
    """Return the step that these bytes contain."""
    length = int.from_bytes(data[:2])
    turn_id, revision, number, created_us = _read_step_head(data[2 : 2 + length])
    body = data[2 + length :]
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body, created_us=created_us)


def info_of(thread_id: str, head: Head, title: bytes | None, metadata: bytes | None) -> ThreadInfo:
    """Return the information about a thread with this head, title and metadata."""
    settings: dict[str, Any] = {} if metadata is None else msgspec.json.decode(metadata)
    return ThreadInfo(
        id=thread_id,
        revision=head.revision,
        incarnation=head.incarnation,
        first=head.first,
        turns=head.turns,
        messages=head.messages,
        user_id=head.user_id if isinstance(head.user_id, str) else None,
        title=None if title is None else title.decode(),
        metadata=settings,
        created_us=int(head.created),
        updated_us=int(head.updated),
    )
