"""Threads and their branches as one tree of entries, for the formats that keep a conversation as a tree.

An entry is one message of the format. Threads share the entries of the turns that they have in common, as a fork shares
the turns of its parent. The ids of entries are made of the ids of messages and turns, so that a repeated export has the
same ids.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from recuerda.formats.facts import facts_of, turn_losses, without
from recuerda.formats.format import Departure, Family, Written
from recuerda.formats.moved import MovedThread, MovedTurn, added_up
from recuerda.formats.supplement import Supplements, supplement_of
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage

_OF_BRANCH = ("time",)
"""The facts of a branch that stand in a tree. A tree has the title and the settings of its first thread alone."""


@dataclass(frozen=True, kw_only=True)
class Piece:
    """One message of the format, before it has its place.

    Attributes:
        data: the message's own fields; none if the format has no place for the whole message.
        id: the id that the message should have; None if any will do.
        losses: the parts that the format has no place for, by kind.
        files: the content of the message's files by their names in the archive.
    """

    data: JsonObject
    id: str | None = None
    losses: Mapping[str, int] = field(default_factory=dict[str, int])
    files: Mapping[str, bytes] = field(default_factory=dict[str, bytes])


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One message of the format at its place.

    Attributes:
        id: the entry's id.
        parent: the id of the entry before it; None for the first one.
        piece: the message.
        created_us: the time of its turn.
    """

    id: str
    parent: str | None
    piece: Piece
    created_us: int | None


Cut = Callable[[Sequence[ChatMessage]], Sequence[Piece]]
"""Returns the messages of a format that say the same as the messages of a turn."""


class Tree:
    """The entries of a thread and of its branches.

    Args:
        family: the thread and its branches, each after its parent.
        cut: see `Cut`.

    Attributes:
        entries: the entries, each after its parent.
    """

    def __init__(self, family: Family, cut: Cut) -> None:
        self.family = family
        self._cut = cut
        self.entries: dict[str, Entry] = {}
        self._paths: dict[str, list[list[str]]] = {}
        self._threads: dict[str, MovedThread] = {}
        self._unsaid: dict[str, list[Mapping[str, int]]] = {}
        for thread in family:
            self._add(thread)

    @property
    def shown(self) -> str | None:
        """The last entry of the thread that was shown last: the one that says so, or the first thread."""
        marked = [thread for thread in self.family if thread.metadata.get("shown") is True]
        return self._last([*marked, *self.family][0])

    @property
    def files(self) -> dict[str, bytes]:
        """The content of all files by their names."""
        return {name: data for entry in self.entries.values() for name, data in entry.piece.files.items()}

    def children(self) -> dict[str | None, list[str]]:
        """Return the ids of the entries that come after an entry, by its id. The older one of two comes first."""
        found: dict[str | None, list[str]] = {}
        for entry in self.entries.values():
            found.setdefault(entry.parent, []).append(entry.id)
        return found

    def path(self, entry_id: str | None) -> list[Entry]:
        """Return the entries up to an entry, the first one first."""
        found: list[Entry] = []
        while entry_id is not None:
            found.append(self.entries[entry_id])
            entry_id = found[-1].parent
        return found[::-1]

    def supplements(self) -> Supplements:
        """Return the facts of the threads that stand beside the tree."""
        return Supplements(
            tuple(
                supplement_of(thread, [len(ids) for ids in self._paths[thread.id]], self._last(thread))
                for thread in self.family
            )
        )

    def written(self, text: str, holds: Sequence[str]) -> Written:
        """Return the text of the tree with the result for each thread.

        Args:
            text: the text of the tree.
            holds: the facts of its first thread that stand in the text.
        """
        return Written(text=text, departures=tuple(self._departures(holds)), files=self.files)

    def _departures(self, holds: Sequence[str]) -> list[Departure]:
        found: list[Departure] = []
        for number, thread in enumerate(self.family):
            turns = self._paths[thread.id]
            said = [self.entries[one].piece.losses for ids in turns for one in ids]
            unsaid = [loss for turn in thread.turns for loss in self._unsaid.get(turn.id, ())]
            losses = added_up([*said, *unsaid, turn_losses(thread), without({"turn": turns.count([])})])
            supplement = facts_of(thread, _OF_BRANCH if number else holds)
            if number:
                supplement["thread id"] = 1
            found.append(Departure(thread_id=thread.id, losses=losses, supplement=supplement))
        return found

    def _last(self, thread: MovedThread) -> str | None:
        return next((ids[-1] for ids in reversed(self._paths[thread.id]) if ids), None)

    def _add(self, thread: MovedThread) -> None:
        parent = thread.parent and self._threads.get(thread.parent.thread_id)
        shared = 0 if parent is None else _shared(parent, thread)
        path = [] if parent is None else self._paths[parent.id][:shared]
        last = next((ids[-1] for ids in reversed(path) if ids), None)
        for turn in thread.turns[shared:]:
            ids = self._add_turn(turn, last)
            path.append(ids)
            last = ids[-1] if ids else last
        self._paths[thread.id] = path
        self._threads[thread.id] = thread

    def _add_turn(self, turn: MovedTurn, last: str | None) -> list[str]:
        pieces = self._cut(turn.turn.messages)
        self._unsaid[turn.id] = [piece.losses for piece in pieces if not piece.data]
        ids: list[str] = []
        for number, piece in enumerate(piece for piece in pieces if piece.data):
            entry_id = self._free(piece.id or (f"{turn.id}.{number}" if number else turn.id), turn.id)
            self.entries[entry_id] = Entry(id=entry_id, parent=last, piece=piece, created_us=turn.created_us)
            ids.append(entry_id)
            last = entry_id
        return ids

    def _free(self, wanted: str, turn_id: str) -> str:
        """Return an id that no other entry has."""
        found, number = wanted, 0
        while found in self.entries:
            found = f"{turn_id}-{number}"
            number += 1
        return found


def _shared(parent: MovedThread, thread: MovedThread) -> int:
    """Return the number of turns that a branch has in common with its parent."""
    number = 0
    for one, other in zip(parent.turns, thread.turns, strict=False):
        if one.id != other.id or one.turn.messages != other.turn.messages:
            break
        number += 1
    return number


def answers(messages: Sequence[ChatMessage]) -> list[Sequence[ChatMessage]]:
    """Return the messages of a turn in groups: each question alone, and an answer with all its calls and results."""
    groups: list[list[ChatMessage]] = []
    for message in messages:
        is_question = message.role in ("user", "system", "developer")
        if is_question or not groups or groups[-1][0].role in ("user", "system", "developer"):
            groups.append([])
        groups[-1].append(message)
    return [*groups]
