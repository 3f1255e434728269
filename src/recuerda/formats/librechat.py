"""LibreChat's JSON export of a conversation: a list of messages, or a tree of messages inside messages.

The file names pictures and other files by their paths on LibreChat's server, and does not hold them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from recuerda.formats.branches import after_instructions, threads_of
from recuerda.formats.conversation_files import first_object
from recuerda.formats.documents import documents, understood
from recuerda.formats.files import ANY_IMAGE, linked, media_type_of
from recuerda.formats.format import Format
from recuerda.formats.librechat_writing import WRITER
from recuerda.formats.losses import counted
from recuerda.formats.moved import MovedThread
from recuerda.formats.source import Source
from recuerda.formats.steps import steps
from recuerda.formats.supplement import supplements_in
from recuerda.formats.times import to_us
from recuerda.formats.turns import Conversation, Said
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
)

_Data = dict[str, Any]


class _Message(msgspec.Struct, rename="camel"):
    message_id: str
    parent_message_id: str | None = None
    text: str | None = None
    content: list[_Data | None] | None = None
    is_created_by_user: bool = False
    sender: str | None = None
    model: str | None = None
    created_at: str | None = None
    files: list[_Data] | None = None
    attachments: list[_Data] | None = None
    plugins: list[_Data] | None = None
    error: bool | None = None
    unfinished: bool | None = None
    children: list[_Message] = []


class _Conversation(msgspec.Struct, rename="camel"):
    conversation_id: str
    title: str | None = None
    endpoint: str | None = None
    options: _Data | None = None
    messages: list[_Message] | _Message | None = None
    messages_tree: list[_Message] | None = None
    recuerda: _Data | None = None


def _read(source: Source) -> Iterator[MovedThread]:
    for document in documents(source.text()):
        found = document.as_type(_Conversation)
        with understood(document.where):
            options = found.options or {}
            about = Conversation(id=found.conversation_id, title=found.title, metadata=_metadata(found, options))
            told = found.messages_tree or found.messages or []
            said = list(_said([told] if isinstance(told, _Message) else told))
            shown = said[-1].id if said else None
            said = after_instructions(said, options.get("promptPrefix") or options.get("system"))
            yield from threads_of(about, said, shown=shown, facts=supplements_in(found.recuerda))


def _metadata(found: _Conversation, options: _Data) -> JsonObject:
    known = {"endpoint": found.endpoint, "model": options.get("model")}
    return {name: value for name, value in known.items() if isinstance(value, str) and value}


def _said(messages: Sequence[_Message]) -> Iterator[Said]:
    """Yield the messages, also the messages inside messages, an older version before a newer one."""
    waiting: list[tuple[_Message, str | None]] = [(one, one.parent_message_id) for one in reversed(messages)]
    while waiting:
        message, parent = waiting.pop()
        waiting += [(one, message.message_id) for one in reversed(message.children)]
        parts = [*_parts(message), *map(_file, message.files or ()), *map(_file, message.attachments or ())]
        parts += [UnknownContent({**one, "type": "librechat/plugin"}) for one in message.plugins or ()]
        role = "user" if message.is_created_by_user else "assistant"
        properties: JsonObject = {"model": message.model} if message.model and role == "assistant" else {}
        marks = {"error": message.error, "unfinished": message.unfinished}
        properties |= {name: True for name, is_set in marks.items() if is_set}
        yield Said(
            id=message.message_id,
            messages=steps(role, parts, message_id=message.message_id, properties=properties or None),
            parent=parent,
            created_us=to_us(message.created_at),
            losses=counted(part for part in parts if isinstance(part, UnknownContent)),
        )


def _parts(message: _Message) -> Iterator[AnyContent]:
    blocks = [block for block in message.content or () if block]
    if not blocks and message.text:
        yield TextContent(message.text)
    for number, block in enumerate(blocks):
        yield from _part(block, f"{message.message_id}:{number}")


def _part(block: _Data, otherwise: str) -> Iterator[AnyContent]:
    match block:
        case {"type": "text", "text": {"value": str(text)}} | {"type": "text", "text": str(text)}:
            if text:
                yield TextContent(text)
        case {"type": "think", "think": {"value": str(text)}} | {"type": "think", "think": str(text)}:
            yield TextReasoningContent(text)
        case {"type": "error", "error": str(text)} | {"type": "error", "text": {"value": str(text)}}:
            yield TextContent(text)
        case {"type": "tool_call", "tool_call": dict()}:
            yield from _call(block["tool_call"], otherwise)
        case {"type": "image_url" | "video_url" | "input_audio"}:
            yield _media(block)
        case {"type": "image_file", "image_file": dict()}:
            yield _file(block["image_file"])
        case {"type": "agent_update"}:
            pass
        case _:
            yield UnknownContent({**block, "type": f"librechat/{block.get('type')}"})


def _media(block: _Data) -> AnyContent:
    match block:
        case {"image_url": {"url": str(url)}} | {"image_url": str(url)}:
            return linked(url, otherwise=ANY_IMAGE)
        case {"video_url": {"url": str(url)}} | {"video_url": str(url)}:
            return linked(url, otherwise="video/*")
        case {"input_audio": {"data": str(data), "format": str(kind)}}:
            return linked(f"data:audio/{kind};base64,{data}")
        case _:
            return UnknownContent({**block, "type": f"librechat/{block.get('type')}"})


def _call(call: _Data, otherwise: str) -> Iterator[AnyContent]:
    """Yield a call and its result. A call of the Assistants API has its name and its output one level deeper."""
    inner = call.get("function") or call.get("code_interpreter")
    data = cast("_Data", inner) if isinstance(inner, dict) else call
    call_id = str(call.get("id") or otherwise)
    name = str(data.get("name") or call.get("name") or call.get("type") or "tool")
    arguments = data.get("args", data.get("arguments", data.get("input")))
    if not isinstance(arguments, str | dict):
        arguments = "{}" if arguments is None else msgspec.json.encode(arguments).decode()
    yield FunctionCallContent(call_id, name, cast("str | _Data", arguments) or "{}")
    output = data.get("output", data.get("outputs"))
    if output is not None:
        yield FunctionResultContent(call_id, output)


def _file(about: _Data) -> AnyContent:
    path = about.get("filepath") or about.get("url")
    name = about.get("filename")
    if isinstance(path, str) and path.startswith(("http://", "https://", "data:")):
        media_type = about.get("type") if "/" in str(about.get("type")) else None
        return linked(path, media_type or media_type_of(str(name)), name=name if isinstance(name, str) else None)
    return UnknownContent({**about, "type": "librechat/file"})


def _is_like(values: Sequence[object]) -> bool:
    return first_object(values, lambda one: "conversationId" in one and ("messages" in one or "messagesTree" in one))


FORMAT = Format(name="librechat", read=_read, writer=WRITER, is_like=_is_like)
