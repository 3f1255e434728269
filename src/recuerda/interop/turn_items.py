"""The items of turns as JSON, and the threads of a storage whose items are kept in memory.

A web request makes a session of its own, so a session starts cold. It continues from what the last session on the same
storage has read: the thread's history, and the JSON of the items that each turn holds. A read still asks the storage
first; see `WarmHistories`. A reader gets its items decoded anew, so it may change them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from weakref import WeakKeyDictionary

import msgspec

from recuerda.interop.calls import call_ids, result_ids
from recuerda.interop.forms import Form, grouped, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage
from recuerda.storage.contract import Storage
from recuerda.threads.history import History, StoredTurn
from recuerda.threads.warm_histories import WarmHistories

WARM_BYTES = 16_000_000
"""The number of bytes of histories that are kept for one storage. The JSON of their items may take as many again."""


class TurnItems(msgspec.Struct, frozen=True, gc=False):
    """The items of a turn.

    Attributes:
        messages: the turn's messages.
        body: the JSON texts of the items, with commas between them.
        count: the number of items.
        has_result_first: True if the turn begins with the result of a call.
    """

    messages: Sequence[ChatMessage]
    body: bytes
    count: int
    has_result_first: bool


def items_of(messages: Sequence[ChatMessage], form: Form) -> TurnItems:
    """Return the items that messages stand for."""
    items = [item for group in grouped(messages) for item in restored(group, form)]
    return TurnItems(messages, _joined(items), len(items), bool(messages) and bool(result_ids(messages[:1])))


def listed(parts: Iterable[TurnItems]) -> bytes:
    """Return the items of turns as one JSON list, the oldest item first. The newest turn is given first."""
    return _list([part.body for part in parts][::-1])


def newest(parts: Iterable[TurnItems], limit: int, form: Form) -> bytes:
    """Return the newest items of turns as one JSON list, the oldest item first.

    Results at the start whose calls are left out are left out too.

    Args:
        parts: the turns, the newest of them first. Only the turns that are needed are taken.
        limit: the largest number of items.
        form: the form of the items.
    """
    whole: list[TurnItems] = []
    start = b""
    for part in parts:
        if part.count > limit:
            start = _end_of(part, limit, form)
            break
        whole.append(part)
        limit -= part.count
        if not limit:
            break
    while not start and whole and whole[-1].has_result_first:
        part = whole.pop()
        start = _end_of(part, part.count, form)
    return _list([start, *[part.body for part in reversed(whole)]])


def _end_of(part: TurnItems, limit: int, form: Form) -> bytes:
    """Return the newest items of one turn, without results at the start whose calls are left out."""
    chosen: list[tuple[Sequence[ChatMessage], list[JsonObject]]] = []
    for group in reversed([*grouped(part.messages)]):
        items = restored(group, form)
        limit -= len(items)
        if limit < 0:
            break
        chosen.append((group, items))
    called = call_ids(message for group, _ in chosen for message in group)
    while chosen and (answered := result_ids(chosen[-1][0])) and answered.isdisjoint(called):
        chosen.pop()
    return _joined([item for _, items in reversed(chosen) for item in items])


def _joined(items: Sequence[JsonObject]) -> bytes:
    return msgspec.json.encode(items)[1:-1]


def _list(bodies: Sequence[bytes]) -> bytes:
    return b"[%b]" % b",".join([body for body in bodies if body])


class KnownItems:
    """The items of the turns of one history, in one form.

    Args:
        form: the form of the items.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._known: dict[int, tuple[StoredTurn, TurnItems]] = {}

    def of(self, stored: StoredTurn) -> TurnItems:
        """Return the items of a turn."""
        known = self._known.get(stored.number)
        # A turn whose body was rewritten keeps its number and its id, but it is another object.
        if known is not None and known[0] is stored:
            return known[1]
        items = items_of(stored.messages, self._form)
        self._known[stored.number] = stored, items
        return items

    def shrink(self, history: History) -> None:
        """Forget items if there are far more than the history has turns."""
        if len(self._known) > 2 * len(history.turns) + 100:
            self._known.clear()


class WarmItems:
    """The threads of one storage that are kept in memory.

    Attributes:
        histories: the turns of the threads.
    """

    def __init__(self) -> None:
        self.histories: WarmHistories = WarmHistories(WARM_BYTES)
        self._items: WeakKeyDictionary[History, dict[str, KnownItems]] = WeakKeyDictionary()

    def known(self, history: History, form: Form) -> KnownItems:
        """Return the items of a history that are known in a form, and keep the history for the next reader."""
        by_form = self._items.setdefault(history, {})
        known = by_form.get(form.name)
        if known is None:
            known = by_form[form.name] = KnownItems(form)
        known.shrink(history)
        self.keep(history)
        return known

    def keep(self, history: History) -> None:
        """Keep a history for the next reader of its thread."""
        if history.info is not None:
            self.histories.keep(history)


_warm: WeakKeyDictionary[Storage, WarmItems] = WeakKeyDictionary()


def warm_items(storage: Storage) -> WarmItems:
    """Return the threads of a storage that are kept in memory, as long as the storage object is there."""
    return _warm.get(storage) or _warm.setdefault(storage, WarmItems())
