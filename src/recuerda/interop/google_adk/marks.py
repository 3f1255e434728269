"""What a session object knows of its thread: the version that it has read, and the turn that is under way.

ADK hands the same session object from event to event. The mark travels with it, in the place that ADK's services use
for the same purpose. So an append needs no read, and a session that somebody else has changed is noticed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import msgspec
from google.adk.events.event import Event
from google.adk.sessions.session import Session

from recuerda.agent.steps import RunningTurn
from recuerda.ids import new_turn_id
from recuerda.interop.copies import Original, copy_as_model
from recuerda.interop.google_adk.form import delta_of, event_ids, events_of
from recuerda.interop.google_adk.state import split
from recuerda.interop.warm_threads import KnownTurns
from recuerda.messages.message import ChatMessage
from recuerda.storage.thread_info import ThreadInfo, Version
from recuerda.threads.history import StoredTurn

THROUGH = "google-adk.through"
"""The metadata key of a session's thread for the revision up to which the metadata hold the session's state."""

UPDATED = "google-adk.updated"
"""The metadata key for the time of the last event, in seconds since 1970, as ADK has it."""

SESSION = "google-adk.session"
"""The metadata key for the names of a session: `{"app": …, "user": …, "id": …}`."""


copy_as_model(Event)


class Mark(msgspec.Struct, frozen=True, kw_only=True):
    """What a session object knows of its thread.

    Attributes:
        version: the version of the thread.
        through: the revision up to which the metadata hold the session's state.
        turn_id: the id of the turn that is under way, or of the next turn.
        steps: the number of steps that are saved of it.
        last_id: the id of the last step of the thread's draft; "" without a draft. The draft may be one that was begun
            on an earlier revision, whose events the next step takes.
        recent: the ids of the newest events that the session object does not hold.
    """

    version: Version
    through: int = 0
    turn_id: str = msgspec.field(default_factory=new_turn_id)
    steps: int = 0
    last_id: str = ""
    recent: tuple[str, ...] = ()


_marks = msgspec.json.Decoder(Mark)


def mark_of(session: Session) -> Mark | None:
    """Return the mark of a session; None if no storage of ours gave it one."""
    text = session._storage_update_marker  # pyright: ignore[reportPrivateUsage] - made for services
    if text is None:
        return None
    try:
        return _marks.decode(text)
    except msgspec.DecodeError:
        return None


def put_mark(session: Session, mark: Mark) -> None:
    """Note in a session what it knows of its thread."""
    session._storage_update_marker = msgspec.json.encode(mark).decode()  # pyright: ignore[reportPrivateUsage]


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A session as a read has found it.

    Attributes:
        info: the information about the thread.
        turns: the newest turns.
        running: the turn that is under way.
        mark: what a session object knows after this read.
        known: the events of the turns. Nobody changes them.
    """

    info: ThreadInfo
    turns: Sequence[StoredTurn]
    running: RunningTurn
    mark: Mark
    known: KnownTurns[tuple[Original[Event], ...]]

    @property
    def is_whole(self) -> bool:
        """True if all turns of the thread were read."""
        return len(self.turns) >= self.info.turns

    def newest_first(self) -> Iterator[Original[Event]]:
        """Yield the events that were read. Only the turns that are needed are made into events."""
        under_way = events_of(self.running.messages, self.mark.turn_id, self.info.updated_us)
        yield from map(Original, reversed([*under_way]))
        for turn in reversed(self.turns):
            yield from reversed(self.known.of(turn))

    def ids(self) -> Iterator[str]:
        """Yield the ids of the events that were read, the newest first, without those that other writers made."""
        yield from reversed([*event_ids(self.running.messages)])
        for turn in reversed(self.turns):
            yield from reversed([*event_ids(turn.messages)])

    def delta(self) -> dict[str, object]:
        """Return the changes of the session's state that the metadata do not hold yet."""
        later = [turn.messages for turn in self.turns if turn.number > self.mark.through]
        return folded([*later, self.running.messages])


def events_in(stored: StoredTurn) -> tuple[Original[Event], ...]:
    """Return the events of a turn."""
    return tuple(map(Original, events_of(stored.messages, stored.id, stored.created_us)))


def folded(turns: Iterable[Sequence[ChatMessage]]) -> dict[str, object]:
    """Return the changes of a session's state in turns, given by their messages."""
    changes: dict[str, object] = {}
    for messages in turns:
        changes.update(split(delta_of(messages))[2])
    return changes


def through_of(info: ThreadInfo) -> int:
    """Return the revision up to which the metadata hold the session's state."""
    found = info.metadata.get(THROUGH)
    return found if isinstance(found, int) else 0
