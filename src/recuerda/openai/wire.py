"""Messages in the format of chat completions (https://platform.openai.com/docs/api-reference/chat/create).

The results of an assistant's calls follow directly after the assistant's message. Calls and results without a partner
are left out (see `pairing`). The same messages always give the same bytes, because the service's prompt cache needs
that. A result can only be text here. So the images and files of results follow in a user's message, after all results
of the assistant's message.

Contents that the format cannot hold are left out: token usage, unknown parts, and files that an assistant made. If an
assistant's message is then empty, it is left out as well. Reasoning is sent back only within the running turn. Servers
that show it (`reasoning_content`) expect it between a call and the answer, and no server expects it from earlier turns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from recuerda.json_value import JsonObject
from recuerda.messages.message import (
    ChatMessage,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    HostedFileContent,
    RefusalContent,
    TextReasoningContent,
    UriContent,
)
from recuerda.openai.input_parts import (
    PartFormat,
    base64_text,
    data_url,
    file_name,
    has_files,
    input_role,
    other_speaker,
)
from recuerda.openai.pairing import arguments_text, function_name, matching, result_text, results_after, short_call_id
from recuerda.openai.text import mend_text

_MAX_NAME_LENGTH = 64
_NOT_IN_AUTHOR_NAME = re.compile(r"[\s<|\\/>]+")
_AUDIO_FORMATS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
}


def wire_messages(
    messages: Sequence[ChatMessage], *, instructions: str | None = None, agent_name: str | None = None
) -> list[JsonObject]:
    """Return the messages in the service's format, with the instructions first.

    Each speaker's name is sent with the message, except the agent's own.
    """
    wire: list[JsonObject] = [{"role": "system", "content": mend_text(instructions)}] if instructions else []
    last_input = next((i for i in range(len(messages) - 1, -1, -1) if messages[i].role == "user"), -1)
    for i, message in enumerate(messages):
        if message.role == "assistant":
            name = _name(other_speaker(message, agent_name)) if message.author_name else {}
            if isinstance(message.content, str):  # usual, and cheaper: a plain text has no calls
                if message.content:
                    wire.append({"role": "assistant", "content": mend_text(message.content), **name})
                continue
            wire.extend(_assistant(message, results_after(messages, i), name=name, is_running=i > last_input))
        elif message.role != "tool" and (content := _FORMAT.content(message)) is not None:
            wire.append({"role": input_role(message), "content": content, **_name(message.author_name)})
    return wire


def _assistant(
    message: ChatMessage, results: Sequence[FunctionResultContent], *, name: JsonObject, is_running: bool
) -> Iterator[JsonObject]:
    answers = matching(results, message.function_calls)
    calls = matching(message.function_calls, answers)
    text = mend_text(message.text)
    refusal = mend_text("".join(part.refusal for part in message.contents if isinstance(part, RefusalContent)))
    if not (text or refusal or calls):
        return
    wire: JsonObject = {"role": "assistant", "content": text or None, **name}
    if refusal:
        wire["refusal"] = refusal
    if is_running and (reasoning := _reasoning(message)):
        wire["reasoning_content"] = reasoning
    if calls:
        wire["tool_calls"] = [_call(call) for call in calls]
    yield wire
    yield from map(_result, answers)
    if shown := [part for answer in answers if has_files(answer) for part in _shown(answer, calls)]:
        yield {"role": "user", "content": [*shown]}


def _call(call: FunctionCallContent) -> JsonObject:
    function: JsonObject = {"name": function_name(call), "arguments": arguments_text(call)}
    return {"id": short_call_id(call.call_id), "type": "function", "function": function}


def _result(result: FunctionResultContent) -> JsonObject:
    return {"role": "tool", "tool_call_id": short_call_id(result.call_id), "content": result_text(result)}


def _shown(result: FunctionResultContent, calls: Sequence[FunctionCallContent]) -> list[JsonObject]:
    """Return the files of a result, after a text that says whose they are."""
    name = next(function_name(call) for call in calls if call.call_id == result.call_id)
    files = [part for part in _FORMAT.result(result) if part["type"] != "text"]
    return (
        [_FORMAT.text(f"[From the result of {name}, call {short_call_id(result.call_id)}:]"), *files] if files else []
    )


def _reasoning(message: ChatMessage) -> str:
    """Return the readable reasoning. Protected reasoning belongs to another interface and is left out."""
    parts = (part for part in message.contents if isinstance(part, TextReasoningContent))
    return mend_text("".join(part.text for part in parts if part.protected_data is None))


def _name(speaker: str | None) -> JsonObject:
    if not speaker:
        return {}
    name = _NOT_IN_AUTHOR_NAME.sub("_", mend_text(speaker))[:_MAX_NAME_LENGTH]
    return {"name": name} if name.strip("_") else {}


def _linked(part: UriContent) -> JsonObject:
    if part.media_type.startswith("image/") and part.uri.startswith(("https://", "http://", "data:image/")):
        return _image(part.uri, part.detail)
    if part.uri.startswith("data:"):
        head, _, encoded = part.uri.partition(",")
        if head.endswith(";base64") and part.media_type in _AUDIO_FORMATS:
            return _audio(encoded, part.media_type)
        return {"type": "file", "file": {"filename": file_name(part), "file_data": part.uri}}
    # Only images on the web can be sent by their address. For any other file, the model gets the address as text.
    return _FORMAT.text(f"{part.uri} ({', '.join(filter(None, (part.name, part.media_type)))})")


def _attached(part: DataContent) -> JsonObject:
    if part.media_type.startswith("image/"):
        return _image(data_url(part), part.detail)
    if part.media_type in _AUDIO_FORMATS:
        return _audio(base64_text(part), part.media_type)
    return {"type": "file", "file": {"filename": file_name(part), "file_data": data_url(part)}}


def _audio(encoded: str, media_type: str) -> JsonObject:
    return {"type": "input_audio", "input_audio": {"data": encoded, "format": _AUDIO_FORMATS[media_type]}}


def _hosted(part: HostedFileContent) -> JsonObject:
    return {"type": "file", "file": {"file_id": part.file_id}}


def _image(url: str, detail: str | None) -> JsonObject:
    image: JsonObject = {"url": url}
    return {"type": "image_url", "image_url": image if detail is None else {**image, "detail": mend_text(detail)}}


_FORMAT = PartFormat("text", _linked, _attached, _hosted)
