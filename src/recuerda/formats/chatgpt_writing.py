"""ChatGPT's archive, written: `conversations.json` in a zip file, and the files of the conversations.

ChatGPT itself imports no archive, but other programs do, such as LibreChat and Open WebUI. Each part of an answer is a
node of its own: a call is followed by its result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from recuerda.formats.calls import text_of_arguments, text_of_result
from recuerda.formats.format import Family, Writer, Written
from recuerda.formats.losses import ERROR_MARK
from recuerda.formats.said_parts import losses_of, model_of, parts_with_results
from recuerda.formats.supplement import KEY
from recuerda.formats.trees import Entry, Piece, Tree, answers
from recuerda.formats.zip_files import zip_writer
from recuerda.json_value import Json, JsonObject
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

_ROLES = {"user": "user", "system": "system", "developer": "system"}
_HOLDS = ("title", "time", "archived mark")
_ROOT = "client-created-root"


def _write(family: Family) -> Written:
    tree = Tree(family, _cut)
    first, children = family[0], tree.children()
    nodes = {entry.id: _node(entry, children) for entry in tree.entries.values()}
    root: JsonObject = {"id": _ROOT, "message": None, "parent": None, "children": [*children.get(None, ())]}
    times = [entry.created_us / 1e6 for entry in tree.entries.values() if entry.created_us is not None]
    conversation: JsonObject = {
        "id": first.id,
        "conversation_id": first.id,
        "title": first.title or "",
        "create_time": min(times, default=0),
        "update_time": max(times, default=0),
        "mapping": {_ROOT: root, **nodes},
        "current_node": tree.shown or _ROOT,
        "is_archived": first.archived,
    }
    for ours, theirs in (("model", "default_model_slug"), ("gizmo_id", "gizmo_id")):
        if isinstance(known := first.metadata.get(ours), str):
            conversation[theirs] = known
    text = msgspec.json.encode({**conversation, KEY: tree.supplements()}).decode()
    return tree.written(text, _HOLDS)


def _node(entry: Entry, children: Mapping[str | None, Sequence[str]]) -> JsonObject:
    time = None if entry.created_us is None else entry.created_us / 1e6
    message: JsonObject = {"id": entry.id, "create_time": time, "update_time": None, **entry.piece.data}
    message |= {"status": "finished_successfully", "end_turn": None, "weight": 1.0, "channel": None}
    parent = entry.parent or _ROOT
    return {"id": entry.id, "message": message, "parent": parent, "children": [*children.get(entry.id, ())]}


def _cut(messages: Sequence[ChatMessage]) -> list[Piece]:
    return [piece for group in answers(messages) for piece in _pieces(group)]


def _pieces(messages: Sequence[ChatMessage]) -> Iterator[Piece]:
    """Yield the nodes of a question or of an answer. The first one has the id and the losses of the messages."""
    role, unsaid = _ROLES.get(messages[0].role, "assistant"), list[AnyContent]()
    nodes = list(_nodes(messages, unsaid))
    if not nodes:
        yield Piece(data={}, losses=losses_of(messages))
        return
    name, model = messages[0].author_name, model_of(messages)
    losses = losses_of(messages, unsaid, holds=("name", ERROR_MARK))
    for number, node in enumerate(nodes):
        author: JsonObject = {"role": role, "name": name, "metadata": {}}
        metadata: JsonObject = {"model_slug": model} if model and role == "assistant" else {}
        data: JsonObject = {"author": author, "recipient": "all", "metadata": metadata, **node.data}
        if number == 0:
            yield Piece(data=data, id=node.id or messages[0].message_id, losses=losses, files=node.files)
        else:
            yield Piece(data=data, id=node.id, files=node.files)


def _nodes(messages: Sequence[ChatMessage], unsaid: list[AnyContent]) -> Iterator[Piece]:
    """Yield the nodes: one for neighbouring texts and files, and one for each call, each result and each reasoning."""
    shown: list[AnyContent] = []
    for part, result in parts_with_results(messages):
        if isinstance(part, TextContent | RefusalContent | DataContent):
            shown.append(part)
            continue
        yield from _shown(shown)
        shown.clear()
        match part:
            case TextReasoningContent() if part.text:
                thought: JsonObject = {"summary": "", "content": part.text}
                yield Piece(data={"content": {"content_type": "thoughts", "thoughts": [thought]}})
            case FunctionCallContent():
                yield _call(part)
                if result is not None:
                    yield _result(result, part.name)
            case FunctionResultContent():
                yield _result(part, "tool")
            case _:
                unsaid.append(part)
    yield from _shown(shown)


def _shown(parts: Sequence[AnyContent]) -> Iterator[Piece]:
    said: list[Json] = []
    attachments: list[Json] = []
    files: dict[str, bytes] = {}
    for part in parts:
        if isinstance(part, DataContent):
            file_id = f"file-{hashlib.sha256(part.data).hexdigest()[:24]}"
            size = len(part.data)
            attachments.append({"id": file_id, "name": part.name, "mime_type": part.media_type, "size": size})
            files[file_id] = part.data
            if part.media_type.startswith("image/"):
                pointer = f"file-service://{file_id}"
                said.append({"content_type": "image_asset_pointer", "asset_pointer": pointer, "size_bytes": size})
        elif isinstance(part, TextContent | RefusalContent):
            text = part.text if isinstance(part, TextContent) else part.refusal
            said += [text] if text else []
    if said or attachments:
        kind = "text" if all(isinstance(part, str) for part in said) else "multimodal_text"
        content: JsonObject = {"content_type": kind, "parts": said}
        metadata: JsonObject = {"attachments": attachments} if attachments else {}
        yield Piece(data={"content": content, **({"metadata": metadata} if attachments else {})}, files=files)


def _call(call: FunctionCallContent) -> Piece:
    content: JsonObject = {"content_type": "code", "language": "json", "text": text_of_arguments(call)}
    author: JsonObject = {"role": "assistant", "name": None, "metadata": {}}
    return Piece(data={"content": content, "recipient": call.name, "author": author}, id=call.call_id or None)


def _result(result: FunctionResultContent, name: str) -> Piece:
    kind = "system_error" if result.is_error else "execution_output"
    content: JsonObject = {"content_type": kind, "text": text_of_result(result)}
    return Piece(data={"content": content, "author": {"role": "tool", "name": name, "metadata": {}}})


WRITER = zip_writer(Writer(write=_write, start="[", between=",\n", end="]\n", has_trees=True))
