"""How ChatKit's items lie in the messages of a turn.

A turn's id is made of its number, so an item whose turn's number is known is found by one read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec
from chatkit.types import ThreadItem

from recuerda.interop.chatkit.form import FORM, deleted, load
from recuerda.interop.forms import KEPT, grouped, restored
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage

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
    """Return the messages with others in the place of an item."""
    return [*messages[: line.start], *new, *messages[line.start + line.count :]]


def blanked(messages: Sequence[ChatMessage], line: Line) -> list[ChatMessage]:
    """Return as many messages, without anything of an item."""
    return spliced(messages, line, [deleted() for _ in range(line.count)])


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
