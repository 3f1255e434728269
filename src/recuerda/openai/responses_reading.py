"""Conversion of the items that a service keeps into the messages that a run would have had.

All items of the model between two inputs become one message, and so do consecutive results. A result stays the text
that the model got, because the service does not keep the original value.
"""

from __future__ import annotations

from base64 import b64decode
from binascii import Error as BinasciiError
from collections.abc import Sequence
from itertools import groupby
from mimetypes import guess_type
from typing import Any, Literal, TypeAlias, cast

from recuerda.messages.message import (
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionResultContent,
    HostedFileContent,
    ResultPart,
    TextContent,
    UnknownContent,
    UriContent,
)
from recuerda.openai.responses_output import Item, message_of
from recuerda.openai.text import mend_json, mend_text

Speaker: TypeAlias = Literal["model", "tool", "other"]
"""The source of an item: the model, a function that the model called, or another speaker."""


def speaker_of(item: Item) -> Speaker:
    """Return the source of an item."""
    if item.get("type") == "function_call_output":
        return "tool"
    return "model" if item.get("role", "assistant") == "assistant" else "other"


def read_items(items: Sequence[Item]) -> list[ChatMessage]:
    """Return the messages for a list of items, in the same order and with the service's ids."""
    messages: list[ChatMessage] = []
    for speaker, group in groupby(items, key=speaker_of):
        of_speaker = list(group)
        if speaker == "model":
            messages.append(message_of(of_speaker))
        elif speaker == "tool":
            messages.append(ChatMessage("tool", list(map(_result, of_speaker)), message_id=of_speaker[0].get("id")))
        else:
            messages.extend(map(_message, of_speaker))
    return messages


def _message(item: Item) -> ChatMessage:
    content = cast("str | list[Item] | None", item.get("content"))
    parts: list[Item] = [{"type": "input_text", "text": content}] if isinstance(content, str) else content or []
    return ChatMessage(str(item.get("role")), list(map(_part, parts)), message_id=item.get("id"))


def _result(item: Item) -> FunctionResultContent:
    call_id, output = str(item.get("call_id") or ""), item.get("output")
    parts = [_part(part) for part in cast("list[Item]", output)] if isinstance(output, list) else []
    known = tuple(part for part in parts if isinstance(part, ResultPart))
    if known and len(known) == len(parts):
        return FunctionResultContent(call_id, parts=known)
    return FunctionResultContent(call_id, mend_json(output))


def _part(part: Item) -> AnyContent:
    match part:
        case {"type": "input_text" | "text" | "output_text", "text": str(text)}:
            return TextContent(mend_text(text))
        case {"type": "input_image", "image_url": str(url)}:
            return _file(url, part, default="image/png")
        case {"type": "input_file", "file_data": str(url)} | {"type": "input_file", "file_url": str(url)}:
            return _file(url, part, default="application/octet-stream")
        case {"type": "input_image" | "input_file", "file_id": str(file_id)}:
            media_type = "image/*" if part["type"] == "input_image" else None
            return HostedFileContent(file_id, media_type, part.get("filename"), _detail(part))
        case _:
            return UnknownContent(mend_json(part))


def _file(url: str, part: Item, *, default: str) -> AnyContent:
    name, detail = part.get("filename"), _detail(part)
    head, _, data = url.partition(",")
    if not head.startswith("data:"):
        return UriContent(url, guess_type(url)[0] or default, name, detail)
    media_type = head[5:].partition(";")[0] or default
    try:
        return DataContent(b64decode(data, validate=True), media_type, name, detail)
    except BinasciiError:
        return UriContent(url, media_type, name, detail)


def _detail(part: Item) -> str | None:
    """Return the detail of a part; None for "auto", which the service also assumes."""
    detail = part.get("detail")
    return None if detail == "auto" else detail


def as_item(value: Any) -> Item:
    """Return the JSON from which the SDK made an object. For unknown items, the object itself may have a wrong type."""
    return value.to_dict(mode="python", warnings=False)
