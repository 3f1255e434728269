"""The results of a search, and its filters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from recuerda.errors import InvalidInput
from recuerda.messages.message import ChatMessage
from recuerda.recall.index import Candidate, Document
from recuerda.storage.records import from_microseconds, to_microseconds

MIN_RELEVANCE = 0.15
"""The relevance below which a search finds nothing, unless another is given."""


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """A message of an earlier conversation, and its origin.

    Attributes:
        text: the message's text, unchanged; a very long text is cut.
        role: "user" or "assistant".
        speaker: the author's name; None if the message has none.
        thread_id: the id of its thread.
        turn: the number of its turn.
        turn_id: the id of its turn.
        position: its position in the turn, from 0.
        created_us: the time of the turn's commit, in microseconds since 1970 (UTC).
        score: a measure of how well the message answers the query; comparable within one search only.
        corrected_us: the time at which the text replaced the message's own words, by `RecallProvider.correct`, in the
            same unit as `created_us`; None for the message's own words.
        valid_until_us: the time at which the text was replaced; None if it holds.
        relevance: the score in proportion to the score to expect of a message that says what the query asks for, from 0
            to 1; comparable between searches. With 0.5, the score is as expected. It is 0 if nothing was asked.
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
    corrected_us: int | None = None
    valid_until_us: int | None = None
    relevance: float = 0.0

    @property
    def created_at(self) -> datetime:
        """`created_us` as an aware UTC time."""
        return from_microseconds(self.created_us)

    @property
    def corrected_at(self) -> datetime | None:
        """`corrected_us` as an aware UTC time; None for the message's own words."""
        return None if self.corrected_us is None else from_microseconds(self.corrected_us)


class MemoryPage(msgspec.Struct, frozen=True, kw_only=True):
    """One page of a list of memories.

    Attributes:
        memories: the memories. The thread that was remembered last comes first, and in each thread the newest message.
        cursor: a text with which to ask for the next page; None on the last page.
    """

    memories: tuple[Memory, ...]
    cursor: str | None = None


class ForgottenTurns(msgspec.Struct, frozen=True, kw_only=True):
    """A range of turns that were forgotten on request, and whose messages the index does not hold any more.

    Attributes:
        thread_id: the thread's id.
        first: the number of the first turn.
        last: the number of the last turn.
    """

    thread_id: str
    first: int
    last: int


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """The progress of bringing an index up to date with a storage.

    Attributes:
        threads: the number of threads that were compared.
        messages: the number of messages that were added.
        vectors: the number of messages that got a vector.
    """

    threads: int
    messages: int
    vectors: int = 0


class Filters(msgspec.Struct, frozen=True, kw_only=True):
    """The memories that a search may return. Other memories may still support their scores.

    Attributes:
        before_us: admits only messages before this time.
        after_us: admits only messages at this time or later.
        roles: admits only messages of these roles.
        recent_thread: excludes turns of this thread from `recent_turn` on.
        recent_turn: the number of the first excluded turn of `recent_thread`.
        recent_times: the times of these turns by their ids, by which their copies in other threads are excluded too.
        sent: the messages that the run sends anyway, which are excluded wherever they were said.
        only_thread: admits only messages of this thread.
        min_relevance: admits no message at all if the best one has a lower relevance.
    """

    before_us: int | None = None
    after_us: int | None = None
    roles: frozenset[str] | None = None
    recent_thread: str | None = None
    recent_turn: int = 0
    recent_times: Mapping[str, int] = msgspec.field(default_factory=dict[str, int])
    sent: Sequence[ChatMessage] = ()
    only_thread: str | None = None
    min_relevance: float = 0.0

    @property
    def is_narrow(self) -> bool:
        """True if the filters may refuse many candidates, so that more candidates are needed."""
        return (self.before_us, self.after_us, self.roles, self.only_thread) != (None, None, None, None)

    def admits(self, candidate: Candidate, thread_id: str) -> bool:
        """Return True if a search may return this candidate."""
        if self.before_us is not None and candidate.created_us >= self.before_us:
            return False
        if self.after_us is not None and candidate.created_us < self.after_us:
            return False
        if self.roles is not None and candidate.role not in self.roles:
            return False
        if self.only_thread not in (None, thread_id):
            return False
        return thread_id != self.recent_thread or candidate.turn < self.recent_turn


def place_of(cursor: str | None) -> int | None:
    """Return the key that a cursor of a list of memories names; None without a cursor.

    Raises:
        InvalidInput: the text is not such a cursor.
    """
    if cursor is None:
        return None
    if not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
        raise InvalidInput("the cursor is not one of a list of memories; use the cursor of the previous page")
    return int(cursor)


def check_relevance(value: float) -> float:
    """Return the value of `min_relevance`.

    Raises:
        InvalidInput: it is not a number from 0 to 1.
    """
    if not 0 <= value <= 1:
        raise InvalidInput(f"min_relevance must be from 0 to 1, not {value}")
    return value


def filters(
    *,
    before: datetime | None = None,
    after: datetime | None = None,
    roles: Sequence[str] | None = None,
    only_thread: str | None = None,
    min_relevance: float = 0.0,
) -> Filters:
    """Return the filters for a caller's arguments.

    Raises:
        InvalidInput: a time has no time zone, memories never have a given role, or `min_relevance` is not from 0 to 1.
    """
    for name, value in (("before", before), ("after", after)):
        if value is not None and value.tzinfo is None:
            raise InvalidInput(f"{name} must have a time zone, as in datetime(2026, 5, 8, tzinfo=UTC)")
    if roles is not None and (unknown := set(roles).difference(("user", "assistant"))):
        raise InvalidInput(f"memories have the roles user and assistant only; leave out {sorted(unknown)}")
    return Filters(
        before_us=None if before is None else to_microseconds(before),
        after_us=None if after is None else to_microseconds(after),
        roles=None if roles is None else frozenset(roles),
        only_thread=only_thread,
        min_relevance=check_relevance(min_relevance),
    )


def memory_of(document: Document, score: float) -> Memory:
    """Return the memory made from a document and its score."""
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
