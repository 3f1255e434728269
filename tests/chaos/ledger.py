"""The turns that must, may and must not be in a thread, after all that was done to the threads.

The ledger knows when each turn was begun and acknowledged, and when each deletion and each rollback began and ended. A
turn that overlaps with one of them may be there or not. The fate of every other turn is certain.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

Fate: TypeAlias = Literal["there", "unsure", "gone"]


@dataclass(slots=True)
class Deed:
    """A turn that a worker began to add to a thread.

    Attributes:
        began: the moment at which the worker began.
        ended: the moment of the acknowledgement or the refusal; None while it is under way or if nobody knows.
        fate: whether the thread must hold the turn.
        is_disturbed: True if a deletion or a rollback came while the turn was under way.
    """

    turn_id: str
    thread: str
    user: str
    began: int
    ended: int | None = None
    fate: Fate = "unsure"
    is_disturbed: bool = False


@dataclass(slots=True)
class Kept:
    """The fates of the turns in a snapshot of a storage; `ended` is the moment when it was complete."""

    fates: dict[str, Fate] = field(default_factory=dict[str, Fate])
    ended: int = 0


class Ledger:
    """Keep the fates of the turns of one round, by their ids."""

    def __init__(self) -> None:
        self._deeds: dict[str, Deed] = {}
        self._snapshots: list[Kept] = []
        self._undone: dict[str, int] = {}
        self._now = 0

    def begin(self, turn_id: str, *, thread: str, user: str) -> None:
        """Note that a worker begins to add a turn."""
        self._deeds[turn_id] = Deed(turn_id, thread, user, began=self._tick())

    def acknowledge(self, turn_id: str) -> None:
        """Note that a turn was acknowledged."""
        self._end(turn_id, "there")

    def refuse(self, turn_id: str) -> None:
        """Note that a turn was refused."""
        self._deeds[turn_id].is_disturbed = False
        self._end(turn_id, "gone")

    @contextmanager
    def undo(self) -> Generator[list[str]]:
        """Note that turns are undone in this block; it adds their ids to the list. A rollback may bring them back."""
        began, undone = self._tick(), list[str]()
        yield undone
        for turn_id in undone:
            deed = self._deeds[turn_id]
            deed.fate, deed.is_disturbed = "unsure", True
            self._undone[turn_id] = self._tick()
            for kept in self._snapshots:
                if kept.ended > began:
                    kept.fates[turn_id] = "unsure"

    @contextmanager
    def deletion(self, covers: Callable[[Deed], bool]) -> Generator[None]:
        """Note that turns are deleted in this block: all turns for which `covers` returns True."""
        began = self._tick()
        yield
        for deed in filter(covers, self._deeds.values()):
            self._lose(deed, began)

    @contextmanager
    def snapshot(self) -> Generator[Kept]:
        """Note that a snapshot of the storage is taken in this block."""
        began, kept = self._tick(), Kept()
        yield kept
        kept.fates = {
            turn_id: deed.fate if deed.ended is not None and deed.ended < began else "unsure"
            for turn_id, deed in self._deeds.items()
        }
        kept.ended = self._tick()
        self._snapshots.append(kept)

    @contextmanager
    def rollback(self, kept: Kept) -> Generator[None]:
        """Note that the storage is put back to a snapshot in this block.

        A turn of the snapshot that was undone in the meantime may be there or not: the storage may have been put back
        before the turn was undone.
        """
        began = self._tick()
        yield
        for turn_id, deed in self._deeds.items():
            self._lose(deed, began)
            if turn_id in kept.fates and deed.ended is not None:
                deed.fate = kept.fates[turn_id] if self._undone.get(turn_id, 0) < began else "unsure"

    def problems(self, thread: str, turn_ids: Sequence[str]) -> list[str]:
        """Compare the ledger with the ids of a thread's turns, which were read while nothing was under way."""
        found = Counter(turn_ids)
        mine = {turn_id: deed for turn_id, deed in self._deeds.items() if deed.thread == thread}
        return [
            *(f"turn {one} is there {count} times" for one, count in found.items() if count > 1),
            *(f"turn {one} was never said in this thread" for one in found if one not in mine),
            *(
                f"turn {one} was acknowledged, and is lost"
                for one in mine
                if mine[one].fate == "there" and not found[one]
            ),
            *(f"turn {one} is there, and must not be" for one in mine if mine[one].fate == "gone" and found[one]),
        ]

    def _tick(self) -> int:
        self._now += 1
        return self._now

    def _end(self, turn_id: str, fate: Fate) -> None:
        deed = self._deeds[turn_id]
        deed.ended = self._tick()
        deed.fate = "unsure" if deed.is_disturbed else fate

    @staticmethod
    def _lose(deed: Deed, began: int) -> None:
        if deed.ended is not None and deed.ended < began:
            deed.fate = "gone"
        else:
            deed.fate, deed.is_disturbed = "unsure", True
