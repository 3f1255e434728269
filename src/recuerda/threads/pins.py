"""The pinned messages of a thread, which stay in every request when their turns leave the window.

Each turn names the turns before it that have pinned messages, by their ids. So the newest turn tells where all of them
are, and a read of the window needs no search through the thread. A named turn outside of the window is read by its id,
once for each handle. A turn that was undone, trimmed or erased is not found any more, and takes its pinned messages
with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from recuerda.messages.message import ChatMessage, Turn
from recuerda.window.summary import INSTRUCTING_ROLES, pinned_of
from recuerda.window.window import ContextWindow

MAX_PINNED_TURNS = 64
"""The largest number of turns whose pinned messages are kept. The newest ones count."""


class Pin(msgspec.Struct, frozen=True):
    """The pinned messages of one turn, with the turn's number and id."""

    number: int
    id: str
    messages: tuple[ChatMessage, ...]


class IdentifiedTurn(Protocol):
    """A turn with its number and its id in the thread. `StoredTurn` is one."""

    @property
    def number(self) -> int:
        """The turn's number."""
        ...

    @property
    def id(self) -> str:
        """The turn's id."""
        ...

    @property
    def turn(self) -> Turn:
        """The turn itself."""
        ...


class PinnedTurns:
    """The turns of a thread that have pinned messages, as far as a handle knows them."""

    def __init__(self) -> None:
        self._turns: Sequence[IdentifiedTurn] = ()
        self._seen = 0
        self._noted: tuple[str, ...] = ()
        self._known: dict[str, Pin] = {}
        self._left: set[str] = set()
        self._gone: set[int] = set()

    def follow(self, turns: Sequence[IdentifiedTurn]) -> None:
        """Look at the held turns, or only at the new ones if the list has grown at its end."""
        if turns is not self._turns or len(turns) < self._seen:
            self._turns, self._seen, self._noted = turns, 0, ()
        for index in range(self._seen, len(turns)):
            stored = turns[index]
            if stored.turn.pins:
                self._noted = stored.turn.pins
            if may_be_pinned(stored.turn.messages) and (messages := pinned_of(stored.turn.messages)):
                self._known[stored.id] = Pin(stored.number, stored.id, messages)
        self._seen = len(turns)

    def forget(self, numbers: set[int]) -> None:
        """Leave out turns that were undone. A message that such a turn had repeated counts again."""
        if numbers:
            self._gone |= numbers
            self._left.clear()

    def without(self, number: int, turns: Sequence[IdentifiedTurn] = ()) -> PinnedTurns:
        """Return a copy without a turn, for the turn that replaces it.

        Args:
            number: the number of the turn.
            turns: the list of the other turns, which the copy need not look at.
        """
        copy = PinnedTurns()
        copy._turns, copy._seen = turns, len(turns)
        copy._noted, copy._known, copy._gone = self._noted, dict(self._known), self._gone | {number}
        return copy

    def missing(self) -> list[str]:
        """Return the ids of named turns that are not known yet."""
        if not self._noted:
            return []
        return [id for id in self._noted if id not in self._known and id not in self._left]

    def learn(self, id: str, found: IdentifiedTurn | None) -> None:
        """Add a turn that was read by its id; None if the thread does not have it any more."""
        if found is None:
            self._left.add(id)
        else:
            self._known[id] = Pin(found.number, id, pinned_of(found.turn.messages))

    def pins(self, first: int) -> list[Pin]:
        """Return the pins of the turns from number `first` on, the oldest first.

        A message that a later turn repeats counts once, in the later turn.
        """
        if not self._known:
            return []
        found: list[Pin] = []
        said: list[ChatMessage] = []
        for pin in sorted(self._known.values(), key=lambda pin: pin.number, reverse=True):
            if pin.number >= first and pin.number not in self._gone:
                new = tuple(message for message in pin.messages if not is_said(message, said))
                said += new
                if new:
                    found.append(Pin(pin.number, pin.id, new))
        kept = {pin.id: self._known[pin.id] for pin in found}
        self._left |= self._known.keys() - kept.keys()
        self._known = kept
        return found[::-1]

    def noted(self, first: int) -> tuple[str, ...]:
        """Return the ids that the next turn names: those of all turns with pins, the oldest first."""
        if not self._noted and not self._known:
            return ()
        unread = self.missing()
        ids = [*unread, *(pin.id for pin in self.pins(first))]
        return tuple(ids[-MAX_PINNED_TURNS:])


class Pinned(msgspec.Struct, frozen=True):
    """The pins that a window can keep, the oldest first, and the number of messages that it cannot keep."""

    pins: Sequence[Pin] = ()
    left_out: int = 0

    @property
    def messages(self) -> list[ChatMessage]:
        """The pinned messages, the oldest first."""
        return [message for pin in self.pins for message in pin.messages]

    def before(self, number: int, sent: Sequence[ChatMessage]) -> list[ChatMessage]:
        """Return the pinned messages of the turns before a number, without those that are sent anyway."""
        return [
            message
            for pin in self.pins
            if pin.number < number
            for message in pin.messages
            if not is_said(message, sent)
        ]

    def warnings(self, thread_id: str) -> tuple[str, ...]:
        """Return the warning about messages that are left out, if there are any."""
        if not self.left_out:
            return ()
        text = (
            f"thread {thread_id!r}: its {self.left_out} oldest pinned or system messages may not be sent, because at "
            f"most {MAX_PINNED_TURNS} turns can have such messages, and the messages can take half of max_tokens: give "
            "a larger window, or a summarizer"
        )
        return (text,)


NO_PINS = Pinned()
"""No pinned message."""


def kept(pins: Sequence[Pin], window: ContextWindow) -> Pinned:
    """Return the newest pins that may be kept beside a window: half of its tokens, and no more turns than the limit."""
    if not pins:
        return NO_PINS
    limit = None if window.max_tokens is None else (window.max_tokens - window.reserve_tokens) // 2
    found: list[Pin] = []
    tokens = 0
    for pin in reversed(pins[-MAX_PINNED_TURNS:]):
        tokens += window.tokens(pin.messages)
        if limit is not None and tokens > limit:
            break
        found.append(pin)
    left_out = sum(len(pin.messages) for pin in pins[: len(pins) - len(found)])
    return Pinned(found[::-1], left_out)


def may_be_pinned(messages: Sequence[ChatMessage]) -> bool:
    """Return False if surely no message is pinned. Every run asks this, so it is one loop without calls."""
    for message in messages:  # noqa: SIM110 - a generator takes three times as long
        if message.additional_properties is not None or message.role in INSTRUCTING_ROLES:
            return True
    return False


def is_said(message: ChatMessage, others: Sequence[ChatMessage]) -> bool:
    """Return whether another message has the same role and the same content."""
    return any(other.role == message.role and other.content == message.content for other in others)
