"""The values that a storage's hooks get and return: the conditions of an operation, appends, reads and changes.

What a storage keeps is in `records.py`, `thread_info.py` and `drafts.py`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, TypeAlias

import msgspec

from recuerda.ids import check_count, check_id, check_limit
from recuerda.storage.records import NO_BLOBS, Blob, RecordKind, TurnRecord
from recuerda.storage.thread_info import ThreadInfo, ThreadParent


class Guard(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The conditions of an operation. The hook checks them in the same atomic step; see `check_user` and `check_state`.

    Attributes:
        user_id: the user for whom the operation is. A thread of another user is refused. A thread that is created, or
            that has no record and no user yet, becomes this user's. None for any user.
        revision: the revision that the thread must have; 0 for a thread without records or no thread. None for any.
        incarnation: the incarnation that the thread must have; None for any.
        record_id: the id that the newest record must have; None for any.
        edits: the `edits` that the thread must have; None for any.
        last_step: the id that the last step of the thread's draft must have; "" for no draft. None for any.
    """

    user_id: str | None = None
    revision: int | None = None
    incarnation: str | None = None
    record_id: str | None = None
    edits: int | None = None
    last_step: str | None = None


NO_GUARD = Guard()
"""No condition."""


class NewRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A record that the append hook of a storage has to write. It is complete except for its number.

    Attributes:
        id: the record's id, always set.
        target: as in `TurnRecord`. For a turn, the number of a turn that the thread must hold, and that it replaces.
        undo_id: for a turn that replaces another one, the id of the undo that is written before it.
        committed_us: the storage's time. It differs from `created_us` only if the turn came with a time of its own.
        is_new_id: True if the id has just been drawn at random. No thread can hold it yet, so no look-up is needed.
        keep_messages: after the append, drop the oldest whole turns until at most this number of messages is left.
            The new turn always stays.
        title: a title made of this turn, to be set if the thread has no title, and this is its first record or its
            made title is gone.
        blobs: the blobs that the body names, each digest once.
        call: a random number of this append. A storage that repeats an append because the answer was lost keeps the
            number with the record. A record with this number was written by the first attempt, and not by another
            append of the same id. 0 for a new id, because then the id itself tells.
    """

    id: str
    is_new_id: bool
    created_us: int
    committed_us: int
    message_count: int
    body: bytes
    kind: RecordKind = "turn"
    target: int | None = None
    keep_messages: int | None = None
    title: str | None = None
    call: int = 0
    blobs: tuple[Blob, ...] = ()
    undo_id: str = ""

    @property
    def replaced(self) -> int | None:
        """The number of the turn that this turn replaces; None for any other record."""
        return self.target if self.kind == "turn" else None

    def undo(self, number: int) -> TurnRecord:
        """Return the undo of the replaced turn, with this number. It stands in the thread before this record."""
        return TurnRecord(
            number=number,
            id=self.undo_id,
            created_us=self.committed_us,
            committed_us=self.committed_us,
            message_count=0,
            body=b"",
            kind="undo",
            target=self.target,
        )

    def numbered(self, number: int) -> TurnRecord:
        """Return the complete record, with this number."""
        return TurnRecord(
            number=number,
            id=self.id,
            created_us=self.created_us,
            committed_us=self.committed_us,
            message_count=self.message_count,
            body=self.body,
            kind=self.kind,
            target=self.target,
            blobs=tuple([blob.digest for blob in self.blobs]) if self.blobs else (),
        )


class Appended(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The outcome of an append.

    Attributes:
        revision: the number of `record`.
        replayed: True when the thread already held a record with this id before this append. Then nothing was written.
        record: the record that the thread holds under this id.
        created: True when this was the thread's first record.
    """

    revision: int
    replayed: bool
    record: TurnRecord
    created: bool = False


class UndoneTurn(msgspec.Struct, frozen=True, gc=False):
    """A turn that an undo has removed from a thread.

    Attributes:
        record: the turn.
        blobs: the bytes of its blobs by their digests. A blob that no other turn names is gone from the storage.
    """

    record: TurnRecord
    blobs: Mapping[str, bytes] = NO_BLOBS


class ReadQuery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The part of a thread to read; see `Storage.read` for the fields that are not described here.

    Attributes:
        after: the number of the last record that the reader knows; 0 starts a new read.
        incarnation: the incarnation of that record's thread; None for any.
        record_id: the id of that record; None for any.
        edits: the thread's `edits` at that time; None for any.
        digests: the digests of blobs to return, whichever turns are returned. A digest that the thread does not hold
            is left out.
        before: a number; no record with this number or a higher one is read. None for no limit.
    """

    after: int = 0
    incarnation: str | None = None
    record_id: str | None = None
    edits: int | None = None
    last_messages: int | None = None
    last_turns: int | None = None
    turn_id: str | None = None
    with_summary: bool = False
    blobs: int | None = 0
    digests: tuple[str, ...] = ()
    before: int | None = None

    def __post_init__(self) -> None:
        check_count(self.after, "after")
        if self.blobs:
            check_count(self.blobs, "blobs")
        if self.before is not None:
            check_limit(self.before, "before")
        if self.last_messages is not None:
            check_limit(self.last_messages, "last_messages")
        if self.last_turns is not None:
            check_count(self.last_turns, "last_turns")
        if self.turn_id is not None:
            check_id(self.turn_id, "turn id")

    def highest(self, revision: int) -> int:
        """Return the highest number that may be read from a thread with this revision."""
        return revision if self.before is None else min(revision, self.before - 1)


class ThreadSlice(msgspec.Struct, frozen=True, kw_only=True):
    """A consistent snapshot of a thread: the information about it, and the records that the query asked for.

    Attributes:
        info: the information about the thread; None if the thread does not exist.
        records: the records in order of their numbers. A slice that starts anew holds turns only. A slice that
            continues an earlier read also holds undos, trims and summaries.
        start: the number from which on `records` is complete, up to the query's `before`. (A slice that starts anew has
            all turns, but no other records.)
        is_continued: True if the records continue from `after`; False if the slice starts anew.
        found: the turn that the query asked for by id, or None.
        dropped: the number of the turn that the query asked for by id, if the thread dropped it and still knows its id.
        summary: the newest summary, if the query asked for it and the slice starts anew; `records` then starts after
            the last turn that it covers. Otherwise None.
        has_draft: True if a turn was begun on the thread and is neither committed nor dropped.
        blobs: the bytes that the query asked for, by their digests.
    """

    info: ThreadInfo | None
    records: tuple[TurnRecord, ...] = ()
    start: int = 1
    is_continued: bool = False
    found: TurnRecord | None = None
    dropped: int | None = None
    summary: TurnRecord | None = None
    has_draft: bool = False
    blobs: Mapping[str, bytes] = NO_BLOBS


class ThreadChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New settings of a thread. A field that is `UNSET` leaves its setting unchanged.

    Attributes:
        title_turn: the number of the turn from which `title` was made; None for a title that somebody has chosen. A
            made title that is only encrypted with another key still goes with its turn.
        metadata: the keys to set. A key with None is removed. All other keys stay.
        parent: the thread from which the thread was begun as a fork; None removes it.
        tags: all tags, in order and each once.
        changed_us: the time of the change, if it is not the storage's time. `rules.changed_after` applies it.
    """

    user_id: str | msgspec.UnsetType | None = msgspec.UNSET
    title: str | msgspec.UnsetType | None = msgspec.UNSET
    title_turn: int | None = None
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET
    parent: ThreadParent | msgspec.UnsetType | None = msgspec.UNSET
    archived: bool | msgspec.UnsetType = msgspec.UNSET
    tags: tuple[str, ...] | msgspec.UnsetType = msgspec.UNSET
    changed_us: int | None = None


Released: TypeAlias = Mapping[int, Sequence[str]]
"""The digests of blobs that turns no longer name, by the numbers of the turns."""


_NO_RELEASED: Released = MappingProxyType({})


class NewBodies(msgspec.Struct, frozen=True):
    """New bodies of records.

    Attributes:
        bodies: the new bodies by the numbers of the records.
        released: the digests of blobs that turns no longer name, by the numbers of the turns, which get new bodies.
    """

    bodies: Mapping[int, bytes]
    released: Released = _NO_RELEASED

    def released_by(self, number: int) -> Sequence[str]:
        """Return the digests of the blobs that a turn no longer names."""
        return self.released.get(number, ())
