"""A conversation on its way between another program and recuerda: the values that every format reads and writes.

A format converts a source into `MovedThread`s and knows nothing of storages. The ids of threads and turns come from the
source, so that a repeated import meets the same ids and adds nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, Turn
from recuerda.storage.thread_info import ThreadParent


class MovedTurn(msgspec.Struct, frozen=True, kw_only=True):
    """A whole turn on its way.

    Attributes:
        id: the turn's id, made of the ids of the source.
        turn: the messages.
        created_us: the time of the turn in microseconds since 1970 (UTC); None if the source has no time.
    """

    id: str
    turn: Turn
    created_us: int | None = None


class MovedThread(msgspec.Struct, frozen=True, kw_only=True):
    """A whole thread on its way.

    Attributes:
        id: the thread's id.
        turns: the turns, the oldest first.
        title: the title that the source gave; None if it has none.
        user_id: the user to whom the thread belongs in the source; None if the source does not say.
        metadata: other facts of the source as a JSON object.
        parent: for a branch, the thread and the turn where it began.
        archived: True if the source has put the thread away.
        tags: the thread's tags, in order and each once.
        losses: the number of parts that could not be moved, by kind, such as `{"image": 2}`.
    """

    id: str
    turns: tuple[MovedTurn, ...]
    title: str | None = None
    user_id: str | None = None
    metadata: JsonObject = {}
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()
    losses: Mapping[str, int] = {}

    @property
    def messages(self) -> tuple[ChatMessage, ...]:
        """All messages, the oldest first."""
        return tuple(message for turn in self.turns for message in turn.turn.messages)


def added_up(losses: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Return the sums of several losses, by kind."""
    total: dict[str, int] = {}
    for one in losses:
        for kind, number in one.items():
            total[kind] = total.get(kind, 0) + number
    return total
