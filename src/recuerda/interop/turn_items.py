"""The items of turns as JSON.

The JSON of a turn is kept in memory (see `warm_threads`). A reader gets its items decoded anew, so it may change them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from recuerda.interop.calls import call_ids, result_ids
from recuerda.interop.forms import Form, grouped, restore, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage
from recuerda.threads.history import StoredTurn


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
    return turn_items(messages, restore(messages, form))


def turn_items(messages: Sequence[ChatMessage], items: Sequence[JsonObject]) -> TurnItems:
    """Return the items that are known to be the items of messages."""
    return TurnItems(messages, _joined(items), len(items), bool(messages) and bool(result_ids(messages[:1])))


def items_of_turn(form: Form, stored: StoredTurn) -> TurnItems:
    """Return the items of a turn."""
    return items_of(stored.messages, form)


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
    chosen: list[tuple[Sequence[ChatMessage], Sequence[JsonObject]]] = []
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
