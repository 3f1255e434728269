"""How a conversation of Pydantic AI lies in the turns of a thread.

Each write is one turn. The first message of an entry has the entry's id and parent in its additional properties, and
the last message of a turn has the record that was written with it. A write without entries, such as a branch, is a turn
with a note. A turn of another writer has entries too: their ids are made of the turn's id.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import groupby
from typing import Any, cast

import msgspec
from pydantic import TypeAdapter
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord
from pydantic_ai.messages import ModelMessage, ToolCallPart, ToolReturnPart

from recuerda.interop.copies import Original
from recuerda.interop.forms import grouped, keep, restored
from recuerda.interop.pydantic_ai.form import dump, load
from recuerda.interop.pydantic_items import UNNAMED, PydanticForm
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, Turn, UnknownContent, with_properties
from recuerda.storage.thread_info import ThreadInfo
from recuerda.threads.history import StoredTurn
from recuerda.window.window import turn_of

ENTRY = "pydantic-ai.entry"
"""The additional property of an entry's first message: `{"id": …}`, with `parent` if it is not the entry before."""

RECORD = "pydantic-ai.record"
"""The additional property of a turn's last message: the conversation's record as JSON."""

FORM = PydanticForm()

_records: TypeAdapter[ConversationRecord] = TypeAdapter(ConversationRecord)


class Line(msgspec.Struct, frozen=True, gc=False):
    """One entry of a turn.

    Attributes:
        id: the entry's id.
        parent: the id of the entry before it; None for the first entry; UNSET for the entry that comes before it in the
            thread.
        turn: the number of its turn.
        message: its message; None for what Pydantic AI cannot say.
        has_unnamed: True if the message has a result of a tool whose name only an earlier turn tells.
    """

    id: str
    parent: str | msgspec.UnsetType | None
    turn: int
    message: Original[ModelMessage] | None
    has_unnamed: bool


class Chain(msgspec.Struct, frozen=True):
    """Entries that follow each other.

    Attributes:
        lines: the entries, the oldest first.
        parent: the id of the entry before the oldest one; None if there is none.
    """

    lines: Sequence[Line]
    parent: str | None

    def entries(self) -> list[ConversationEntry]:
        """Return the entries with messages of their own, which the caller may change."""
        entries: list[ConversationEntry] = []
        parent = self.parent
        for line in self.lines:
            if line.message is not None:
                entries.append(ConversationEntry(id=line.id, parent_id=parent, message=line.message.copy()))
            parent = line.id
        if any(line.has_unnamed for line in self.lines):
            _name_results([entry.message for entry in entries])
        return entries

    def by_turn(self) -> list[Sequence[ConversationEntry]]:
        """Return the entries of each turn."""
        turns = {line.id: line.turn for line in self.lines}
        return [[*group] for _, group in groupby(self.entries(), key=lambda entry: turns[entry.id])]


# -- writing -----------------------------------------------------------------------------------------------------------


def written_turn(record: ConversationRecord, entries: Sequence[ConversationEntry]) -> Turn:
    """Return the turn that stores a record with its new entries."""
    items = dump([entry.message for entry in entries])
    messages: list[ChatMessage] = []
    previous: ConversationEntry | None = None
    for entry, item in zip(entries, items, strict=True):
        first, *others = keep([item], FORM)
        mark: JsonObject = {"id": entry.id}
        if previous is None or entry.parent_id != previous.id:
            mark["parent"] = entry.parent_id
        messages += [with_properties(first, {ENTRY: mark}), *others]
        previous = entry
    if not messages:
        messages = [ChatMessage("tool", UnknownContent({"type": "pydantic-ai/record"}))]
    messages[-1] = with_properties(messages[-1], {RECORD: _written(record)})
    return turn_of(messages)


def _written(record: ConversationRecord) -> JsonObject:
    """Return the JSON of a record, without the many fields that have no value."""
    # The calls that a paused run waits for are told apart by fields with default values.
    is_slim = record.deferred_tool_requests is None
    written = cast("JsonObject", _records.dump_python(record, mode="json", exclude_defaults=is_slim))
    return {**written, "format_version": record.format_version}


# -- reading -----------------------------------------------------------------------------------------------------------


def record_of(last: StoredTurn, info: ThreadInfo) -> ConversationRecord:
    """Return the record of a conversation, from the last turn of its thread."""
    written = (last.messages[-1].additional_properties or {}).get(RECORD) if last.messages else None
    if written is not None:
        return _records.validate_python(written)
    # Another writer has continued the thread, or has begun it.
    found = [*_items_of(last)]
    return ConversationRecord(
        conversation_id=info.id,
        head_id=found[-1][0] if found else None,
        scope=info.user_id,
        revision=f"{info.incarnation}.{last.number}.{last.id}",
        updated_at=datetime.fromtimestamp(info.updated_us / 1e6, UTC),
    )


def has_record(last: StoredTurn) -> bool:
    """Return whether Pydantic AI has written a turn."""
    return bool(last.messages) and RECORD in (last.messages[-1].additional_properties or {})


def lines_of(stored: StoredTurn) -> tuple[Line, ...]:
    """Return the entries of a turn."""
    found = [*_items_of(stored)]
    loaded = iter(load([item for _, _, item in found if item is not None]))
    lines: list[Line] = []
    for id, parent, item in found:
        if item is None:
            lines.append(Line(id, parent, stored.number, None, has_unnamed=False))
            continue
        message = next(loaded)
        has_unnamed = any(part.tool_name == UNNAMED for part in _results(message))
        lines.append(Line(id, parent, stored.number, Original(message), has_unnamed))
    return tuple(lines)


def _items_of(stored: StoredTurn) -> Iterator[tuple[str, str | msgspec.UnsetType | None, JsonObject | None]]:
    """Yield the ids, the parents and the items of a turn's entries; see `Line`."""
    for number, group in enumerate(grouped(stored.messages)):
        mark = (group[0].additional_properties or {}).get(ENTRY)
        items = restored(group, FORM)
        if isinstance(mark, dict):
            own = cast("dict[str, Any]", mark)
            yield own["id"], own.get("parent", msgspec.UNSET), items[0] if items else None
        else:
            for place, item in enumerate(items):
                yield f"{stored.id}:{number}.{place}" if place else f"{stored.id}:{number}", msgspec.UNSET, item


def followed(newest_first: Iterable[Line], head_id: str, limit: int | None, *, is_whole: bool) -> Chain | None:
    """Return the entries up to one of them; None if one of them is not among the lines.

    Args:
        newest_first: the lines of a thread, the newest first.
        head_id: the id of the last entry.
        limit: the largest number of entries; None for all.
        is_whole: True if the thread has no other lines. The chain then begins with the oldest line that is there: a
            limit or a trim may have deleted the entries before it.
    """
    chosen: list[Line] = []
    wanted: str | msgspec.UnsetType | None = head_id
    for line in newest_first:
        if wanted is not msgspec.UNSET and line.id != wanted:
            continue
        if len(chosen) == limit:
            return Chain(chosen[::-1], line.id)
        chosen.append(line)
        wanted = line.parent
        if wanted is None or (wanted is not msgspec.UNSET and len(chosen) == limit):
            return Chain(chosen[::-1], wanted)
    return Chain(chosen[::-1], None) if chosen and is_whole else None


def _name_results(messages: Sequence[ModelMessage]) -> None:
    """Give the results of tools that have no name the names from their calls."""
    names: dict[str, str] = {}
    for message in messages:
        names |= {part.tool_call_id: part.tool_name for part in message.parts if isinstance(part, ToolCallPart)}
        for part in _results(message):
            if part.tool_name == UNNAMED:
                part.tool_name = names.get(part.tool_call_id, UNNAMED)


def _results(message: ModelMessage) -> Iterator[ToolReturnPart]:
    return (part for part in message.parts if isinstance(part, ToolReturnPart))
