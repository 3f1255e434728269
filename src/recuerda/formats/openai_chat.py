"""The messages of OpenAI's chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from typing import Any, cast

from recuerda.formats.calls import text_of_arguments, text_of_result
from recuerda.formats.files import ANY_FILE, ANY_IMAGE, is_image, linked
from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.interop.encoded import data_uri, decoded
from recuerda.interop.forms import Form
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
    UnknownContent,
    UriContent,
)

_Data = dict[str, Any]

_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


class ChatForm(Form):
    """Convert messages of chat completions."""

    name = "openai-chat"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        data = cast("_Data", item)
        role = str(data["role"])
        if role in ("tool", "function"):
            call_id = data.get("tool_call_id") or data.get("name") or ""
            parts: list[str | AnyContent] = [FunctionResultContent(call_id, _joined(data.get("content")))]
            return [ChatMessage("tool", parts)]
        parts = [*_reasoning(data), *_said(data.get("content")), *_refusal(data), *_calls(data)]
        name = data.get("name")
        return [ChatMessage(role, parts, author_name=name if isinstance(name, str) else None)]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        if message.role == "tool":
            results = [part for part in message.contents if isinstance(part, FunctionResultContent)]
            return [{"role": "tool", "tool_call_id": one.call_id, "content": text_of_result(one)} for one in results]
        item: JsonObject = {"role": message.role}
        shown = [part for one in message.contents if (part := _shown(one, message.role)) is not None]
        texts = [str(part["text"]) for part in shown if part["type"] == "text"]
        if shown:
            is_plain = len(texts) == len(shown) and (len(texts) == 1 or message.role == "assistant")
            item["content"] = "".join(texts) if is_plain else [*shown]
        calls = [_call(call) for call in message.function_calls] if message.role == "assistant" else []
        if calls:
            item = {"role": message.role, "content": item.get("content"), "tool_calls": [*calls]}
        if message.author_name is not None and len(item) > 1:
            item["name"] = message.author_name
        return [item] if len(item) > 1 else []


def _said(content: object) -> list[AnyContent]:
    if isinstance(content, list):
        return [_part(part) for part in cast("list[object]", content)]
    return [TextContent(content)] if isinstance(content, str) and content else []


def _part(part: object) -> AnyContent:
    match part:
        case {"type": "text", "text": str(text)}:
            return TextContent(text)
        case {"type": "refusal", "refusal": str(text)}:
            return RefusalContent(text)
        case {"type": "image_url", "image_url": {"url": str(url)}} | {"type": "image_url", "image_url": str(url)}:
            return linked(url, otherwise=ANY_IMAGE)
        case {"type": "file", "file": {"file_data": str(url), "filename": str(name)}}:
            return linked(url, otherwise=ANY_FILE, name=name)
        case {"type": "file", "file": {"file_data": str(url)}}:
            return linked(url, otherwise=ANY_FILE)
        case {"type": "input_audio", "input_audio": {"data": str(text), "format": str(kind)}} if (
            data := decoded(text)
        ) is not None:
            return DataContent(data, f"audio/{kind}")
        case dict():
            return UnknownContent(cast("_Data", part))
        case _:
            return TextContent(str(part))


def _reasoning(data: _Data) -> list[AnyContent]:
    found = data.get("reasoning_content") or data.get("reasoning")
    return [TextReasoningContent(found)] if isinstance(found, str) else []


def _refusal(data: _Data) -> list[AnyContent]:
    found = data.get("refusal")
    return [RefusalContent(found)] if isinstance(found, str) else []


def _calls(data: _Data) -> list[AnyContent]:
    calls: list[AnyContent] = []
    for call in data.get("tool_calls") or ():
        match call:
            case {"id": str(call_id), "function": {"name": str(name), "arguments": str(arguments)}}:
                calls.append(FunctionCallContent(call_id, name, arguments))
            case {"id": str(call_id), "custom": {"name": str(name), "input": str(text)}}:
                calls.append(FunctionCallContent(call_id, name, {"input": text}))
            case _:
                calls.append(UnknownContent({"type": "tool_call", "tool_call": call}))
    match data.get("function_call"):  # the form before tools
        case {"name": str(name), "arguments": str(arguments)}:
            calls.append(FunctionCallContent(name, name, arguments))
        case _:
            pass
    return calls


def _joined(content: object) -> Any:
    parts = cast("list[object]", content) if isinstance(content, list) else []
    texts = [part.text for part in map(_part, parts) if isinstance(part, TextContent)]
    return "".join(texts) if parts and len(texts) == len(parts) else cast("object", content)


# -- and back ----------------------------------------------------------------------------------------------------------


def _shown(part: AnyContent, role: str) -> JsonObject | None:
    match part:
        case TextContent():
            return {"type": "text", "text": part.text}
        case RefusalContent() if role == "assistant":
            return {"type": "refusal", "refusal": part.refusal}
        case DataContent() | UriContent() if role == "user":
            return _file(part)
        case _:
            return None


def _file(part: DataContent | UriContent) -> JsonObject | None:
    if is_image(part):
        return {"type": "image_url", "image_url": {"url": _url(part)}}
    if isinstance(part, UriContent):
        return None
    kind, _, ending = part.media_type.partition("/")
    if kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": b64encode(part.data).decode(), "format": ending}}
    return {"type": "file", "file": {"filename": part.name or "file", "file_data": data_uri(part)}}


def _url(part: DataContent | UriContent) -> str:
    return part.uri if isinstance(part, UriContent) else data_uri(part)


def _call(call: FunctionCallContent) -> JsonObject:
    function: JsonObject = {"name": call.name, "arguments": text_of_arguments(call)}
    return {"id": call.call_id, "type": "function", "function": function}


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "messages")
    return bool(found) and all(
        item.get("role") in _ROLES
        and ("content" in item or "tool_calls" in item)
        and not {"parts", "contents", "type"} & item.keys()
        for item in found
    )


LIST = ListFormat(form=ChatForm())

FORMAT = Format(
    name="openai-chat",
    read=LIST.read,
    writer=LIST.writer(),
    is_like=_is_like,
)
