"""How a conversation of Pydantic AI lies in the turns of a thread.

Each write is one turn. The first message of an entry has the entry's id and parent in its additional properties, and
the last message of a turn has the record that was written with it. A write without entries, such as a branch, is a turn
with a note. A turn of another writer has entries too: their ids are made of the turn's id.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
from pydantic import TypeAdapter
from pydantic_ai.conversation_store import ConversationEntry, ConversationRecord

from recuerda.interop.forms import grouped, keep, restored
from recuerda.interop.pydantic_ai.form import dump
from recuerda.interop.pydantic_items import PydanticForm
from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, Turn, UnknownContent, with_properties
from recuerda.storage.records import ThreadInfo
from recuerda.threads.history import StoredTurn
from recuerda.window.window import turn_of

ENTRY = "pydantic-ai.entry"
"""The additional property of an entry's first message: `{"id": …}`, with `parent` if it is not the entry before."""

RECORD = "pydantic-ai.record"
"""The additional property of a turn's last message: the conversation's record as JSON."""

FORM = PydanticForm()

_records: TypeAdapter[ConversationRecord] = TypeAdapter(ConversationRecord)


class Line(msgspec.Struct, frozen=True):
    """One entry of a thread, before its message is made.

    Attributes:
        id: the entry's id.
        parent: the id of the entry before it; None for the first entry; UNSET if it was not read.
        items: the JSON of its message: one item, or none for what Pydantic AI cannot say.
        turn: the number of its turn.
    """

    id: str
    parent: str | msgspec.UnsetType | None
    items: list[JsonObject]
    turn: int


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
    written = cast("JsonObject", _records.dump_python(record, mode="json"))
    messages[-1] = with_properties(messages[-1], {RECORD: written})
    return turn_of(messages)


def record_of(last: StoredTurn, info: ThreadInfo) -> ConversationRecord:
    """Return the record of a conversation, from the last turn of its thread."""
    written = (last.messages[-1].additional_properties or {}).get(RECORD) if last.messages else None
    if written is not None:
        return _records.validate_python(written)
    # Another writer has continued the thread, or has begun it.
    lines = list(lines_of([last], is_whole=False))
    return ConversationRecord(
        conversation_id=info.id,
        head_id=lines[-1].id if lines else None,
        scope=info.user_id,
        revision=f"{info.incarnation}.{last.number}.{last.id}",
        updated_at=datetime.fromtimestamp(info.updated_us / 1e6, UTC),
    )


def has_record(last: StoredTurn) -> bool:
    """Return whether Pydantic AI has written a turn."""
    return bool(last.messages) and RECORD in (last.messages[-1].additional_properties or {})


def lines_of(turns: Sequence[StoredTurn], *, is_whole: bool) -> Iterator[Line]:
    """Yield the entries of turns, the oldest first.

    Args:
        turns: the turns.
        is_whole: True if the thread has no earlier turns.
    """
    previous: str | msgspec.UnsetType | None = None if is_whole else msgspec.UNSET
    for stored in turns:
        for number, group in enumerate(grouped(stored.messages)):
            mark = (group[0].additional_properties or {}).get(ENTRY)
            items = restored(group, FORM)
            if mark is None and not items:
                continue
            found = cast("dict[str, Any]", mark) if isinstance(mark, dict) else {"id": f"{stored.id}:{number}"}
            line = Line(found["id"], found.get("parent", previous), items, stored.number)
            yield line
            previous = line.id
