"""The threads of a storage that are kept in memory for the next reader, with what an adapter has made of their turns.

A web request makes a session of its own, so a session starts cold. It continues from what the last session on the same
storage has read: the thread's history, and what was made of each turn, such as the JSON of its items. A read still asks
the storage first; see `WarmHistories`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from recuerda.messages.message import Turn
from recuerda.storage.contract import Storage
from recuerda.storage.operations import Appended
from recuerda.storage.thread_info import Expected
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.warm_histories import WarmHistories

T = TypeVar("T")

WARM_BYTES = 16_000_000
"""The number of bytes of histories that are kept for one storage. What is made of them takes several times as many."""


class KnownTurns(Generic[T]):
    """What was made of the turns of one history.

    Args:
        make: makes it from a turn.
    """

    def __init__(self, make: Callable[[StoredTurn], T]) -> None:
        self._make = make
        self._known: dict[int, tuple[StoredTurn, T]] = {}

    def of(self, stored: StoredTurn) -> T:
        """Return what is made of a turn. A turn with files is made anew each time, so that the files are not held."""
        known = self._known.get(stored.number)
        # A turn whose body was rewritten keeps its number and its id, but it is another object.
        if known is not None and known[0] is stored:
            return known[1]
        made = self._make(stored)
        if not stored.blobs:
            self._known[stored.number] = stored, made
        return made

    def put(self, stored: StoredTurn, made: T) -> None:
        """Note what was made of a turn elsewhere."""
        if not stored.blobs:
            self._known[stored.number] = stored, made

    def shrink(self, history: History) -> None:
        """Forget turns if there are far more than the history has."""
        if len(self._known) > 2 * len(history.turns) + 100:
            self._known.clear()


class WarmThreads:
    """The threads of one storage that are kept in memory.

    Attributes:
        histories: the turns of the threads.
    """

    def __init__(self) -> None:
        self.histories: WarmHistories = WarmHistories(WARM_BYTES)
        self._known: WeakKeyDictionary[History, dict[str, KnownTurns[Any]]] = WeakKeyDictionary()

    def known(self, history: History, name: str, make: Callable[[StoredTurn], T]) -> KnownTurns[T]:
        """Return what was made of the turns of a history, and keep the history for the next reader.

        Args:
            history: the history.
            name: the name of what is made, such as the name of a form.
            make: makes it from a turn. It is kept as long as the history, so it must not refer to the history.
        """
        by_name = self._known.setdefault(history, {})
        known: KnownTurns[T] | None = by_name.get(name)
        if known is None:
            known = by_name[name] = KnownTurns(make)
        known.shrink(history)
        self.keep(history)
        return known

    def grow(self, thread_id: str, version: Expected, appended: Appended, turn: Turn) -> None:
        """Add a turn that was appended to a thread, so that the next reader need not fetch it.

        Args:
            thread_id: the thread.
            version: the version to which the turn was appended.
            appended: the outcome.
            turn: the turn.
        """
        history = self.histories.get(thread_id)
        if history is not None and history.version == version and not appended.replayed:
            history.committed(appended.record, turn)
            self.keep(history)

    def keep(self, history: History) -> None:
        """Keep a history for the next reader of its thread."""
        if history.info is not None:
            self.histories.keep(history)


_warm: WeakKeyDictionary[Storage, WarmThreads] = WeakKeyDictionary()


def warm_threads(storage: Storage) -> WarmThreads:
    """Return the threads of a storage that are kept in memory, as long as the storage object is there."""
    return _warm.get(storage) or _warm.setdefault(storage, WarmThreads())
