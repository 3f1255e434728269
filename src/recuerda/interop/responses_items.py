"""The items of the OpenAI Agents SDK: input items of the Responses API (https://platform.openai.com/docs/api-reference)."""

from __future__ import annotations

import mimetypes
from collections.abc import Sequence
from typing import Any, cast

import msgspec

from recuerda.interop.encoded import data_uri, decoded
from recuerda.interop.forms import Form
from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    FILES,
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    ResultPart,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    UriContent,
    plain_content,
    trusted_message,
)

_TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_USUAL_DETAIL = "auto"
_ROLES = ("user", "system", "developer", "assistant")
_NO_ID = "__fake_id__"
"""The id that the SDK gives to items of services that give no ids."""


class ResponsesForm(Form):
    """Convert input items of the Responses API."""

    name = "openai-responses"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        return [_message(item)]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        return _items(message)


def _message(item: JsonObject) -> ChatMessage:
    data = cast("dict[str, Any]", item)
    identity = data.get("id")
    item_id = identity if isinstance(identity, str) else None
    match data:
        case {"role": str(role), "content": str(text)} if role in _ROLES:
            return trusted_message(role, text, None, item_id, None)
        case {"role": str(role), "content": list()} if role in _ROLES:
            parts = tuple([_part(part) for part in data["content"]])
            return trusted_message(role, plain_content(parts), None, item_id, None)
        case {"type": "function_call", "call_id": str(call_id), "name": str(name), "arguments": str(arguments)}:
            return ChatMessage("assistant", FunctionCallContent(call_id, name, arguments), message_id=item_id)
        case {"type": "function_call_output", "call_id": str(call_id), "output": output}:
            return ChatMessage("tool", _result(call_id, output), message_id=item_id)
        case {"type": "reasoning"}:
            return ChatMessage("assistant", _reasoning(data), message_id=item_id)
        case {"type": str(kind)} if kind.endswith("_output") and isinstance(data.get("call_id"), str):
            return ChatMessage("tool", FunctionResultContent(data["call_id"], data.get("output")), message_id=item_id)
        case _:
            return ChatMessage("assistant", UnknownContent({"type": str(data.get("type"))}), message_id=item_id)


def _reasoning(item: dict[str, Any]) -> TextReasoningContent:
    parts = item.get("content") or item.get("summary")
    shown = [_part(part) for part in cast("list[object]", parts)] if isinstance(parts, list) else []
    texts = [part.text for part in shown if isinstance(part, TextContent)]
    sealed = item.get("encrypted_content")
    return TextReasoningContent("".join(texts), sealed if isinstance(sealed, str) else None)


def _result(call_id: str, output: object) -> FunctionResultContent:
    parts = [_part(part) for part in cast("list[object]", output)] if isinstance(output, list) else []
    known = tuple(part for part in parts if isinstance(part, ResultPart))
    if known and len(known) == len(parts):
        return FunctionResultContent(call_id, parts=known)
    return FunctionResultContent(call_id, output)


def _part(part: object) -> AnyContent:
    match part:
        case {"type": str(kind), "text": str(text)} if kind in _TEXTS:
            return TextContent(text)
        case {"type": "refusal", "refusal": str(refusal)}:
            return RefusalContent(refusal)
        case {"type": "input_image", "image_url": str(url)}:
            return _linked(url, "image/*", cast("dict[str, Any]", part))
        case {"type": "input_file", "file_data": str(url)} | {"type": "input_file", "file_url": str(url)}:
            return _linked(url, "application/octet-stream", cast("dict[str, Any]", part))
        case dict():
            return UnknownContent(cast("dict[str, Any]", part))
        case _:
            return TextContent(str(part))


def _linked(url: str, otherwise: str, part: dict[str, Any]) -> AnyContent:
    media_type = _media_type(url, otherwise)
    name, detail = (value if isinstance(value := part.get(key), str) else None for key in ("filename", "detail"))
    detail = None if detail == _USUAL_DETAIL else detail
    head, _, data = url.partition(",")
    held = decoded(data) if head == f"data:{media_type};base64" else None
    if held is None:
        return UriContent(url, media_type, name, detail)
    return DataContent(held, media_type, name, detail)


def _media_type(url: str, otherwise: str) -> str:
    if url.startswith("data:"):
        return url[5:].partition(",")[0].partition(";")[0] or otherwise
    return mimetypes.guess_type(url.partition("?")[0])[0] or otherwise


# -- and back ----------------------------------------------------------------------------------------------------------


def _items(message: ChatMessage) -> list[JsonObject]:
    """Return the items of a message: its text and files as one item, and each call and each result as an item."""
    message_id = _own_id(message, "msg")
    if isinstance(message.content, str) and message_id is None:
        return [{"role": _role(message), "content": message.content}] if message.role != "tool" else []
    items: list[JsonObject] = []
    parts: list[JsonObject] = []
    for part in message.contents:
        match part:
            case FunctionCallContent():
                items.append(_call(part, _own_id(message, "fc")))
            case FunctionResultContent():
                items.append({"type": "function_call_output", "call_id": part.call_id, "output": _output(part)})
            case _ if (shown := _shown(message.role, part)) is not None:
                parts.append(shown)
            case _:
                pass
    return [*_said(message, parts, message_id), *items]


def _own_id(message: ChatMessage, start: str) -> str | None:
    """Return the message's id if it is an id of this kind of item. The service refuses the ids of other frameworks."""
    found = message.message_id
    return found if found is not None and (found == _NO_ID or found.startswith(start)) else None


def _said(message: ChatMessage, parts: Sequence[JsonObject], message_id: str | None) -> list[JsonObject]:
    if not parts or message.role == "tool":
        return []
    if message.role != "assistant":
        return [{"role": _role(message), "content": [*parts]}]
    if message_id is not None:
        content: list[JsonObject] = [
            {**part, "annotations": [], "logprobs": []} if "text" in part else part for part in parts
        ]
        return [
            {
                "id": message_id,
                "type": "message",
                "status": "completed",
                "role": "assistant",
                "content": [*content],
            }
        ]
    # The service takes an output only with an id. So an answer of another service is sent as plain text.
    text = "".join(str(part.get("text", part.get("refusal", ""))) for part in parts)
    return [{"role": "assistant", "content": text}]


def _role(message: ChatMessage) -> str:
    return message.role if message.role in _ROLES else "user"


def _call(call: FunctionCallContent, item_id: str | None) -> JsonObject:
    arguments = call.arguments if isinstance(call.arguments, str) else _json(call.arguments)
    item: JsonObject = {"type": "function_call", "call_id": call.call_id, "name": call.name, "arguments": arguments}
    return item if item_id is None else {**item, "id": item_id, "status": "completed"}


def _output(result: FunctionResultContent) -> Any:
    if any(isinstance(part, FILES) for part in result.parts):
        return [shown for part in result.parts if (shown := _shown("tool", part)) is not None]
    value = result.result
    return value if isinstance(value, str) else _json(value)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _shown(role: str, part: AnyContent) -> JsonObject | None:
    match part:
        case TextContent():
            return {"type": "output_text" if role == "assistant" else "input_text", "text": part.text}
        case RefusalContent():
            return {"type": "refusal", "refusal": part.refusal}
        case UriContent() if role != "assistant":
            return _file(part.uri, part)
        case DataContent() if role != "assistant":
            return _file(data_uri(part), part)
        case _:
            return None


def _file(uri: str, part: UriContent | DataContent) -> JsonObject:
    if part.media_type.startswith("image/"):
        return {"type": "input_image", "image_url": uri, "detail": part.detail or _USUAL_DETAIL}
    detail: JsonObject = {"detail": part.detail} if part.detail else {}
    if uri.startswith("data:"):
        return {"type": "input_file", "filename": part.name or "file", "file_data": uri, **detail}
    return {"type": "input_file", "file_url": uri, **detail}
