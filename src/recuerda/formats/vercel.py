"""The messages of Vercel's AI SDK: `UIMessage` of the versions 5 and later, and the messages of version 4.

One answer is one message there, with all its steps: text, calls of tools with their results, and text again. It becomes
as many of our messages as a model would get. https://ai-sdk.dev/docs/reference/ai-sdk-core/ui-message
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, cast

import msgspec

from recuerda.formats.calls import text_of_result
from recuerda.formats.files import ANY_FILE, linked
from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.formats.steps import steps
from recuerda.formats.times import to_us
from recuerda.interop.encoded import data_uri
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

_STEP = {"type": "step-start"}
_UNKNOWN = {"type": "dynamic-tool", "toolName": "unknown", "input": dict[str, Json]()}
"""Stands for a call that the thread does not have."""

_DENIED = "The user denied the call."


class VercelForm(Form):
    """Convert messages of the AI SDK."""

    name = "vercel"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`."""
        data = cast("_Data", item)
        role, message_id = str(data["role"]), data.get("id")
        contents = (content for part in _parts(data) for content in _contents(part))
        identity = message_id if isinstance(message_id, str) else None
        return steps(role, contents, message_id=identity) or [ChatMessage(role, (), message_id=identity)]

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`."""
        parts = [part for content in message.contents if (part := _ui_part(content, message.role)) is not None]
        if not parts:
            return []
        item: JsonObject = {} if message.message_id is None else {"id": message.message_id}
        role = {"developer": "system"}.get(message.role, message.role)
        return [{**item, "role": role, "parts": [*parts]}]


def _parts(data: _Data) -> list[_Data]:
    """Return the parts of a message. Before version 4.2, a message had a text, calls and attachments instead."""
    parts = data.get("parts")
    if isinstance(parts, list):
        found = [
            part if isinstance(part, dict) else {"type": "text", "text": str(part)} for part in cast("list[Any]", parts)
        ]
    else:
        found: list[_Data] = [{"type": "text", "text": data["content"]}] if data.get("content") else []
        found = [
            {"type": "tool-invocation", "toolInvocation": one} for one in data.get("toolInvocations") or ()
        ] + found
    files = cast("list[_Data]", data.get("experimental_attachments") or [])
    return [*found, *({"type": "file", **one} for one in files)]


def _contents(part: _Data) -> Iterator[AnyContent]:
    kind = str(part.get("type"))
    match part:
        case {"type": "step-start"}:
            pass
        case {"type": "text", "text": str(text)}:
            yield TextContent(text)
        case {"type": "reasoning", "text": str(text)} | {"type": "reasoning", "reasoning": str(text)}:
            yield TextReasoningContent(text)
        case {"type": "file"} if isinstance(url := part.get("url") or part.get("data"), str):
            media_type = part.get("mediaType") or part.get("mimeType") or part.get("contentType")
            name = part.get("filename") or part.get("name")
            is_data = "url" not in part and not url.startswith(("http:", "https:", "data:"))
            link = f"data:{media_type or ANY_FILE};base64,{url}" if is_data else url
            yield linked(link, media_type, name=name if isinstance(name, str) else None)
        case {"type": "tool-invocation", "toolInvocation": dict()}:
            yield from _old_call(part["toolInvocation"])
        case {"toolCallId": str()} if kind.startswith("tool-") or kind == "dynamic-tool":
            yield from _call(part, kind)
        case _:
            yield UnknownContent({**part, "type": f"vercel/{kind}"})


def _call(part: _Data, kind: str) -> Iterator[AnyContent]:
    call_id = part["toolCallId"]
    name = part.get("toolName") if kind == "dynamic-tool" else kind.removeprefix("tool-")
    yield FunctionCallContent(call_id, str(name), _arguments(part.get("input")))
    match part.get("state"):
        case "output-available":
            yield FunctionResultContent(call_id, part.get("output"))
        case "output-error":
            yield FunctionResultContent(call_id, part.get("errorText"), is_error=True)
        case "output-denied":
            yield FunctionResultContent(call_id, _DENIED, is_error=True)
        case _:
            pass


def _old_call(call: _Data) -> Iterator[AnyContent]:
    call_id = str(call.get("toolCallId"))
    yield FunctionCallContent(call_id, str(call.get("toolName")), _arguments(call.get("args")))
    if call.get("state") == "result" or ("state" not in call and "result" in call):
        yield FunctionResultContent(call_id, call.get("result"))


def _arguments(value: object) -> str | _Data:
    if isinstance(value, dict):
        return cast("_Data", value)
    return "{}" if value is None else value if isinstance(value, str) else msgspec.json.encode(value).decode()


# -- and back ----------------------------------------------------------------------------------------------------------


def _ui_part(content: AnyContent, role: str) -> JsonObject | None:
    if (role == "tool") != isinstance(content, FunctionResultContent):
        return None
    match content:
        case TextContent():
            return {"type": "text", "text": content.text} if content.text else None
        case RefusalContent():
            return {"type": "text", "text": content.refusal}
        case TextReasoningContent() if content.text and role == "assistant":
            return {"type": "reasoning", "text": content.text}
        case DataContent():
            part: JsonObject = {"type": "file", "mediaType": content.media_type, "url": data_uri(content)}
            return {**part, "filename": content.name} if content.name is not None else part
        case UriContent():
            return {"type": "file", "mediaType": content.media_type, "url": content.uri}
        case FunctionCallContent() if role == "assistant":
            call: JsonObject = {"type": f"tool-{content.name}", "toolCallId": content.call_id}
            return {**call, "state": "input-available", "input": _input(content.arguments)}
        case FunctionResultContent():
            return _result(content)
        case _:
            return None


def _input(arguments: str | _Data) -> Json:
    if not isinstance(arguments, str):
        return arguments
    try:
        return msgspec.json.decode(arguments)
    except msgspec.DecodeError:
        return arguments


def _result(content: FunctionResultContent) -> JsonObject:
    if content.is_error:
        return {"toolCallId": content.call_id, "state": "output-error", "errorText": text_of_result(content)}
    return {"toolCallId": content.call_id, "state": "output-available", "output": content.result}


def _joined(items: Sequence[JsonObject]) -> Sequence[JsonObject]:
    """Return the messages of a turn: one for each answer, with the results in the calls."""
    joined: list[JsonObject] = []
    is_open = False
    for item in items:
        role, parts = item.get("role"), _list(item)
        if role == "tool":
            is_open = True
            for result in parts:
                if isinstance(result, dict):
                    _answer(joined, result)
        elif role == "assistant" and is_open and joined:
            joined[-1] = {**joined[-1], "parts": [*_list(joined[-1]), {**_STEP}, *parts]}
            is_open = False
        else:
            joined.append(item)
            is_open = False
    return joined


def _after(items: Sequence[JsonObject]) -> JsonObject:
    """Return the list, with an id for each message."""
    return {"messages": [{"id": f"message-{number}", **item} for number, item in enumerate(items, 1)]}


def _timed(item: JsonObject, created_us: int) -> JsonObject:
    return {**item, "metadata": {"createdAt": created_us // 1000}}


def _answer(joined: list[JsonObject], result: JsonObject) -> None:
    """Put a result into its call, or into a message of its own if there is no such call."""
    for at in range(len(joined) - 1, -1, -1):
        parts = _list(joined[at])
        for number, part in enumerate(parts):
            if isinstance(part, dict) and part.get("toolCallId") == result["toolCallId"] and _is_open(part):
                joined[at] = {**joined[at], "parts": [*parts[:number], {**part, **result}, *parts[number + 1 :]]}
                return
    joined.append({"role": "assistant", "parts": [{**_UNKNOWN, **result}]})


def _is_open(part: JsonObject) -> bool:
    return not str(part.get("state")).startswith("output")


def _list(item: JsonObject) -> list[Json]:
    parts = item.get("parts")
    return parts if isinstance(parts, list) else []


def _time(item: JsonObject) -> int | None:
    metadata = item.get("metadata")
    found = metadata.get("createdAt") if isinstance(metadata, dict) else None
    return to_us(found if found is not None else item.get("createdAt"))


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "messages")
    return bool(found) and any(_is_message(item) for item in found) and all("role" in one for one in found)


def _is_message(item: JsonObject) -> bool:
    parts = item.get("parts")
    has_parts = isinstance(parts, list) and all(isinstance(part, dict) and "type" in part for part in parts)
    return has_parts or "toolInvocations" in item or "experimental_attachments" in item


LIST = ListFormat(form=VercelForm(), time_of=_time, joined=_joined, after=_after, timed=_timed)

FORMAT = Format(name="vercel", read=LIST.read, writer=LIST.writer(), is_like=_is_like)
