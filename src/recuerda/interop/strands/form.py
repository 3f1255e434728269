"""The items of Strands: a session's messages as JSON, with their number, times and redaction.

Strands puts results of tools into messages of the user. They become messages of the role "tool", as everywhere else.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
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
)

_Data = dict[str, Any]

_MEDIA = {"image": "image", "video": "video", "document": "application"}


class StrandsForm(Form):
    """Convert messages of a Strands session."""

    name = "strands"

    def to_messages(self, item: JsonObject) -> Sequence[ChatMessage]:
        """See `Form`. A redacted message is shown as its redaction."""
        data = cast("_Data", item)
        message = _dict(data.get("redact_message") or data.get("message"))
        blocks = [cast("_Data", block) for block in _list(message.get("content")) if isinstance(block, dict)]
        results = [_result(_dict(block["toolResult"])) for block in blocks if "toolResult" in block]
        parts = [_part(block) for block in blocks if "toolResult" not in block]
        said = [ChatMessage(str(message.get("role") or "user"), parts)] if parts or not results else []
        return [ChatMessage("tool", results), *said] if results else said

    def to_items(self, message: ChatMessage) -> Sequence[JsonObject]:
        """See `Form`. A message of another program has no number; the repository counts it."""
        blocks = [block for part in message.contents if (block := _block(part)) is not None]
        if not blocks or message.role in {"system", "developer"}:
            return []
        role = "assistant" if message.role == "assistant" else "user"
        return [{"message": {"role": role, "content": [*blocks]}}]


def _part(block: _Data) -> AnyContent:
    match block:
        case {"text": str(text)}:
            return TextContent(text)
        case {"toolUse": {"toolUseId": str(call_id), "name": str(name)} as call}:
            arguments = cast("_Data", call).get("input")
            return FunctionCallContent(call_id, name, cast("_Data", arguments) if isinstance(arguments, dict) else "{}")
        case {"reasoningContent": dict()}:
            text = _dict(block["reasoningContent"].get("reasoningText")).get("text")
            return TextReasoningContent(str(text or ""))
        case {"image": dict()} | {"video": dict()} | {"document": dict()}:
            kind = next(iter(block))
            return _file(kind, _dict(block[kind]))
        case _:
            return UnknownContent({"type": f"strands/{next(iter(block), '')}"})


def _result(result: _Data) -> FunctionResultContent:
    texts = [_shown(_dict(part)) for part in _list(result.get("content"))]
    is_error = result.get("status") == "error"
    return FunctionResultContent(str(result.get("toolUseId")), "\n".join(texts), is_error=is_error)


def _shown(part: _Data) -> str:
    if isinstance(text := part.get("text"), str):
        return text
    return msgspec.json.encode(part["json"]).decode() if "json" in part else f"[{next(iter(part), '')}]"


def _file(kind: str, file: _Data) -> AnyContent:
    data = _dict(_dict(file.get("source")).get("bytes")).get("data")
    held = decoded(data) if isinstance(data, str) else None
    if held is None:
        return UnknownContent({"type": f"strands/{kind}"})
    name = file.get("name")
    return DataContent(held, f"{_MEDIA[kind]}/{file.get('format')}", name if isinstance(name, str) else None)


def _dict(value: object) -> _Data:
    return cast("_Data", value) if isinstance(value, dict) else {}


def _list(value: object) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else []


# -- and back ----------------------------------------------------------------------------------------------------------


def _block(part: AnyContent) -> JsonObject | None:
    match part:
        case TextContent():
            return {"text": part.text}
        case RefusalContent():
            return {"text": part.refusal}
        case FunctionCallContent():
            return {"toolUse": {"toolUseId": part.call_id, "name": part.name, "input": _arguments(part)}}
        case FunctionResultContent():
            status = "error" if part.is_error else "success"
            content: JsonObject = {"text": part.result} if isinstance(part.result, str) else {"json": part.result}
            return {"toolResult": {"toolUseId": part.call_id, "status": status, "content": [content]}}
        case DataContent():
            return _file_block(part)
        case _:
            return None


def _arguments(call: FunctionCallContent) -> Json:
    if not isinstance(call.arguments, str):
        return call.arguments
    try:
        return msgspec.json.decode(call.arguments)
    except msgspec.DecodeError:
        return {}


def _file_block(part: DataContent) -> JsonObject:
    kind, _, ending = part.media_type.partition("/")
    encoded: JsonObject = {"__bytes_encoded__": True, "data": b64encode(part.data).decode()}
    file: JsonObject = {"format": ending, "source": {"bytes": encoded}}
    if kind in {"image", "video"}:
        return {kind: file}
    return {"document": {**file, "name": part.name or "document"}}
