"""Input messages: the parts of their format that all of OpenAI's interfaces share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from pybase64 import b64encode_as_string

from recuerda.json_value import Json, JsonObject
from recuerda.messages.message import (
    FILES,
    AnyContent,
    ChatMessage,
    DataContent,
    FunctionResultContent,
    HostedFileContent,
    StoredFile,
    TextContent,
    UriContent,
    file_mark,
    with_contents,
)
from recuerda.openai.text import mend_text


@dataclass(frozen=True, slots=True)
class PartFormat:
    """The format in which an interface writes the parts of an input message.

    Attributes:
        text_type: the type of a text part.
        linked: returns the JSON of a file that is given by its address.
        attached: returns the JSON of a file that is given by its bytes.
        hosted: returns the JSON of a file that was uploaded to the service.
    """

    text_type: str
    linked: Callable[[UriContent], JsonObject]
    attached: Callable[[DataContent], JsonObject]
    hosted: Callable[[HostedFileContent], JsonObject]

    def content(self, message: ChatMessage) -> Json:
        """Return a single text as a string and several parts as a list; None if nothing can be sent."""
        if message.role in ("system", "developer"):
            return mend_text(message.text) or None
        if isinstance(message.content, str):
            return mend_text(message.content)
        parts = [written for part in message.contents if (written := self._part(part)) is not None]
        if len(parts) > 1:
            parts = [part for part in parts if part.get("text") != ""] or parts[:1]
        if len(parts) == 1 and parts[0].get("type") == self.text_type:
            return parts[0]["text"]
        return [*parts] or None

    def result(self, result: FunctionResultContent) -> list[JsonObject]:
        """Return the texts and files of a function's result, in order. A failed call begins with "Error"."""
        parts = [written for part in result.parts if (written := self._part(part)) is not None]
        return [self.text("Error:"), *parts] if result.is_error else parts

    def text(self, text: str) -> JsonObject:
        """Return the JSON of a text part."""
        return {"type": self.text_type, "text": mend_text(text)}

    def _part(self, part: AnyContent) -> JsonObject | None:
        if type(part) is TextContent:  # usual, and cheaper than a match
            return self.text(part.text)
        match part:
            case UriContent():
                return self.linked(part)
            case DataContent():
                return self.attached(part)
            case HostedFileContent():
                return self.hosted(part)
            case StoredFile():
                return self.text(file_mark(part))
            case _:
                return None


def other_speaker(message: ChatMessage, agent_name: str | None) -> str | None:
    """Return the name of a message's speaker; None if it has no name, or is the agent that asks."""
    is_own = message.role == "assistant" and message.author_name == agent_name
    return None if is_own else message.author_name or None


def labelled(message: ChatMessage, agent_name: str | None) -> ChatMessage:
    """Return a message that begins with its speaker's name, for an interface that has no field for the name."""
    speaker = other_speaker(message, agent_name)
    if speaker is None or message.role in ("system", "developer") or not message.text:
        return message
    label, parts = f"[{' '.join(speaker.split())}]", message.contents
    first = parts[0]
    if isinstance(first, TextContent) and first.additional_properties is None:
        return with_contents(message, [TextContent(f"{label} {first.text}"), *parts[1:]])
    return with_contents(message, [TextContent(label), *parts])


def has_files(result: FunctionResultContent) -> bool:
    """Return whether a function's result holds images or files."""
    return any(isinstance(part, FILES) for part in result.parts)


def base64_text(part: DataContent) -> str:
    """Return the bytes of a file as base64."""
    # The standard library needs a millisecond for a picture, which is as long as the rest of a turn.
    return b64encode_as_string(part.data)


def data_url(part: DataContent) -> str:
    """Return a file as a `data:` URL. The URLs of the newest small files are kept, since a window sends them again."""
    make = _kept_url if len(part.data) <= _KEPT_BYTES else _url
    return make(_Identity(part))


_KEPT_FILES, _KEPT_BYTES = 16, 1_000_000


class _Identity:
    """A file that equals only itself: to compare bytes takes as long as to write them as base64."""

    __slots__ = ("part",)

    def __init__(self, part: DataContent) -> None:
        self.part = part

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.part is other.part

    def __hash__(self) -> int:
        return id(self.part)


def _url(file: _Identity) -> str:
    return f"data:{file.part.media_type};base64,{base64_text(file.part)}"


_kept_url = lru_cache(_KEPT_FILES)(_url)


def file_name(part: UriContent | DataContent) -> str:
    """Return the name of a file to send, which the services require."""
    return mend_text(part.name or "file")


def input_role(message: ChatMessage) -> str:
    """Return the role to send.

    It is "user" for roles that the service would refuse, because such a speaker is not the model.
    """
    return message.role if message.role in ("system", "developer") else "user"
