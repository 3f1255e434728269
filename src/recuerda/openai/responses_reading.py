"""Items that a service keeps as messages, as a run would have had them.

What a model said between two inputs is one message, and so are results that follow one another. A result stays the
text that the model was told: what value it was before is not known any more.
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
    TextContent,
    UnknownContent,
    UriContent,
)
from recuerda.openai.responses_output import Item, message_of
from recuerda.openai.text import mend_json, mend_text

Speaker: TypeAlias = Literal["model", "tool", "other"]
"""Whose item it is: the model's, the result of a function that it called, or anybody else's."""


def speaker_of(item: Item) -> Speaker:
    """Tell whose item it is."""
    if item.get("type") == "function_call_output":
        return "tool"
    return "model" if item.get("role", "assistant") == "assistant" else "other"


def read_items(items: Sequence[Item]) -> list[ChatMessage]:
    """Return the messages that items make up, in their order, with the service's ids."""
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
    return FunctionResultContent(str(item.get("call_id") or ""), mend_json(item.get("output")))


def _part(part: Item) -> AnyContent:
    match part:
        case {"type": "input_text" | "text" | "output_text", "text": str(text)}:
            return TextContent(mend_text(text))
        case {"type": "input_image", "image_url": str(url)}:
            return _file(url, default="image/png")
        case {"type": "input_file", "file_data": str(url)}:
            return _file(url, default="application/octet-stream", name=part.get("filename"))
        case {"type": "input_file", "file_url": str(url)}:
            return _file(url, default="application/octet-stream")
        case _:
            return UnknownContent(mend_json(part))


def _file(url: str, *, default: str, name: str | None = None) -> AnyContent:
    head, _, data = url.partition(",")
    if not head.startswith("data:"):
        return UriContent(url, guess_type(url)[0] or default)
    try:
        return DataContent(b64decode(data, validate=True), head[5:].partition(";")[0] or default, name)
    except BinasciiError:
        return UriContent(url, head[5:].partition(";")[0] or default)


def as_item(value: Any) -> Item:
    """Return an object of the SDK as the JSON that it came as: the SDK guesses a type for what it doesn't know."""
    return value.to_dict(mode="python", warnings=False)
