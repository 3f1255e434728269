"""Claude's archive, written: `conversations.json` in a zip file, and the files that are no text.

Claude itself imports no archive, but other programs do, such as LibreChat. A file of plain text becomes an attachment
with its text, as Claude does it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import msgspec

from recuerda.formats.calls import arguments_of, text_of_result
from recuerda.formats.format import Family, Writer, Written
from recuerda.formats.losses import ERROR_MARK
from recuerda.formats.said_parts import losses_of
from recuerda.formats.supplement import KEY
from recuerda.formats.times import to_iso
from recuerda.formats.trees import Entry, Piece, Tree, answers
from recuerda.formats.zip_files import zip_writer
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
)

_NO_PARENT = "00000000-0000-4000-8000-000000000000"
_SENDERS = {"user": "human", "system": "system", "developer": "system"}
_HOLDS = ("title", "time")


def _write(family: Family) -> Written:
    tree = Tree(family, _cut)
    first, summary = family[0], family[0].metadata.get("summary")
    times = [to_iso(entry.created_us) for entry in tree.entries.values() if entry.created_us is not None]
    conversation: JsonObject = {
        "uuid": first.id,
        "name": first.title or "",
        "summary": summary if isinstance(summary, str) else "",
        **({"created_at": times[0], "updated_at": times[-1]} if times else {}),
        "account": {"uuid": first.user_id or ""},
        "chat_messages": [_message(entry) for entry in tree.entries.values()],
    }
    text = msgspec.json.encode({**conversation, KEY: tree.supplements()}).decode()
    return tree.written(text, _HOLDS)


def _message(entry: Entry) -> JsonObject:
    time = to_iso(entry.created_us)
    place: JsonObject = {"uuid": entry.id, "parent_message_uuid": entry.parent or _NO_PARENT}
    return {**place, **entry.piece.data, **({"created_at": time, "updated_at": time} if time else {})}


def _cut(messages: Sequence[ChatMessage]) -> list[Piece]:
    return [_piece(group) for group in answers(messages)]


def _piece(messages: Sequence[ChatMessage]) -> Piece:
    blocks: list[JsonObject] = []
    attachments: list[JsonObject] = []
    named: list[JsonObject] = []
    files: dict[str, bytes] = {}
    unsaid: list[AnyContent] = []
    for part in (part for message in messages for part in message.contents):
        if isinstance(part, DataContent) and (attachment := _attachment(part)) is not None:
            attachments.append(attachment)
        elif isinstance(part, DataContent):
            file_id = hashlib.sha256(part.data).hexdigest()[:32]
            named.append({"file_name": part.name or "", "file_uuid": file_id, "media_type": part.media_type})
            files[f"files/{file_id}"] = part.data
        elif (block := _block(part)) is None:
            unsaid.append(part)
        elif block.get("text") != "":
            blocks.append(block)
    if not (blocks or attachments or named):
        return Piece(data={}, losses=losses_of(messages))
    data: JsonObject = {
        "text": "".join(str(block["text"]) for block in blocks if block["type"] == "text"),
        "content": [*blocks],
        "sender": _SENDERS.get(messages[0].role, "assistant"),
        "attachments": [*attachments],
        "files": [*named],
    }
    losses = losses_of(messages, unsaid, holds=(ERROR_MARK,))
    return Piece(data=data, id=messages[0].message_id, losses=losses, files=files)


def _attachment(part: DataContent) -> JsonObject | None:
    """Return the attachment for a file of plain text; None for every other file."""
    if part.media_type != "text/plain" or not part.data:
        return None
    try:
        text = part.data.decode()
    except UnicodeDecodeError:
        return None
    return {"file_name": part.name or "", "file_size": len(part.data), "file_type": "txt", "extracted_content": text}


def _block(part: AnyContent) -> JsonObject | None:
    match part:
        case TextContent(text=text) | RefusalContent(refusal=text):
            return {"type": "text", "text": text, "citations": []}
        case TextReasoningContent():
            return {"type": "thinking", "thinking": part.text, "summaries": [], "cut_off": False}
        case FunctionCallContent():
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": arguments_of(part)}
        case FunctionResultContent():
            said: list[JsonObject] = [{"type": "text", "text": text_of_result(part)}]
            result: JsonObject = {"type": "tool_result", "tool_use_id": part.call_id, "content": [*said]}
            return {**result, "is_error": part.is_error}
        case _:
            return None


WRITER = zip_writer(Writer(write=_write, start="[", between=",\n", end="]\n", has_trees=True))
