"""How ChatKit's items lie in the messages of a turn.

The first message of a turn names the turn before it, and a turn's id is made of its number. So a reader finds the
turns around a place one after the other, without reading the rest of the thread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec
from chatkit.types import ThreadItem
from msgspec import structs

from recuerda.interop.chatkit.form import FORM, deleted, load
from recuerda.interop.forms import KEPT, grouped, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, Turn, with_properties
from recuerda.threads.history import StoredTurn
from recuerda.window.window import turn_of

TURN = "chatkit.turn"
"""The additional property of a turn's first message: `{"previous": the number of the turn before}`."""

_ENDS = {"assistant_message", "widget", "generated_image", "structured_input", "end_of_turn", "sdk_hidden_context"}
_WAITS = {"client_tool_call", "structured_input"}
_INPUT = {"user_message", "hidden_context_item", "sdk_hidden_context"}


class Line(msgspec.Struct, frozen=True):
    """One item of a turn.

    Attributes:
        id: the item's id.
        start: the position of its first message in the turn.
        count: the number of its messages.
        data: its JSON.
    """

    id: str
    start: int
    count: int
    data: JsonObject

    @property
    def kind(self) -> str:
        """The item's type."""
        return str(self.data["type"])

    def item(self, thread_id: str, created_us: int) -> ThreadItem:
        """Return the item itself."""
        return load(self.data, thread_id, other_id=self.id, created_us=created_us)


def turn_id_of(number: int) -> str:
    """Return the id of the turn that gets a number."""
    return f"chatkit:{number}"


def lines_of(messages: Sequence[ChatMessage], turn_id: str) -> list[Line]:
    """Return the items of a turn's messages. An item of another writer gets its id from its place in the turn."""
    lines: list[Line] = []
    start = 0
    for group in _units(messages):
        other_id = f"{turn_id}:{start}"
        lines += [Line(str(data.get("id", other_id)), start, len(group), data) for data in restored(group, FORM)]
        start += len(group)
    return lines


def _units(messages: Sequence[ChatMessage]) -> Iterator[Sequence[ChatMessage]]:
    for group in grouped(messages):
        kept = (group[0].additional_properties or {}).get(KEPT)
        if isinstance(kept, dict) and kept.get("form") == FORM.name:
            yield group
        else:
            yield from ([message] for message in group)


def spliced(messages: Sequence[ChatMessage], line: Line, new: Sequence[ChatMessage]) -> list[ChatMessage]:
    """Return the messages with others in the place of an item. The marks of the turn stay."""
    result = [*messages[: line.start], *new, *messages[line.start + line.count :]]
    if line.start == 0 and result:
        old = messages[0].additional_properties or {}
        result[0] = with_properties(result[0], {TURN: old[TURN]} if TURN in old else {})
    return result


def blanked(messages: Sequence[ChatMessage], line: Line) -> list[ChatMessage]:
    """Return as many messages, without anything of an item."""
    return spliced(messages, line, [deleted() for _ in range(line.count)])


def whole_turn(messages: Sequence[ChatMessage], previous: int, *, is_interrupted: bool = False) -> Turn:
    """Return the turn that stores messages."""
    marked = (with_properties(messages[0], {TURN: {"previous": previous}}), *messages[1:])
    return structs.replace(turn_of(marked), is_interrupted=is_interrupted)


def previous_of(turn: StoredTurn) -> int | None:
    """Return the number of the turn before; 0 for the first turn; None if ChatKit has not written this turn."""
    mark: Any = _properties(turn).get(TURN)
    return cast("int", mark["previous"]) if isinstance(mark, dict) else None


def is_answered(lines: Sequence[Line]) -> bool:
    """Return whether a response has ended: it has shown something last, and waits for nothing."""
    if any(line.kind in _WAITS and line.data.get("status") == "pending" for line in lines):
        return False
    return bool(lines) and lines[-1].kind in _ENDS


def is_input(lines: Sequence[Line]) -> bool:
    """Return whether nothing has been answered."""
    return all(line.kind in _INPUT for line in lines)


def has_question(lines: Sequence[Line]) -> bool:
    """Return whether another question begins another turn."""
    return any(line.kind != "hidden_context_item" for line in lines)


def _properties(turn: StoredTurn) -> JsonObject:
    return (turn.messages[0].additional_properties or {}) if turn.messages else {}
