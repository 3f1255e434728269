"""LangChain's messages as JSON: what `messages_to_dict` and `dumpd` write. LangChain itself is not needed.

Each message has the name of its class and its fields. The fields of older and newer versions differ only in parts that
are kept unchanged.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast

from recuerda.formats.calls import arguments_of, text_of_result
from recuerda.formats.files import ANY_FILE, ANY_IMAGE, is_image, linked
from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in, text_of
from recuerda.interop.encoded import decoded
from recuerda.interop.forms import Form
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
    UnknownContent,
    UriContent,
)

_Data = dict[str, Any]

_ROLES = {
    "human": "user",
    "HumanMessage": "user",
    "HumanMessageChunk": "user",
    "ai": "assistant",
    "AIMessage": "assistant",
    "AIMessageChunk": "assistant",
    "system": "system",
    "SystemMessage": "system",
    "SystemMessageChunk": "system",
    "tool": "tool",
    "ToolMessage": "tool",
    "ToolMessageChunk": "tool",
    "function": "tool",
    "FunctionMessage": "tool",
}
_KINDS = {"user": "human", "assistant": "ai", "system": "system", "developer": "system", "tool": "tool"}
_FILES = {"image": ANY_IMAGE, "audio": "audio/*", "video": "video/*", "file": ANY_FILE}


class LangChainForm(Form):
    """Convert LangChain's messages."""

    name = "langchain-json"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        kind, data = _fields(item)
        role = _ROLES.get(kind) or str(data.get("role") or kind)
        name, message_id = data.get("name"), data.get("id")
        return [
            ChatMessage(
                role,
                _tool_parts(data) if role == "tool" else _parts(data),
                author_name=name if isinstance(name, str) else None,
                message_id=message_id if isinstance(message_id, str) else None,
            )
        ]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        fields: JsonObject = {"name": message.author_name} if message.author_name is not None else {}
        if message.message_id is not None:
            fields["id"] = message.message_id
        if message.role == "tool":
            results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
            return [{"type": "tool", "data": {**_result(one), **fields}} for one in results]
        calls = [_call(call) for call in message.function_calls] if message.role == "assistant" else []
        blocks = [block for part in message.contents if (block := _block(part, message.role)) is not None]
        if not blocks and not calls:
            return []
        texts = [str(block["text"]) for block in blocks if block["type"] == "text"]
        content: Json = "".join(texts) if len(texts) == len(blocks) else [*blocks]
        data: JsonObject = {"content": content, **fields}
        if calls:
            data["tool_calls"] = [*calls]
        kind = _KINDS.get(message.role)
        return [
            {"type": "chat", "data": {**data, "role": message.role}} if kind is None else {"type": kind, "data": data}
        ]


def _fields(item: JsonObject) -> tuple[str, _Data]:
    """Return the kind of a message and its fields, in each of the forms in which LangChain writes them."""
    match item:
        case {"lc": _, "id": [*_, str(kind)], "kwargs": dict()}:
            return kind, cast("_Data", item["kwargs"])
        case {"type": str(kind), "data": dict()}:
            return kind, cast("_Data", item["data"])
        case {"type": str(kind), "content": _}:
            return kind, cast("_Data", item)
        case _:
            raise ValueError("it is not the JSON of a LangChain message")


def plain(item: JsonObject) -> dict[str, Any]:
    """Return a message in the form that `messages_from_dict` takes, whatever form of LangChain's JSON it has.

    Raises:
        ValueError: the item is no message.
    """
    kind, data = _fields(item)
    known = "function" if kind.startswith(("function", "Function")) else _KINDS.get(_ROLES.get(kind, ""), "chat")
    return {"type": known, "data": {name: value for name, value in data.items() if name != "type"}}


def _parts(data: _Data) -> list[AnyContent]:
    content = data.get("content")
    calls: list[Mapping[str, Any]] = data.get("tool_calls") or []
    called = {call.get("id") for call in calls}
    parts: list[AnyContent] = []
    if isinstance(content, str):
        parts += [TextContent(content)] if content else []
    blocks = cast("list[object]", content) if isinstance(content, list) else []
    parts += [_part(block) for block in blocks if not _repeats(block, called)]
    parts += [FunctionCallContent(str(call.get("id") or ""), str(call["name"]), call["args"]) for call in calls]
    return parts


def _repeats(block: object, called: set[Any]) -> bool:
    """Return whether a block is one of the calls that the message has anyway. Some services repeat them."""
    match block:
        case {"type": "tool_use" | "tool_call" | "function_call"}:
            data = cast("_Data", block)
            return bool({data.get("id"), data.get("call_id")} & called)
        case _:
            return False


def _tool_parts(data: _Data) -> list[AnyContent]:
    call_id = str(data.get("tool_call_id") or data.get("name") or "")
    return [FunctionResultContent(call_id, data.get("content"), is_error=data.get("status") == "error")]


def _part(block: object) -> AnyContent:
    match block:
        case str():
            return TextContent(block)
        case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
            return TextContent(text)
        case {"type": "reasoning", "reasoning": str(text)} | {"type": "thinking", "thinking": str(text)}:
            signature = cast("_Data", block).get("signature")
            return TextReasoningContent(text, signature if isinstance(signature, str) else None)
        case {"type": "refusal", "refusal": str(text)}:
            return RefusalContent(text)
        case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
            return linked(url, otherwise=ANY_IMAGE)
        case {"type": "image" | "audio" | "video" | "file"}:
            data = cast("_Data", block)
            return _file(data, str(data["type"]))
        case dict():
            return UnknownContent(cast("_Data", block))
        case _:
            return TextContent(str(block))


def _file(block: _Data, kind: str) -> AnyContent:
    media_type = str(block.get("mime_type") or _FILES[kind])
    name = block.get("filename") or block.get("name")
    match block:
        case {"base64": str(text)} | {"source_type": "base64", "data": str(text)} if (
            data := decoded(text)
        ) is not None:
            return DataContent(data, media_type, name if isinstance(name, str) else None)
        case {"source": {"type": "base64", "media_type": str(media_type), "data": str(text)}} if (
            data := decoded(text)
        ) is not None:
            return DataContent(data, media_type)
        case {"url": str(url)}:
            return linked(url, block.get("mime_type"), otherwise=_FILES[kind])
        case _:
            return UnknownContent(block)


# -- and back ----------------------------------------------------------------------------------------------------------


def _block(part: AnyContent, role: str) -> JsonObject | None:
    match part:
        case TextContent():
            return {"type": "text", "text": part.text} if part.text else None
        case RefusalContent():
            return {"type": "refusal", "refusal": part.refusal}
        case TextReasoningContent() if role == "assistant" and part.text:
            return {"type": "reasoning", "reasoning": part.text}
        case DataContent():
            kind = _kind(part)
            block: JsonObject = {"type": kind, "base64": b64encode(part.data).decode(), "mime_type": part.media_type}
            return {**block, "filename": part.name} if part.name is not None else block
        case UriContent():
            return {"type": _kind(part), "url": part.uri, "mime_type": part.media_type}
        case _:
            return None


def _kind(part: DataContent | UriContent) -> str:
    start = part.media_type.partition("/")[0]
    return "image" if is_image(part) else start if start in ("audio", "video") else "file"


def _call(call: FunctionCallContent) -> JsonObject:
    return {"name": call.name, "args": arguments_of(call), "id": call.call_id, "type": "tool_call"}


def _result(result: FunctionResultContent) -> JsonObject:
    content = text_of_result(result)
    return {"content": content, "tool_call_id": result.call_id, "status": "error" if result.is_error else "success"}


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "messages")
    return bool(found) and all(_is_message(item) for item in found)


def _is_message(item: JsonObject) -> bool:
    match item:
        case {"lc": _, "id": [*_, str(kind)], "kwargs": dict()} | {"type": str(kind), "data": dict()}:
            return kind in _ROLES or kind == "chat"
        case {"type": "human" | "ai" | "system" | "tool", "content": _}:
            return True
        case _:
            return False


LIST = ListFormat(form=LangChainForm(), needs=("type", "lc"), id_of=lambda item: text_of(_fields(item)[1], "id"))


FORMAT = Format(name="langchain", read=LIST.read, writer=LIST.writer(), is_like=_is_like)
