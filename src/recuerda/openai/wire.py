"""Messages as chat completions writes them (https://platform.openai.com/docs/api-reference/chat/create).

The service refuses a whole conversation for one call without its result or one result without its call, and a thread
that it refuses once would be refused for ever. So calls and results are paired here: the results of an assistant's
calls follow it at once, a call that nobody answered and a result that nobody asked for are left out. The same messages
always give the same bytes, which is what the service's prompt cache needs.

What the format has no place for is left out: usage, unknown parts, files that an assistant made, an assistant's message
with nothing left in it. Reasoning is sent back only within the turn that is running: servers that show it
(`reasoning_content`) want it between a call and the answer, and none wants that of earlier turns.
"""

from __future__ import annotations

import hashlib
import json
import re
from base64 import b64encode
from collections.abc import Iterator, Sequence
from typing import TypeVar

from recuerda.json_value import Json, JsonObject, to_json
from recuerda.messages import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UriContent,
)
from recuerda.openai.text import mend_text

CallOrResult = TypeVar("CallOrResult", FunctionCallContent, FunctionResultContent)

_MAX_CALL_ID_LENGTH = 40
_MAX_NAME_LENGTH = 64
_NOT_IN_AUTHOR_NAME = re.compile(r"[\s<|\\/>]+")
_NOT_IN_FUNCTION_NAME = re.compile(r"[^a-zA-Z0-9_-]")
_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


def wire_messages(messages: Sequence[ChatMessage], *, instructions: str | None = None) -> list[JsonObject]:
    """Return the messages as the service wants them, the instructions first."""
    wire: list[JsonObject] = [{"role": "system", "content": mend_text(instructions)}] if instructions else []
    last_input = max((i for i, message in enumerate(messages) if message.role == "user"), default=-1)
    for i, message in enumerate(messages):
        if message.role == "assistant":
            wire.extend(_assistant(message, _results(messages, i), is_running=i > last_input))
        elif message.role != "tool" and (content := _content(message)) is not None:
            # A role that the service doesn't know would be refused; whoever it is, it is somebody else than the model.
            role = message.role if message.role in ("system", "developer") else "user"
            wire.append({"role": role, "content": content, **_name(message)})
    return wire


def _results(messages: Sequence[ChatMessage], index: int) -> list[FunctionResultContent]:
    """Return the results that stand between an assistant's message and the next one of it."""
    results: list[FunctionResultContent] = []
    for i in range(index, len(messages)):
        if i > index and messages[i].role == "assistant":
            break
        results.extend(part for part in messages[i].contents if isinstance(part, FunctionResultContent))
    return results


def _assistant(
    message: ChatMessage, results: Sequence[FunctionResultContent], *, is_running: bool
) -> Iterator[JsonObject]:
    answers = _matching(results, message.function_calls)
    calls = _matching(message.function_calls, answers)
    text = mend_text(message.text)
    refusal = mend_text("".join(part.refusal for part in message.contents if isinstance(part, RefusalContent)))
    if not (text or refusal or calls):
        return
    wire: JsonObject = {"role": "assistant", "content": text or None, **_name(message)}
    if refusal:
        wire["refusal"] = refusal
    if is_running and (reasoning := _reasoning(message)):
        wire["reasoning_content"] = reasoning
    if calls:
        wire["tool_calls"] = [_call(call) for call in calls]
    yield wire
    yield from map(_result, answers)


def _matching(
    items: Sequence[CallOrResult], others: Sequence[FunctionCallContent] | Sequence[FunctionResultContent]
) -> list[CallOrResult]:
    """Return the items that have a partner of the same id among the others; a partner has one partner."""
    partners = [other.call_id for other in others]
    matching: list[CallOrResult] = []
    for item in items:
        if item.call_id in partners:
            partners.remove(item.call_id)
            matching.append(item)
    return matching


def _call(call: FunctionCallContent) -> JsonObject:
    arguments = call.arguments if isinstance(call.arguments, str) else _json_text(call.arguments)
    # A model that made up a name such as "functions.add" was told so; the service would refuse to hear it again.
    name = _NOT_IN_FUNCTION_NAME.sub("_", call.name)[:_MAX_NAME_LENGTH] or "_"
    function: JsonObject = {"name": name, "arguments": mend_text(arguments) or "{}"}
    return {"id": _call_id(call.call_id), "type": "function", "function": function}


def _result(result: FunctionResultContent) -> JsonObject:
    text = mend_text(result.result) if isinstance(result.result, str) else _json_text(result.result)
    if result.is_error and not text.startswith("Error"):
        text = f"Error: {text}"
    return {"role": "tool", "tool_call_id": _call_id(result.call_id), "content": text}


def _call_id(call_id: str) -> str:
    """Return the id, or a short one made of it where it is another service's and too long for this one."""
    if 1 <= len(call_id) <= _MAX_CALL_ID_LENGTH:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode(errors='replace')).hexdigest()[:32]}"


def _json_text(value: object) -> str:
    return json.dumps(to_json(value, "a value of a function call"), ensure_ascii=False, separators=(",", ":"))


def _reasoning(message: ChatMessage) -> str:
    """Return the readable reasoning. What is protected is another interface's, and means nothing here."""
    parts = (part for part in message.contents if isinstance(part, TextReasoningContent))
    return mend_text("".join(part.text for part in parts if part.protected_data is None))


def _name(message: ChatMessage) -> JsonObject:
    name = _NOT_IN_AUTHOR_NAME.sub("_", mend_text(message.author_name or ""))[:_MAX_NAME_LENGTH]
    return {"name": name} if name.strip("_") else {}


def _content(message: ChatMessage) -> Json:
    """Return text as a string, and several parts as a list; None when nothing can be sent."""
    if message.role in ("system", "developer"):
        return mend_text(message.text) or None
    parts = [wire for part in message.contents if (wire := _part(part)) is not None]
    if len(parts) > 1:
        parts = [part for part in parts if part.get("text") != ""] or parts[:1]
    match parts:
        case []:
            return None
        case [{"type": "text", "text": text}]:
            return text
        case _:
            return [*parts]


def _part(part: AnyContent) -> JsonObject | None:
    match part:
        case TextContent():
            return {"type": "text", "text": mend_text(part.text)}
        case UriContent():
            return _linked(part)
        case DataContent():
            return _attached(part)
        case _:
            return None


def _linked(part: UriContent) -> JsonObject:
    if part.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": part.uri}}
    if part.uri.startswith("data:"):
        return {"type": "file", "file": {"filename": "file", "file_data": part.uri}}
    # Only images may be given by their address; the model can at least be told of the file.
    return {"type": "text", "text": mend_text(f"{part.uri} ({part.media_type})")}


def _attached(part: DataContent) -> JsonObject:
    encoded = b64encode(part.data).decode()
    uri = f"data:{part.media_type};base64,{encoded}"
    if part.media_type.startswith("image/"):
        return {"type": "image_url", "image_url": {"url": uri}}
    if part.media_type in _AUDIO_FORMATS:
        return {"type": "input_audio", "input_audio": {"data": encoded, "format": _AUDIO_FORMATS[part.media_type]}}
    return {"type": "file", "file": {"filename": mend_text(part.name or "file"), "file_data": uri}}
