"""The records of a thread, and the blobs that they name. They know nothing about messages.

A record's `body` is opaque bytes. Therefore a message type can change without a change in any backend, and encryption
can be a wrapper around a storage.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Literal, TypeAlias

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_time

SEAL = b"rc1"
"""The first bytes of an encrypted body; see `encryption/sealing.py`."""

RecordKind: TypeAlias = Literal["turn", "undo", "trim", "summary"]

MAX_MESSAGE_COUNT = 2**31 - 1
"""The largest number of messages in one turn."""

MAX_NUMBER = 2**32 - 1
"""The largest number of a record."""

REMEMBERED = 1000
"""The number of a thread's newest records whose ids are remembered, even when a trim or a limit has dropped them."""

NO_BLOBS: Mapping[str, bytes] = MappingProxyType({})
"""No bytes."""

_DIGEST = re.compile(r"[0-9a-f]{64}")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def from_microseconds(value: int) -> datetime:
    """Return the aware UTC time that is `value` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=value)


def to_microseconds(value: datetime) -> int:
    """Return the exact number of microseconds from 1970 to `value`."""
    return (value - _EPOCH) // timedelta(microseconds=1)


class Blob(msgspec.Struct, frozen=True, gc=False):
    """The bytes of a file, such as a picture. A thread keeps them once, beside the turns that name them.

    Attributes:
        digest: the SHA-256 of `data` in 64 lowercase hexadecimal digits. (In a storage that keeps encrypted values: a
            name of the same form.)
        data: the bytes.
    """

    digest: str
    data: bytes

    @classmethod
    def of(cls, data: bytes) -> Blob:
        """Return the blob of these bytes."""
        return cls(_digest(data), data)

    def check(self) -> None:
        """Check that the digest is that of the bytes. Encrypted bytes are not checked: they have a name instead.

        Raises:
            InvalidInput: it is not.
        """
        check_digest(self.digest)
        if not self.data.startswith(SEAL) and _digest(self.data) != self.digest:
            raise InvalidInput(f"the digest {self.digest} is not the SHA-256 of the blob's bytes: use Blob.of")


def _digest(data: bytes) -> str:
    import hashlib  # loads OpenSSL, which a program without files does not need

    return hashlib.sha256(data).hexdigest()


def check_digest(digest: str) -> None:
    """Check the form of a digest.

    Raises:
        InvalidInput: it does not have 64 lowercase hexadecimal digits.
    """
    if not _DIGEST.fullmatch(digest):
        raise InvalidInput("a blob's digest has 64 lowercase hexadecimal digits: use Blob.of")


# gc=False: a record is never in a reference cycle, and a long thread holds thousands of records that the collector
# would visit.
class TurnRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record of a thread's log.

    Most records are turns. An undo, a trim and a summary are records too, so that every change raises the revision.

    Attributes:
        number: the thread's revision after this record was written. It grows by one with each record.
        id: the record's id, unique in the thread. A retry with the same id writes nothing.
        created_us: the time at which the turn was said, in microseconds since 1970 (UTC). An imported turn keeps its
            earlier time. Retention goes by this time; no order depends on it.
        committed_us: the time at which this storage wrote the record, in the same unit.
        message_count: the number of messages in the body; 0 for every record that is not a turn.
        body: opaque bytes; empty for an undo or a trim.
        kind: "turn", "undo", "trim" or "summary".
        target: for an undo, the number of the turn that it removed; for a trim, the lowest number that it kept; for a
            summary, the last number that it covers; for a turn, the number of the turn that it replaced, or None.
        blobs: the digests of the blobs that a turn names.
    """

    number: int
    id: str
    created_us: int
    committed_us: int
    message_count: int
    body: bytes
    kind: RecordKind = "turn"
    target: int | None = None
    blobs: tuple[str, ...] = ()

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)

    def as_new_turn(self, blobs: Mapping[str, bytes] = NO_BLOBS) -> NewTurn:
        """Return this turn, to be appended to another thread under the same id and with the same time.

        Args:
            blobs: the bytes of the turn's blobs by their digests, as `Storage.read_blobs` returns them.

        Raises:
            InvalidInput: the bytes of a blob are missing.
        """
        if not blobs.keys() >= set(self.blobs):
            raise InvalidInput(f"turn {self.id!r} names a blob whose bytes are missing: read them with `read_blobs`")
        return NewTurn(
            body=self.body,
            message_count=self.message_count,
            id=self.id,
            created_us=self.created_us,
            blobs=tuple(Blob(digest, blobs[digest]) for digest in self.blobs),
        )


class NewTurn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A turn to append.

    Attributes:
        body: opaque bytes.
        message_count: the number of messages in the body, at least 1. Windows are cut by it.
        id: the caller's id for the turn, which makes a retry safe. None makes a new random id.
        created_us: the time of the turn, in microseconds since 1970 (UTC). None means now. A thread that is moved from
            another storage keeps its times.
        blobs: the bytes that the body names by their digests. The thread keeps them as long as it holds this turn, or
            another turn that names them, and once for all of these turns.

    Raises:
        InvalidInput: there are no messages, or the time is before 1970 or after the year 9999.
    """

    body: bytes
    message_count: int
    id: str | None = None
    created_us: int | None = None
    blobs: tuple[Blob, ...] = ()

    def __post_init__(self) -> None:
        if not 1 <= self.message_count <= MAX_MESSAGE_COUNT:
            raise InvalidInput(f"a turn holds 1 to {MAX_MESSAGE_COUNT} messages, not {self.message_count}")
        if self.created_us is not None:
            check_time(self.created_us, "a turn's time")
