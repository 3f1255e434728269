"""The format of the bytes that are stored on the server and exchanged with scripts.

A record consists of a fixed header, its id and its body. The header starts with the number, which the script adds.
A turn that was said before it was committed has the time of its commit (eight bytes) after its id, and its kind has
`WITH_TIME` added. A record whose id the caller gave has `NewRecord.call` (eight bytes) before its body, and its kind
has `WITH_CALL` added. A turn that names blobs has their number (two bytes) and their digests (32 bytes each) before
its body, and its kind has `WITH_BLOBS` added. A step of a draft consists of the length of its head, the head and the
body. Scripts read these parts, so `scripts/` depends on the layout. Everything else is MessagePack.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeAlias

import msgspec

from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import NO_GUARD, Guard, NewRecord
from recuerda.storage.records import RecordKind, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent

_KINDS: tuple[RecordKind, ...] = ("turn", "undo", "trim", "summary")
_HEADER = struct.Struct(">IIQBIH")
"""Number, message count, time, kind, target and length of the id: 23 bytes."""
_UNNUMBERED = struct.Struct(">IQBIH")
WITH_TIME, WITH_CALL, WITH_BLOBS = 128, 64, 32
STRANGER, CONFLICT, DROPPED, NO_STEP, GONE = 1, 2, 3, 4, 5

Refusal: TypeAlias = list[int]
"""The reply of a script that has written nothing: one of the four reasons above, and a number.

The number is the thread's revision for `CONFLICT` and `GONE`, and the number of the turn for `DROPPED`.
"""


class Head(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A thread's head: the counts and settings that scripts need.

    `user_id` is False if the thread has no user. `summary` is the number of the newest summary, which may be lower than
    `first`; 0 if there is none. `title_turn` is False for None. `tags` is JSON, or False if there are no tags.
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
    record_id: str
    edits: int
    rewritten: int
    title_turn: int | bool
    archived: bool
    tags: str | bool


class Look(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A script's reply about a thread.

    `records` starts with the newest record. `dropped` is 0 for None. `blobs` has the digest and the bytes of each blob
    in turn.
    """

    head: Head
    title: bytes | None
    metadata: bytes | None
    parent: bytes | None
    found: bytes | None
    dropped: int
    summary: bytes | None
    has_draft: bool
    is_continued: bool
    start: int
    records: list[bytes]
    blobs: list[bytes] = []

    def info(self, thread_id: str) -> ThreadInfo:
        """Return the information about the thread."""
        return info_of(thread_id, self.head, self.title, self.metadata, self.parent)


pack: Callable[[object], bytes] = msgspec.msgpack.Encoder().encode
read_look: Callable[[bytes], Look] = msgspec.msgpack.Decoder(Look).decode
read_head: Callable[[bytes], Head] = msgspec.msgpack.Decoder(Head).decode
_read_texts = msgspec.msgpack.Decoder(list[str]).decode
_read_step_head = msgspec.msgpack.Decoder(tuple[str, int, int, int, str]).decode


def digits(time_us: int) -> str:
    """Return a time as a text of 18 digits, so that texts sort like times."""
    return f"{time_us:018}"


def pack_guard(guard: Guard) -> bytes:
    """Return a guard's bytes."""
    if guard is NO_GUARD:
        return _NO_GUARD
    return pack((guard.user_id, guard.revision, guard.incarnation, guard.record_id, guard.edits, guard.last_step))


_NO_GUARD = pack((None,) * 6)


def pack_metadata(metadata: dict[str, Any]) -> list[str | bool]:
    """Return keys and values in turn. A value is JSON, which scripts do not read; False removes its key."""
    values = (False if value is None else msgspec.json.encode(value).decode() for value in metadata.values())
    return list(chain.from_iterable(zip(metadata, values, strict=True)))


def pack_record(record: NewRecord) -> bytes:
    """Return a record's bytes without its number."""
    name = record.id.encode()
    kind, time, call = _KINDS.index(record.kind), b"", b""
    if record.committed_us != record.created_us:
        kind, time = kind + WITH_TIME, record.committed_us.to_bytes(8)
    if record.call:
        kind, call = kind + WITH_CALL, record.call.to_bytes(8)
    digests = [digest_bytes(blob.digest) for blob in record.blobs]
    if digests:
        kind, call = kind + WITH_BLOBS, b"".join((call, len(digests).to_bytes(2), *digests))
    header = _UNNUMBERED.pack(record.message_count, record.created_us, kind, record.target or 0, len(name))
    return b"".join((header, name, time, call, record.body))


def digest_bytes(digest: str) -> bytes:
    """Return a blob's digest as 32 bytes."""
    return bytes.fromhex(digest)


def read_blobs(flat: list[bytes]) -> dict[str, bytes]:
    """Return the blobs of a `Look` by their digests."""
    return {digest.hex(): data for digest, data in zip(flat[::2], flat[1::2], strict=True)}


def blob_arguments(record: NewRecord) -> list[bytes]:
    """Return the digest and the bytes of each of a record's blobs in turn."""
    return [part for blob in record.blobs for part in (digest_bytes(blob.digest), blob.data)]


def read_record(data: bytes) -> TurnRecord:
    """Return the record that these bytes contain."""
    return read_call(data)[0]


def read_call(data: bytes) -> tuple[TurnRecord, int]:
    """Return the record that these bytes contain, and the number of the call that wrote it; 0 for a new id."""
    fields: tuple[int, int, int, int, int, int] = _HEADER.unpack_from(data)
    number, count, created_us, kind, target, length = fields
    start = end = _HEADER.size + length
    committed_us, call = created_us, 0
    if kind & WITH_TIME:
        start += 8
        committed_us = int.from_bytes(data[end:start])
    if kind & WITH_CALL:
        start += 8
        call = int.from_bytes(data[start - 8 : start])
    blobs: tuple[str, ...] = ()
    if kind & WITH_BLOBS:
        first, count_at = start + 2, start
        start = first + 32 * int.from_bytes(data[count_at:first])
        blobs = tuple(data[at : at + 32].hex() for at in range(first, start, 32))
    kind &= ~(WITH_TIME | WITH_CALL | WITH_BLOBS)
    record = TurnRecord(
        number=number,
        id=data[_HEADER.size : end].decode(),
        created_us=created_us,
        committed_us=committed_us,
        message_count=count,
        body=data[start:],
        kind=_KINDS[kind],
        target=target if kind else target or None,
        blobs=blobs,
    )
    return record, call


def pack_step_head(step: DraftStep) -> bytes:
    """Return the bytes that precede a step's body: the length of its head and the head."""
    head = pack((step.turn_id, step.revision, step.number, step.created_us, step.id))
    return len(head).to_bytes(2) + head


def read_step(data: bytes) -> DraftStep:
    """Return the step that these bytes contain."""
    length = int.from_bytes(data[:2])
    turn_id, revision, number, created_us, id = _read_step_head(data[2 : 2 + length])
    body = data[2 + length :]
    return DraftStep(turn_id=turn_id, revision=revision, number=number, body=body, created_us=created_us, id=id)


def info_of(
    thread_id: str, head: Head, title: bytes | None, metadata: bytes | None, parent: bytes | None
) -> ThreadInfo:
    """Return the information about a thread with this head, title, metadata and parent."""
    return ThreadInfo(
        id=thread_id,
        revision=head.revision,
        incarnation=head.incarnation,
        record_id=head.record_id,
        edits=head.edits,
        rewritten=head.rewritten,
        first=head.first,
        turns=head.turns,
        messages=head.messages,
        user_id=head.user_id if isinstance(head.user_id, str) else None,
        title=None if title is None else title.decode(),
        title_turn=None if head.title_turn is False else head.title_turn,
        metadata={} if metadata is None else _read_metadata(metadata),
        created_us=int(head.created),
        updated_us=int(head.updated),
        archived=head.archived,
        tags=msgspec.json.decode(head.tags, type=tuple[str, ...]) if isinstance(head.tags, str) else (),
        parent=None if parent is None else msgspec.json.decode(parent, type=ThreadParent),
    )


def _read_metadata(data: bytes) -> dict[str, Any]:
    flat = _read_texts(data)
    return {key: msgspec.json.decode(value) for key, value in zip(flat[::2], flat[1::2], strict=True)}
