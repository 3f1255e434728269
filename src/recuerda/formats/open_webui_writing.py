"""Open WebUI's export of chats, written: an array of chats, each with its branches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from recuerda.formats.format import Family, Writer, Written
from recuerda.formats.losses import SIGNATURE
from recuerda.formats.moved import MovedThread
from recuerda.formats.said_parts import losses_of, model_of
from recuerda.formats.supplement import KEY
from recuerda.formats.trees import Entry, Piece, Tree, answers
from recuerda.interop.encoded import data_uri
from recuerda.interop.responses_items import ResponsesForm
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UriContent,
    with_contents,
)

_FORM = ResponsesForm()
_TEXT = "text"
_HOLDS = ("title", "time", "user", "tag", "archived mark")


def _write(family: Family) -> Written:
    tree = Tree(family, _cut)
    children = tree.children()
    chat: JsonObject = {
        "title": family[0].title or "",
        "models": _models(family[0], tree),
        "history": {
            "messages": {entry.id: _message(entry, children) for entry in tree.entries.values()},
            "currentId": tree.shown,
        },
        "messages": [_message(entry, children) for entry in tree.path(tree.shown)],
        "params": {},
        "files": [],
    }
    text = msgspec.json.encode({**_record(family[0], tree), "chat": chat, KEY: tree.supplements()}).decode()
    return tree.written(text, _HOLDS)


def _record(first: MovedThread, tree: Tree) -> JsonObject:
    times = [entry.created_us // 1_000_000 for entry in tree.entries.values() if entry.created_us is not None]
    return {
        "id": first.id,
        "user_id": first.user_id or "",
        "title": first.title or "",
        "created_at": min(times, default=0),
        "updated_at": max(times, default=0),
        "archived": first.archived,
        "pinned": first.metadata.get("pinned") is True,
        "meta": {"tags": [*first.tags]},
        "share_id": None,
        "folder_id": None,
    }


def _models(first: MovedThread, tree: Tree) -> list[Json]:
    told = first.metadata.get("models")
    if isinstance(told, list):
        return [model for model in told if isinstance(model, str)]
    used = {str(entry.piece.data["model"]) for entry in tree.entries.values() if "model" in entry.piece.data}
    return [*sorted(used)]


def _message(entry: Entry, children: Mapping[str | None, Sequence[str]]) -> JsonObject:
    place: JsonObject = {"id": entry.id, "parentId": entry.parent, "childrenIds": [*children.get(entry.id, ())]}
    time: JsonObject = {} if entry.created_us is None else {"timestamp": entry.created_us // 1_000_000}
    return {**place, **entry.piece.data, **time}


def _cut(messages: Sequence[ChatMessage]) -> list[Piece]:
    return [_piece(group) for group in answers(messages)]


def _piece(messages: Sequence[ChatMessage]) -> Piece:
    files: list[JsonObject] = []
    output: list[JsonObject] = []
    unsaid: list[AnyContent] = []
    for message in messages:
        for part in message.contents:
            if isinstance(part, DataContent | UriContent):
                files.append(_file(part))
            elif (items := _items(part, message)) is None:
                unsaid.append(part)
            else:
                output += items
    if not (output or files):
        return Piece(data={}, losses=losses_of(messages))
    data = _data(messages[0].role, output, files)
    if (model := model_of(messages)) is not None:
        data["model"] = model
    return Piece(data=data, id=messages[0].message_id, losses=losses_of(messages, unsaid, holds=(SIGNATURE,)))


def _data(role: str, output: Sequence[JsonObject], files: Sequence[JsonObject]) -> JsonObject:
    texts = [str(item["text"]) for item in output if item.get("type") == _TEXT]
    role = {"developer": "system", "tool": "assistant"}.get(role, role)
    data: JsonObject = {"role": role, "content": "".join(texts)}
    if len(texts) < len(output):
        data["output"] = [_said(str(item["text"])) if item.get("type") == _TEXT else item for item in output]
    if files:
        data["files"] = [*files]
    return {**data, "done": True} if role == "assistant" else data


def _items(part: AnyContent, message: ChatMessage) -> Sequence[JsonObject] | None:
    """Return the items of a part; None for a part that the format has no place for."""
    match part:
        case TextContent(text=text) | RefusalContent(refusal=text):
            return [{"type": _TEXT, "text": text}] if text else []
        case TextReasoningContent():
            return [_reasoning(part)]
        case _:
            return _FORM.to_items(with_contents(message, [part])) or None


def _said(text: str) -> JsonObject:
    return {
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": [{"type": "output_text", "text": text}],
    }


def _reasoning(part: TextReasoningContent) -> JsonObject:
    item: JsonObject = {"type": "reasoning", "status": "completed", "summary": None}
    item["content"] = [{"type": "output_text", "text": part.text}]
    return item if part.protected_data is None else {**item, "encrypted_content": part.protected_data}


def _file(part: DataContent | UriContent) -> JsonObject:
    url = part.uri if isinstance(part, UriContent) else data_uri(part)
    kind = "image" if part.media_type.startswith("image/") else "file"
    return {"type": kind, "url": url, "name": part.name or "", "content_type": part.media_type}


WRITER = Writer(write=_write, start="[", between=",\n", end="]\n", has_trees=True)
