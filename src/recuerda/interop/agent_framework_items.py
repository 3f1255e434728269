"""The items of Agent Framework: its messages, as `Message.to_dict` writes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from recuerda.interop.encoded import data_uri, decoded
from recuerda.interop.forms import Form
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
)

_Data = dict[str, Any]

_DECISIONS = frozenset({"function_approval_response", "function_result"})


class AgentFrameworkForm(Form):
    """Convert messages of Agent Framework."""

    name = "agent-framework"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        data = cast("_Data", item)
        parts: list[Any] = data["contents"] if isinstance(data.get("contents"), list) else []
        return [ChatMessage(_role(data, parts), [*map(_content, parts)], **_names(data))]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        contents = [part for content in message.contents if (part := _part(content)) is not None]
        if not contents:
            return []
        item: JsonObject = {"type": "message", "role": message.role, "contents": [*contents]}
        if message.author_name is not None:
            item["author_name"] = message.author_name
        if message.message_id is not None:
            item["message_id"] = message.message_id
        return [{**item, "additional_properties": {}}]


def _role(data: _Data, parts: Sequence[Any]) -> str:
    kinds = {str(cast("_Data", part).get("type")) for part in parts if isinstance(part, dict)}
    # A decision about a call comes in a user's message, and continues the turn of the call.
    if kinds and kinds <= _DECISIONS:
        return "tool"
    return str(data.get("role") or "user")


def _names(data: _Data) -> dict[str, Any]:
    return {name: data[name] for name in ("author_name", "message_id") if isinstance(data.get(name), str)}


def _content(part: object) -> AnyContent:
    match part:
        case {"type": "text", "text": str(text)}:
            return TextContent(text)
        case {"type": "text_reasoning"}:
            return TextReasoningContent(str(cast("_Data", part).get("text") or ""))
        case {"type": "data", "uri": str(uri), "media_type": str(media_type)}:
            return _file(uri, media_type)
        case {"type": "uri", "uri": str(uri), "media_type": str(media_type)}:
            return UriContent(uri, media_type)
        case {"type": "function_call", "call_id": str(call_id), "name": str(name)}:
            arguments = cast("_Data", part).get("arguments")
            return FunctionCallContent(call_id, name, "{}" if arguments is None else arguments)
        case {"type": "function_result", "call_id": str(call_id)}:
            data = cast("_Data", part)
            return FunctionResultContent(call_id, data.get("result"), is_error=data.get("exception") is not None)
        case {"type": str(kind)}:
            return UnknownContent({"type": f"agent-framework/{kind}"})
        case _:
            return TextContent(str(part))


def _file(uri: str, media_type: str) -> AnyContent:
    head, _, data = uri.partition(",")
    held = decoded(data) if head.endswith(";base64") else None
    return UriContent(uri, media_type) if held is None else DataContent(held, media_type)


def _part(content: AnyContent) -> JsonObject | None:
    match content:
        case TextContent():
            part: JsonObject = {"type": "text", "text": content.text}
        case TextReasoningContent() if content.text:
            part = {"type": "text_reasoning", "text": content.text}
        case UriContent():
            part = {"type": "uri", "uri": content.uri, "media_type": content.media_type}
        case DataContent():
            part = {"type": "data", "uri": data_uri(content), "media_type": content.media_type}
        case FunctionCallContent():
            part = {"type": "function_call", "call_id": content.call_id, "name": content.name}
            part |= {"arguments": content.arguments, "hosted": False}
        case FunctionResultContent():
            part = {"type": "function_result", "call_id": content.call_id, "result": content.result}
            if content.is_error:
                part["exception"] = "the function failed"
        case _:
            return None
    return {**part, "additional_properties": {}}
