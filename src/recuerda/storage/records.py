"""The plain values that a storage takes, keeps and returns. They know nothing about messages.

A record's `body` is opaque bytes. Therefore a message type can change without a change in any backend, and encryption
can be a wrapper around a storage.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_count, check_id, check_limit, check_time, new_id

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

Released: TypeAlias = Mapping[int, Sequence[str]]
"""The digests of blobs that turns no longer name, by the numbers of the turns."""

_NO_RELEASED: Released = MappingProxyType({})

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


class UndoneTurn(msgspec.Struct, frozen=True, gc=False):
    """A turn that an undo has removed from a thread.

    Attributes:
        record: the turn.
        blobs: the bytes of its blobs by their digests. A blob that no other turn names is gone from the storage.
    """

    record: TurnRecord
    blobs: Mapping[str, bytes] = NO_BLOBS


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


class Version(msgspec.Struct, frozen=True, gc=False):
    """The exact state of a thread: its life, its newest record, and the changes that are not records.

    A number alone is not enough. A thread that was deleted and begun anew counts from 1 again. A storage that was put
    back to an earlier state, such as a restored backup, gives the same numbers to other records.

    Attributes:
        incarnation: the thread's incarnation.
        revision: the thread's revision.
        record_id: the id of the record with that number; "" at revision 0.
        edits: the time of the last change of settings or of bodies, as in `ThreadInfo`. An append ignores it.
    """

    incarnation: str
    revision: int
    record_id: str
    edits: int = 0


Expected: TypeAlias = Version | int
"""The state that a thread must have: a `Version`, or a revision alone. 0 stands for a thread without records."""


def revision_of(expected: Expected) -> int:
    """Return the revision of an expected state."""
    return expected.revision if isinstance(expected, Version) else expected


class ThreadParent(msgspec.Struct, frozen=True, kw_only=True):
    """The thread from which a fork was begun, and the place at which the fork left it.

    It says how the fork began. The parent may have changed since, and may have been deleted.

    Attributes:
        thread_id: the parent's id.
        incarnation: the parent's incarnation, which tells the parent from a later thread with the same id. "" for any:
            a copy in another storage has another incarnation.
        turn_id: the id of the last turn that both threads had; None if the fork began before the first turn.
        number: the number of that turn in the parent; 0 without one.
        turns: the number of turns that both threads had.

    Raises:
        InvalidInput: an id cannot be used, or a number is below 0.
    """

    thread_id: str
    incarnation: str = ""
    turn_id: str | None = None
    number: int = 0
    turns: int = 0

    def __post_init__(self) -> None:
        check_id(self.thread_id, "parent's thread id")
        if self.turn_id is not None:
            check_id(self.turn_id, "parent's turn id")
        check_count(self.number, "the number of the parent's turn")
        check_count(self.turns, "the number of the parent's turns")

    def is_life_of(self, info: ThreadInfo) -> bool:
        """Return True if this is the thread of the parent, and not a later thread with the parent's id."""
        return info.id == self.thread_id and self.incarnation in ("", info.incarnation)

    def in_any_life(self) -> ThreadParent:
        """Return the parent for a copy of the fork in another storage, in which the parent's turns are counted anew."""
        return msgspec.structs.replace(self, incarnation="", number=self.turns)


class ThreadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """The information about a thread that a storage keeps beside its records.

    Attributes:
        id: the thread's id.
        revision: the number of records ever committed. It grows by one with each record and never decreases.
        incarnation: a random id that changes when the thread is deleted and made again under the same id.
        record_id: the id of the record whose number is `revision`; "" at revision 0.
        edits: the time of the last change of the settings or of the bodies of records, in microseconds since 1970; it
            grows with each change, even if the clock goes back. 0 without a change.
        rewritten: the value of `edits` after the last change of a body; 0 if no body was ever changed.
        first: a number; all turns with a lower number are gone.
        turns: the number of turns that the thread holds now.
        messages: the number of messages in these turns.
        user_id: the user who owns the thread, or None.
        title: a title for people to read; by default the start of the first message.
        title_turn: the number of the turn from which the title was made; the title goes with that turn. 0 when that
            turn is gone and the next turn gives a new title. None when the title was set, or none was made yet.
        metadata: the application's own JSON object.
        parent: for a fork, the thread from which it was begun. None for any other thread, and for a fork that was given
            to another user, who must not learn of the parent.
        archived: True for a thread that lists leave out unless they are asked for archived threads. It can be used like
            any other thread, and stays archived.
        tags: the thread's tags in order, each once.
        created_us: the time of the first record, draft or setting, in microseconds since 1970 (UTC).
        updated_us: the time of the last record or setting, in the same unit. A turn or a setting with an earlier time
            of its own does not put it back.
    """

    id: str
    revision: int
    incarnation: str
    record_id: str
    edits: int
    rewritten: int
    first: int
    turns: int
    messages: int
    user_id: str | None
    title: str | None
    title_turn: int | None
    metadata: dict[str, Any]
    created_us: int
    updated_us: int
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()

    @property
    def set_title(self) -> str | None:
        """The title if somebody set it; None if it was made from a turn."""
        return self.title if self.title_turn is None else None

    def title_of_first(self, records: Sequence[TurnRecord]) -> str | None:
        """Return the title if it was made from the first of these turns, for an append of copies of them.

        A title that was made from another turn is not copied, because it would not go with that turn.
        """
        return self.title if records and records[0].number == self.title_turn else None

    @property
    def version(self) -> Version:
        """The thread's exact state, for `expected=` and `after=`."""
        return Version(self.incarnation, self.revision, self.record_id, self.edits)

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)

    @property
    def updated_at(self) -> datetime:
        """`updated_us` as an aware UTC time."""
        return from_microseconds(self.updated_us)


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


class ThreadPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of threads.

    Attributes:
        threads: the threads, the most recently updated first.
        cursor: an opaque text with which to ask for the next page; None on the last page.
        is_partial: True if the page may have fewer threads than `limit` although more threads match, because one call
            compares at most 5,000 threads with the filter. The next page continues there.
    """

    threads: tuple[ThreadInfo, ...]
    cursor: str | None
    is_partial: bool = False

    @classmethod
    def cut(cls, found: Sequence[ThreadInfo], limit: int, stopped_at: tuple[int, str] | None = None) -> ThreadPage:
        """Return a page of the first `limit` threads.

        It has a cursor when `found` holds more threads, or when the search for them stopped at a place.
        """
        threads = tuple(found[:limit])
        if len(found) > limit:
            stopped_at, is_partial = (threads[-1].updated_us, threads[-1].id), False
        else:
            is_partial = stopped_at is not None
        cursor = None if stopped_at is None else f"{stopped_at[0]}:{stopped_at[1]}"
        return cls(threads=threads, cursor=cursor, is_partial=is_partial)


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Return the time and the thread's id of the last entry on the page from which a cursor comes.

    Raises:
        InvalidInput: the text is not the cursor of a `ThreadPage` or a `DraftPage`.
    """
    updated, _, thread_id = cursor.partition(":")
    if not (updated.isascii() and updated.isdecimal() and len(updated) <= 18):
        raise InvalidInput(
            "this is not the cursor of a page: give a page's cursor unchanged, or none for the first page"
        )
    return int(updated), check_id(thread_id, "cursor's thread id")


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


class DraftStep(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step of a turn that is still running.

    Attributes:
        turn_id: the id of the running turn.
        revision: the thread's revision when the turn began.
        number: 1, 2, 3 and so on. A step is written once and never changed.
        body: opaque bytes.
        created_us: the time of saving, in microseconds since 1970 (UTC). 0 in a new step means now.
        id: the step's id, which no other step has. A new step has a random id.
        previous: the id that the draft's last step must have when this step is saved; None for any. The number alone is
            not enough: a storage that was put back may have another step with that number. For step 1, it is the last
            step of the ended draft that this step replaces, and "" if there must be none. It is not kept, so it is None
            in a step that was loaded.
    """

    turn_id: str
    revision: int
    number: int
    body: bytes
    created_us: int = 0
    id: str = msgspec.field(default_factory=new_id)
    previous: str | None = None


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that has begun and is not committed: its steps so far. They are kept outside of the thread."""

    turn_id: str
    revision: int
    steps: tuple[DraftStep, ...]


class LeaseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a process holds now. Its holder's id is not shown, because whoever knows it can end the lease.

    Attributes:
        thread_id: the thread's id.
        left_us: the time until the lease ends if its holder does not renew it, in microseconds.
    """

    thread_id: str
    left_us: int


class DraftInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A thread that has a draft.

    Attributes:
        thread_id: the thread's id.
        user_id: the thread's user; None if it has none.
        begun_us: the time at which the first step of the draft was saved, in microseconds since 1970 (UTC).
    """

    thread_id: str
    user_id: str | None
    begun_us: int

    @property
    def place(self) -> tuple[int, str]:
        """The place of the draft in a list of drafts."""
        return self.begun_us, self.thread_id


class DraftPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of drafts.

    Attributes:
        drafts: the threads that have a draft, the draft that was begun first in front.
        cursor: an opaque text with which to ask for the next page; None on the last page.
    """

    drafts: tuple[DraftInfo, ...]
    cursor: str | None

    @property
    def thread_ids(self) -> list[str]:
        """The ids of the threads."""
        return [draft.thread_id for draft in self.drafts]

    @classmethod
    def cut(cls, found: Sequence[DraftInfo], limit: int) -> DraftPage:
        """Return a page of the first `limit` drafts. It has a cursor when `found` holds more."""
        drafts = tuple(found[:limit])
        cursor = f"{drafts[-1].begun_us}:{drafts[-1].thread_id}" if len(found) > limit else None
        return cls(drafts=drafts, cursor=cursor)


def first_drafts(
    found: Iterable[DraftInfo], limit: int, user_id: str | None, position: tuple[int, str] | None
) -> list[DraftInfo]:
    """Return what `Storage._list_drafts` asks for, from all drafts in any order."""
    wanted = (one for one in found if user_id in (None, one.user_id) and (position is None or one.place > position))
    return sorted(wanted, key=lambda one: one.place)[:limit]
