"""The items of Pydantic AI: its messages as JSON, without the fields that have no value.

One `ModelRequest` holds what a user said, instructions and results of tools, so it becomes several messages.
"""

from __future__ import annotations

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from typing import Any, cast

from recuerda.interop.encoded import urlsafe_decoded
from recuerda.interop.forms import Form
from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    ResultPart,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
)

UNNAMED = "unknown"
"""The name of a tool whose call is not known."""

_Data = dict[str, Any]

_MEDIA = {"image-url": "image/*", "audio-url": "audio/*", "video-url": "video/*", "document-url": "application/pdf"}


class PydanticForm(Form):
    """Convert messages of Pydantic AI."""

    name = "pydantic-ai"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        data = cast("_Data", item)
        parts: list[_Data] = [part for part in _list(data.get("parts")) if isinstance(part, dict)]
        if data.get("kind") == "response":
            return [ChatMessage("assistant", [*map(_response_part, parts)])]
        return list(_request_messages(parts)) or [ChatMessage("user", UnknownContent({"type": "request"}))]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        if message.role == "assistant":
            parts = [part for content in message.contents if (part := _of_answer(content)) is not None]
            return [{"kind": "response", "parts": [*parts]}] if parts else []
        parts = list(_of_input(message))
        return [{"kind": "request", "parts": [*parts]}] if parts else []


def named(items: Sequence[JsonObject]) -> list[JsonObject]:
    """Return the items. The result of a tool gets the name of the tool from its call."""
    names: dict[str, str] = {}
    found: list[JsonObject] = []
    for item in items:
        parts = [_with_name(part, names) for part in _list(cast("_Data", item).get("parts"))]
        found.append({**item, "parts": parts} if "parts" in item else item)
    return found


def _with_name(part: Any, names: dict[str, str]) -> Any:
    match part:
        case {"part_kind": "tool-call", "tool_call_id": str(call_id), "tool_name": str(name)}:
            names[call_id] = name
        case {"part_kind": "tool-return", "tool_call_id": str(call_id), "tool_name": ""}:
            return {**part, "tool_name": names.get(call_id, UNNAMED)}
        case _:
            pass
    return part


# -- as messages -------------------------------------------------------------------------------------------------------


def _request_messages(parts: Sequence[_Data]) -> Iterator[ChatMessage]:
    for part in parts:
        content = part.get("content")
        match part.get("part_kind"):
            case "system-prompt":
                yield ChatMessage("system", str(content))
            case "user-prompt":
                yield ChatMessage("user", [*map(_input, _list(content))])
            case "tool-return":
                is_error = part.get("outcome", "success") != "success"
                yield ChatMessage("tool", _result(str(part.get("tool_call_id")), content, is_error=is_error))
            case "retry-prompt" if part.get("tool_name"):
                yield ChatMessage("tool", FunctionResultContent(str(part.get("tool_call_id")), content, is_error=True))
            case "retry-prompt" | "retry-feedback":
                yield ChatMessage("user", content if isinstance(content, str) else UnknownContent(_unknown(part)))
            case _:
                yield ChatMessage("user", UnknownContent(_unknown(part)))


def _result(call_id: str, content: Any, *, is_error: bool) -> FunctionResultContent:
    """Return a result. If a tool has returned files, they are parts of the result."""
    parts = [_input(one) for one in _list(content)]
    if not any(isinstance(part, DataContent) for part in parts):
        return FunctionResultContent(call_id, content, is_error=is_error)
    shown = tuple(part for part in parts if isinstance(part, ResultPart))
    return FunctionResultContent(call_id, is_error=is_error, parts=shown)


def _input(part: object) -> AnyContent:
    match part:
        case str():
            return TextContent(part)
        case {"kind": "text-content" | "text", "content": str(text)}:
            return TextContent(text)
        case {"kind": "binary", "data": str(data), "media_type": str(media_type)}:
            return DataContent(urlsafe_decoded(data), media_type)
        case {"kind": str(kind), "url": str(url)}:
            return UriContent(
                url, str(cast("_Data", part).get("media_type") or _MEDIA.get(kind, "application/octet-stream"))
            )
        case dict():
            return UnknownContent({"type": str(cast("_Data", part).get("kind"))})
        case _:
            return TextContent(str(part))


def _response_part(part: _Data) -> AnyContent:
    match part:
        case {"part_kind": "text", "content": str(text)}:
            return TextContent(text)
        case {"part_kind": "thinking", "content": str(text)}:
            return TextReasoningContent(text)
        case {"part_kind": "tool-call", "tool_name": str(name), "tool_call_id": str(call_id)}:
            return FunctionCallContent(call_id, name, "{}" if part.get("args") is None else part["args"])
        case _:
            return UnknownContent(_unknown(part))


def _unknown(part: _Data) -> _Data:
    return {"type": f"pydantic-ai/{part.get('part_kind')}"}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [] if value is None else [value]


# -- and back ----------------------------------------------------------------------------------------------------------


def _of_answer(content: AnyContent) -> JsonObject | None:
    match content:
        case TextContent():
            return {"part_kind": "text", "content": content.text}
        case TextReasoningContent() if content.text:
            return {"part_kind": "thinking", "content": content.text}
        case FunctionCallContent():
            call: JsonObject = {"part_kind": "tool-call", "tool_name": content.name, "tool_call_id": content.call_id}
            return {**call, "args": content.arguments}
        case _:
            return None


def _of_input(message: ChatMessage) -> Iterator[JsonObject]:
    said: list[Json] = []
    for content in message.contents:
        match content:
            case FunctionResultContent():
                yield _tool_return(content)
            case TextContent():
                said.append(content.text)
            case UriContent():
                said.append(_linked(content))
            case DataContent():
                said.append(_binary(content))
            case _:
                pass
    if not said:
        return
    if message.role in {"system", "developer"}:
        if message.text:
            yield {"part_kind": "system-prompt", "content": message.text}
    else:
        yield {"part_kind": "user-prompt", "content": said[0] if said == [message.text] else said}


def _tool_return(content: FunctionResultContent) -> JsonObject:
    # The name of the tool stands in its call; `named` puts it in.
    part: JsonObject = {"part_kind": "tool-return", "tool_name": "", "tool_call_id": content.call_id}
    files = [_binary(one) for one in content.parts if isinstance(one, DataContent)]
    part["content"] = [content.result, *files] if files else content.result
    return {**part, "outcome": "failed"} if content.is_error else part


def _binary(content: DataContent) -> JsonObject:
    data = urlsafe_b64encode(content.data).decode()
    return {"kind": "binary", "data": data, "media_type": content.media_type}


def _linked(content: UriContent) -> JsonObject:
    kinds = [kind for kind, media_type in _MEDIA.items() if content.media_type.startswith(media_type.rstrip("*"))]
    return {"kind": kinds[0] if kinds else "document-url", "url": content.uri, "media_type": content.media_type}
