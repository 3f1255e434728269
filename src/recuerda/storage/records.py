"""What a storage keeps, and what it gives back: plain values that know nothing of messages.

A record's `body` is opaque bytes. That is why a message type can change without touching a backend, and why encryption
is a wrapper around a storage.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_count, check_id, check_limit

SEAL = b"rc1"
"""How the body of an encrypted turn starts; see `encryption.py`."""

RecordKind: TypeAlias = Literal["turn", "undo", "trim", "summary"]

MAX_MESSAGE_COUNT = 2**31 - 1
"""The most messages that one turn can hold."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEAR_10000_US = 253_402_300_800_000_000


def from_microseconds(value: int) -> datetime:
    """Return the aware UTC time that is `value` microseconds after 1970."""
    return _EPOCH + timedelta(microseconds=value)


def to_microseconds(value: datetime) -> int:
    """Return the microseconds from 1970 to `value`, exactly."""
    return (value - _EPOCH) // timedelta(microseconds=1)


# gc=False: it is in no reference cycle, and a long thread holds thousands that the collector would go through.
class TurnRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One record of a thread's log.

    Most records are turns. An undo, a trim and a summary are records too, so that every change raises the revision.

    Attributes:
        number: the thread's revision once this record was in; grows by one per record.
        id: unique in the thread; a retry with the same id writes nothing.
        created_us: when it was written, in microseconds since 1970 (UTC). For people: order never depends on it.
        message_count: how many messages the body holds; 0 for all but turns.
        body: opaque bytes; empty for an undo or a trim.
        kind: "turn", "undo", "trim" or "summary".
        target: of an undo, the number of the turn that it took out; of a trim, the first number that stayed; of a
            summary, the last number that it covers.
    """

    number: int
    id: str
    created_us: int
    message_count: int
    body: bytes
    kind: RecordKind = "turn"
    target: int | None = None

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)


class NewTurn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A turn that is to be appended.

    Attributes:
        body: opaque bytes.
        message_count: how many messages it holds, at least 1: windows are cut by it.
        id: the caller's name for the turn, which makes a retry safe; None for a new random one.
        created_us: see `TurnRecord`; None for now. Set when a thread is moved from another storage.

    Raises:
        InvalidInput: for no messages, or a time before 1970 or after the year 9999.
    """

    body: bytes
    message_count: int
    id: str | None = None
    created_us: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.message_count <= MAX_MESSAGE_COUNT:
            raise InvalidInput(f"a turn holds 1 to {MAX_MESSAGE_COUNT} messages, not {self.message_count}")
        if self.created_us is not None and not 0 <= self.created_us < _YEAR_10000_US:
            raise InvalidInput(f"a turn's time is from 1970 to 9999 in microseconds, not {self.created_us}")


class ThreadInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a storage knows of a thread without reading it.

    Attributes:
        id: the thread's id.
        revision: the number of records ever committed; grows by one per record, never returns to an old value.
        incarnation: changes when a thread is deleted and made anew under the same id.
        first: every turn before this number is gone.
        turns: how many turns the thread holds now.
        messages: how many messages they hold.
        user_id: whose thread it is, or None.
        title: for people; by default the start of the first message.
        metadata: the application's own JSON object.
        created_us: when the thread got its first record or setting, in microseconds since 1970 (UTC).
        updated_us: when it got its last.
    """

    id: str
    revision: int
    incarnation: str
    first: int
    turns: int
    messages: int
    user_id: str | None
    title: str | None
    metadata: dict[str, Any]
    created_us: int
    updated_us: int

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
        revision: the number of the record that is in the thread.
        replayed: True when the id was there already: nothing was written, and `record` is what was committed first.
        record: the record that is in the thread.
        created: True when this was the thread's first record.
    """

    revision: int
    replayed: bool
    record: TurnRecord
    created: bool = False


class ReadQuery(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What to read of a thread; see `Storage.read`."""

    after: int = 0
    incarnation: str | None = None
    last_messages: int | None = None
    last_turns: int | None = None
    turn_id: str | None = None
    with_summary: bool = False

    def __post_init__(self) -> None:
        check_count(self.after, "after")
        if self.last_messages is not None:
            check_limit(self.last_messages, "last_messages")
        if self.last_turns is not None:
            check_count(self.last_turns, "last_turns")
        if self.turn_id is not None:
            check_id(self.turn_id, "turn id")


class ThreadSlice(msgspec.Struct, frozen=True, kw_only=True):
    """A consistent look at a thread: its info, and the records asked for.

    Attributes:
        info: None when the thread does not exist.
        records: in order of number. Only turns when the slice starts afresh; undos, trims and summaries too when it
            continues a read.
        start: `records` has every record that the thread holds from this number on; only the turns when the slice
            starts afresh.
        found: the turn that was asked for by id, or None.
        summary: the newest summary, if the slice starts afresh and it was asked for: `records` starts after what it
            covers. None when the thread has none.
        has_draft: True when a turn was begun on the thread and is neither committed nor dropped.
    """

    info: ThreadInfo | None
    records: tuple[TurnRecord, ...] = ()
    start: int = 1
    found: TurnRecord | None = None
    summary: TurnRecord | None = None
    has_draft: bool = False


class ThreadPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some threads of a listing, and where the next page starts.

    Attributes:
        threads: the most recently updated first.
        cursor: for the next page, or None at the end. Opaque.
    """

    threads: tuple[ThreadInfo, ...]
    cursor: str | None

    @classmethod
    def cut(cls, found: Sequence[ThreadInfo], limit: int) -> ThreadPage:
        """Return the first `limit` of the threads found; there is a cursor when there are more."""
        threads = tuple(found[:limit])
        last = threads[-1] if len(found) > limit else None
        return cls(threads=threads, cursor=None if last is None else f"{last.updated_us}:{last.id}")


def parse_cursor(cursor: str) -> tuple[int, str]:
    """Return the `updated_us` and `id` after which the page of a cursor starts.

    Raises:
        InvalidInput: when it is no cursor of a `ThreadPage`.
    """
    updated, _, thread_id = cursor.partition(":")
    if not (updated.isascii() and updated.isdecimal() and len(updated) <= 18):
        raise InvalidInput("the cursor is not one that list_threads gave")
    return int(updated), check_id(thread_id, "cursor's thread id")


class NewRecord(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a storage's append hook is asked to write: a complete record but for its number.

    Attributes:
        id: the record's id, always set.
        is_new_id: True when the id was just drawn at random, so that nobody can have written it: no look-up is needed.
        keep_messages: after the append, drop old whole turns until at most so many messages stay (the new turn always
            does).
        user_id: for a thread that has no record and no user yet.
        title: likewise.
    """

    id: str
    is_new_id: bool
    created_us: int
    message_count: int
    body: bytes
    kind: RecordKind = "turn"
    target: int | None = None
    keep_messages: int | None = None
    user_id: str | None = None
    title: str | None = None

    def numbered(self, number: int) -> TurnRecord:
        """Return the record with its number."""
        return TurnRecord(
            number=number,
            id=self.id,
            created_us=self.created_us,
            message_count=self.message_count,
            body=self.body,
            kind=self.kind,
            target=self.target,
        )


class ThreadChanges(msgspec.Struct, frozen=True, kw_only=True):
    """New settings of a thread; `UNSET` fields stay as they are."""

    user_id: str | msgspec.UnsetType | None = msgspec.UNSET
    title: str | msgspec.UnsetType | None = msgspec.UNSET
    metadata: dict[str, Any] | msgspec.UnsetType = msgspec.UNSET


class DraftStep(msgspec.Struct, frozen=True, kw_only=True):
    """One finished step of a turn that is still running.

    Attributes:
        turn_id: of the running turn.
        revision: of the thread when the turn began.
        number: 1, 2, 3 …: a step is written once, and never again.
        body: opaque bytes.
        created_us: when it was saved, in microseconds since 1970 (UTC). 0: now, when it is saved; unknown, when it was
            loaded from before times were kept.
    """

    turn_id: str
    revision: int
    number: int
    body: bytes
    created_us: int = 0


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that has begun and is not committed: its steps so far, outside of the thread."""

    turn_id: str
    revision: int
    steps: tuple[DraftStep, ...]
