"""LibreChat's export, written: one JSON object for each conversation, with its branches.

LibreChat imports one conversation from a file. It has only users and assistants, so it has no place for instructions.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda.formats.calls import text_of_arguments, text_of_result
from recuerda.formats.format import Family, Writer, Written
from recuerda.formats.said_parts import losses_of, model_of, parts_with_results
from recuerda.formats.supplement import KEY
from recuerda.formats.times import to_iso
from recuerda.formats.trees import Entry, Piece, Tree, answers
from recuerda.interop.encoded import data_uri
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
    UriContent,
)

_NO_PARENT = "00000000-0000-0000-0000-000000000000"
_HOLDS = ("title", "time")


def _write(family: Family) -> Written:
    tree = Tree(family, _cut)
    first = family[0]
    endpoint = first.metadata.get("endpoint")
    conversation: JsonObject = {
        "conversationId": first.id,
        "title": first.title or "",
        "endpoint": endpoint if isinstance(endpoint, str) else "openAI",
        "branches": True,
        "recursive": False,
        "options": {},
        "messages": [_message(entry, first.id) for entry in tree.entries.values()],
    }
    text = msgspec.json.encode({**conversation, KEY: tree.supplements()}).decode()
    return tree.written(text + "\n", _HOLDS)


def _message(entry: Entry, conversation_id: str) -> JsonObject:
    time = to_iso(entry.created_us)
    place: JsonObject = {
        "messageId": entry.id,
        "conversationId": conversation_id,
        "parentMessageId": entry.parent or _NO_PARENT,
    }
    return {**place, **entry.piece.data, **({"createdAt": time, "updatedAt": time} if time else {})}


def _cut(messages: Sequence[ChatMessage]) -> list[Piece]:
    return [_piece(group) for group in answers(messages)]


def _piece(messages: Sequence[ChatMessage]) -> Piece:
    is_user = messages[0].role == "user"
    if messages[0].role in ("system", "developer"):
        return Piece(data={}, losses=losses_of(messages))
    blocks: list[JsonObject] = []
    files: list[JsonObject] = []
    unsaid: list[AnyContent] = []
    for part, result in parts_with_results(messages):
        if isinstance(part, DataContent | UriContent):
            files.append(_file(part))
        elif (block := _block(part, result)) is None:
            unsaid.append(part)
        elif block.get("text") != "":
            blocks.append(block)
    if not blocks and not files:
        return Piece(data={}, losses=losses_of(messages))
    texts = [str(block["text"]) for block in blocks if block["type"] == "text"]
    data: JsonObject = {
        "sender": "User" if is_user else model_of(messages) or "Assistant",
        "isCreatedByUser": is_user,
        "text": "".join(texts),
        "error": False,
        "unfinished": False,
    }
    if not is_user or len(texts) < len(blocks):
        data["content"] = [*blocks]
    if files:
        data["files"] = [*files]
    if (model := model_of(messages)) is not None:
        data["model"] = model
    return Piece(data=data, id=messages[0].message_id, losses=losses_of(messages, unsaid))


def _block(part: AnyContent, result: FunctionResultContent | None) -> JsonObject | None:
    match part:
        case TextContent(text=text) | RefusalContent(refusal=text):
            return {"type": "text", "text": text}
        case TextReasoningContent():
            return {"type": "think", "think": part.text}
        case FunctionCallContent():
            return {"type": "tool_call", "tool_call": _call(part.call_id, part.name, text_of_arguments(part), result)}
        case FunctionResultContent():
            return {"type": "tool_call", "tool_call": _call(part.call_id, "tool", "{}", result)}
        case _:
            return None


def _call(call_id: str, name: str, arguments: str, result: FunctionResultContent | None) -> JsonObject:
    call: JsonObject = {"id": call_id, "name": name, "args": arguments, "type": "tool_call", "progress": 1}
    return call if result is None else {**call, "output": text_of_result(result)}


def _file(part: DataContent | UriContent) -> JsonObject:
    path = part.uri if isinstance(part, UriContent) else data_uri(part)
    return {"filename": part.name or "", "filepath": path, "type": part.media_type}


WRITER = Writer(write=_write, has_trees=True)
