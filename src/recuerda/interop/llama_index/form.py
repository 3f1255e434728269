"""The items of LlamaIndex: its chat messages as JSON."""

from __future__ import annotations

import mimetypes
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

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

_ROLES = {"chatbot": "assistant", "model": "assistant", "function": "tool"}
"""The names of roles that other services use, and ours."""

_SAME_ROLES = ("system", "developer", "user", "assistant", "tool")

_BYTES = {"image": "image", "audio": "audio", "video": "video", "document": "data"}
"""The kinds of blocks that hold a file, and the field with its bytes."""

_TYPES = {"image": "image_mimetype", "video": "video_mimetype", "document": "document_mimetype"}
"""The field with a file's media type."""

_ANY = {"image": "image/*", "audio": "audio/*", "video": "video/*", "document": "application/octet-stream"}


class LlamaForm(Form):
    """Convert chat messages of LlamaIndex."""

    name = "llama-index"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        data = cast("_Data", item)
        role = _ROLES.get(str(data.get("role")), str(data.get("role") or "user"))
        extras = cast("_Data", data["additional_kwargs"]) if isinstance(data.get("additional_kwargs"), dict) else {}
        blocks = [cast("_Data", block) for block in _list(data.get("blocks")) if isinstance(block, dict)]
        parts = [_part(block) for block in blocks]
        if role == "tool" and isinstance(call_id := extras.get("tool_call_id"), str):
            return [ChatMessage("tool", _result(call_id, parts))]
        if role == "assistant":
            known = {part.call_id for part in parts if isinstance(part, FunctionCallContent)}
            parts += [call for call in _other_calls(extras) if call.call_id not in known]
        return [ChatMessage(role, parts)]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        return list(_items(message))


def _result(call_id: str, parts: Sequence[AnyContent]) -> list[AnyContent]:
    text = "\n".join(part.text for part in parts if isinstance(part, TextContent))
    return [FunctionResultContent(call_id, text), *(part for part in parts if not isinstance(part, TextContent))]


def _other_calls(extras: _Data) -> Iterator[FunctionCallContent]:
    """Yield the calls that some models put beside the blocks of their answer."""
    for call in _list(extras.get("tool_calls")):
        match call:
            case {"id": str(call_id), "function": {"name": str(name), "arguments": str(arguments)}}:
                yield FunctionCallContent(call_id, name, arguments)
            case _:
                pass


def _part(block: _Data) -> AnyContent:
    match block:
        case {"block_type": "text", "text": str(text)}:
            return TextContent(text)
        case {"block_type": "thinking"}:
            return TextReasoningContent(str(block.get("content") or ""))
        case {"block_type": "tool_call", "tool_name": str(name)}:
            arguments = cast("str | _Data", block.get("tool_kwargs") or "{}")
            return FunctionCallContent(str(block.get("tool_call_id") or name), name, arguments)
        case {"block_type": "citation", "cited_content": dict()}:
            return _part(block["cited_content"])
        case {"block_type": str(kind)} if kind in _BYTES:
            return _file(kind, block)
        case _:
            return UnknownContent({"type": f"llama-index/{block.get('block_type')}"})


def _file(kind: str, block: _Data) -> AnyContent:
    data, url = block.get(_BYTES[kind]), block.get("url")
    name = block.get("title")
    held = decoded(data) if isinstance(data, str) else None
    if held is not None:
        return DataContent(held, _media_type(kind, block), name or None)
    if isinstance(url, str) and not isinstance(data, str):
        return UriContent(url, _media_type(kind, block))
    return UnknownContent({"type": f"llama-index/{kind}"})


def _media_type(kind: str, block: _Data) -> str:
    if kind == "audio" and block.get("format"):
        return f"audio/{block['format']}"
    known = block.get(_TYPES.get(kind, ""))
    return known if isinstance(known, str) else _ANY[kind]


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


# -- and back ----------------------------------------------------------------------------------------------------------


def _items(message: ChatMessage) -> Iterator[JsonObject]:
    """Yield the messages of LlamaIndex: each result is one, and all other parts together are one."""
    results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
    blocks = [block for part in message.contents if (block := _block(part)) is not None]
    for number, result in enumerate(results):
        shown: list[Json] = [_text(result.result if isinstance(result.result, str) else _json(result.result))]
        # The parts beside a result belong to it, because LlamaIndex has no results within a message.
        shown += blocks if number == len(results) - 1 else []
        yield {"role": "tool", "additional_kwargs": {"tool_call_id": result.call_id}, "blocks": shown}
    if blocks and not results:
        role = message.role if message.role in _SAME_ROLES else "user"
        yield {"role": role, "additional_kwargs": {}, "blocks": [*blocks]}


def _block(part: AnyContent) -> JsonObject | None:
    match part:
        case TextContent():
            return _text(part.text)
        case RefusalContent():
            return _text(part.refusal)
        case TextReasoningContent() if part.text:
            return {"block_type": "thinking", "content": part.text, "num_tokens": None, "additional_information": {}}
        case FunctionCallContent():
            call: JsonObject = {"block_type": "tool_call", "tool_call_id": part.call_id, "tool_name": part.name}
            return {**call, "tool_kwargs": part.arguments}
        case UriContent():
            return _file_block(part.media_type, None, part.uri, None)
        case DataContent():
            return _file_block(part.media_type, b64encode(part.data).decode(), None, part.name)
        case _:
            return None


def _text(text: str) -> JsonObject:
    return {"block_type": "text", "text": text}


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _file_block(media_type: str, data: str | None, url: str | None, name: str | None) -> JsonObject:
    kind = media_type.partition("/")[0]
    kind = kind if kind in {"image", "audio", "video"} else "document"
    block: JsonObject = {"block_type": kind, _BYTES[kind]: data, "path": None, "url": url}
    exact = None if media_type.endswith("*") else media_type
    match kind:
        case "audio":
            return {**block, "format": exact and exact.partition("/")[2]}
        case "document":
            ending = mimetypes.guess_extension(media_type) or ""
            return {**block, "title": name or f"document{ending}", "document_mimetype": exact}
        case "video":
            return {**block, "video_mimetype": exact, "detail": None, "fps": None}
        case _:
            return {**block, "image_mimetype": exact, "detail": None}
