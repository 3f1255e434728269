"""The facts of a thread for which a format has no place: they stand under the key `recuerda`.

Other programs ignore the key. An import reads it, so that times, ids, turns, tags, metadata and parents come back as
they were. A turn's mark counts the entries of the turn in the format, such as the messages of a list. If another
program has added entries, the entries after the marks are grouped as always.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, TypeVar

import msgspec

from recuerda.errors import StateError
from recuerda.formats.moved import MovedThread, MovedTurn
from recuerda.messages.message import Turn, TurnRuns, Usage
from recuerda.storage.thread_info import ThreadParent

T = TypeVar("T")

KEY = "recuerda"

_END_US = 253_402_300_800_000_000  # the year 10000


class TurnMark(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of a turn.

    Attributes:
        id: the turn's id.
        entries: the number of the turn's entries.
        created_us: the turn's time in microseconds since 1970 (UTC).
        is_interrupted: see `Turn`.
        error: see `Turn`.
        usage: see `Turn`.
        metadata: see `Turn`.
        runs: see `Turn`.
    """

    id: str
    entries: Annotated[int, msgspec.Meta(ge=0)]
    created_us: Annotated[int, msgspec.Meta(ge=0, lt=_END_US)] | None = None
    is_interrupted: bool = False
    error: str | None = None
    usage: Usage | None = None
    metadata: dict[str, Any] | None = None
    runs: TurnRuns | None = None

    def applied_to(self, turn: Turn) -> Turn:
        """Return a turn with these facts."""
        return msgspec.structs.replace(
            turn,
            is_interrupted=self.is_interrupted,
            error=self.error,
            usage=self.usage,
            metadata=self.metadata,
            runs=self.runs,
        )


class Supplement(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The facts of a thread.

    Attributes:
        id: the thread's id; None if it stands in another place.
        turns: the marks of the turns, the oldest first.
        last: in a tree of entries, the id of the thread's last entry.
        title: see `MovedThread`.
        user_id: see `MovedThread`.
        metadata: see `MovedThread`.
        parent: see `MovedThread`.
        archived: see `MovedThread`.
        tags: see `MovedThread`.
    """

    turns: tuple[TurnMark, ...]
    id: str | None = None
    last: str | None = None
    title: str | None = None
    user_id: str | None = None
    metadata: dict[str, Any] = {}
    parent: ThreadParent | None = None
    archived: bool = False
    tags: tuple[str, ...] = ()


class Supplements(msgspec.Struct, frozen=True):
    """The facts of the threads of one conversation: of a thread and of its branches."""

    threads: tuple[Supplement, ...] = ()


def supplement_of(thread: MovedThread, entries: Sequence[int], last: str | None = None) -> Supplement:
    """Return the facts of a thread.

    Args:
        thread: the thread.
        entries: the number of entries of each turn.
        last: see `Supplement`.
    """
    return Supplement(
        id=thread.id,
        turns=tuple(_mark(turn, number) for turn, number in zip(thread.turns, entries, strict=True)),
        last=last,
        title=thread.title,
        user_id=thread.user_id,
        metadata=thread.metadata,
        parent=thread.parent and thread.parent.in_any_life(),
        archived=thread.archived,
        tags=thread.tags,
    )


def supplement_in(about: Mapping[str, Any]) -> Supplement:
    """Return the facts of a thread in an object; an empty supplement if the object has none.

    Raises:
        StateError: the facts have another form.
    """
    return decoded(about.get(KEY), Supplement) or Supplement(turns=())


def supplements_in(about: Mapping[str, Any] | None) -> Sequence[Supplement]:
    """Return the facts of the threads of a conversation under the key of an object.

    Raises:
        StateError: the facts have another form.
    """
    found = decoded(about, Supplements)
    return () if found is None else found.threads


def decoded(value: object, kind: type[T]) -> T | None:
    """Return a value as a type; None for None.

    Raises:
        StateError: the value has another form.
    """
    try:
        return None if value is None else msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise StateError(f'the value of the key "{KEY}" cannot be read: {error}') from None


def _mark(turn: MovedTurn, entries: int) -> TurnMark:
    return TurnMark(
        id=turn.id,
        entries=entries,
        created_us=turn.created_us,
        is_interrupted=turn.turn.is_interrupted,
        error=turn.turn.error,
        usage=turn.turn.usage,
        metadata=turn.turn.metadata,
        runs=turn.turn.runs,
    )
