"""What a search returns: a message that was said once, and where it is from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from recuerda.errors import InvalidInput
from recuerda.recall.index import Candidate, Document
from recuerda.storage.records import from_microseconds, to_microseconds


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """One remembered message with its provenance.

    Attributes:
        text: what was said, as it was said; cut where the message is very long.
        role: who spoke: "user" or "assistant".
        speaker: the author's name, where the message has one.
        thread_id: the conversation it was said in.
        turn: the number of its turn there.
        turn_id: the id of its turn.
        position: its place in the turn, from 0 on.
        created_us: when the turn was committed, in microseconds since 1970 (UTC).
        score: how well it answers; to be compared within one search only.
    """

    text: str
    role: str
    speaker: str | None
    thread_id: str
    turn: int
    turn_id: str
    position: int
    created_us: int
    score: float

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far the index has followed a storage.

    Attributes:
        threads: how many threads were looked at.
        messages: how many messages were added.
    """

    threads: int
    messages: int


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """Which memories a search may return; others may still support them.

    Attributes:
        before_us: only what was said before this time.
        after_us: only what was said at this time or later.
        roles: only these speakers.
        recent_thread: nothing of this thread ...
        recent_turn: ... from this turn on.
        only_thread: nothing of other threads.
    """

    before_us: int | None = None
    after_us: int | None = None
    roles: frozenset[str] | None = None
    recent_thread: str | None = None
    recent_turn: int = 0
    only_thread: str | None = None

    @property
    def is_narrow(self) -> bool:
        """True when much of what is found may be refused, so that more has to be looked at."""
        return (self.before_us, self.after_us, self.roles, self.only_thread) != (None, None, None, None)

    def admits(self, candidate: Candidate, thread_id: str) -> bool:
        """Say whether a candidate may be returned."""
        if self.before_us is not None and candidate.created_us >= self.before_us:
            return False
        if self.after_us is not None and candidate.created_us < self.after_us:
            return False
        if self.roles is not None and candidate.role not in self.roles:
            return False
        if self.only_thread not in (None, thread_id):
            return False
        return thread_id != self.recent_thread or candidate.turn < self.recent_turn


def filters(
    *, before: datetime | None, after: datetime | None, roles: Sequence[str] | None, only_thread: str | None = None
) -> Filters:
    """Make filters of what a caller gives.

    Raises:
        InvalidInput: a time is without a time zone, or a role has no memories.
    """
    for name, value in (("before", before), ("after", after)):
        if value is not None and value.tzinfo is None:
            raise InvalidInput(f"{name} needs a time zone, as in datetime(2026, 5, 8, tzinfo=UTC)")
    if roles is not None and (unknown := set(roles).difference(("user", "assistant"))):
        raise InvalidInput(f"memories are of the roles user and assistant, not of {sorted(unknown)}")
    return Filters(
        before_us=None if before is None else to_microseconds(before),
        after_us=None if after is None else to_microseconds(after),
        roles=None if roles is None else frozenset(roles),
        only_thread=only_thread,
    )


def memory_of(document: Document, score: float) -> Memory:
    """Return a document as a memory."""
    return Memory(
        text=document.text,
        role=document.role,
        speaker=document.speaker,
        thread_id=document.thread_id,
        turn=document.turn,
        turn_id=document.turn_id,
        position=document.position,
        created_us=document.created_us,
        score=score,
    )
