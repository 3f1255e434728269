"""The information about a thread that a storage keeps beside its records; a thread's version; and pages of threads."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, TypeAlias

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_count, check_id
from recuerda.storage.records import TurnRecord, from_microseconds


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
