"""Messages and the typed parts that they hold.

A message has a role, and contents: text, files, function calls and their results, reasoning, usage, refusals. Messages
and contents are immutable values; two with the same fields are equal. A part that this version does not know is kept
whole as `UnknownContent` and written back unchanged, so an older program never damages a newer one's thread. How they
look as JSON is `codec.py`'s business.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, cast

import msgspec

from recuerda.json_value import Json, JsonObject

Role: TypeAlias = str
"""Who speaks: "system", "user", "assistant", "tool", or a service's own word."""


class Content(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of every part of a message.

    Attributes:
        additional_properties: what a provider attached to the part, as JSON; stored with it.
    """

    additional_properties: dict[str, Any] | None = None


# gc=False: it is in no reference cycle, and a long thread holds thousands that the collector would go through.
class TextContent(Content, frozen=True, tag="text", gc=False):
    """Hold text."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise TypeError(f"text must be a str, not {type(self.text).__name__}")


class TextReasoningContent(Content, frozen=True, tag="text_reasoning"):
    """Hold a model's reasoning: readable text, and the opaque data that its service wants back.

    Attributes:
        text: the readable part; empty when the service shows none.
        protected_data: the service's opaque (encrypted or signed) form.
    """

    text: str = ""
    protected_data: str | None = None


class UriContent(Content, frozen=True, tag="uri"):
    """Point to an image or a file.

    Attributes:
        uri: an absolute URI.
        media_type: such as `image/png`.
    """

    uri: str
    media_type: str


class DataContent(Content, frozen=True, tag="data"):
    """Hold an image or a file by its bytes (base64 in JSON).

    Attributes:
        data: the bytes.
        media_type: such as `image/png`.
        name: a file name, where one is known.
    """

    data: bytes
    media_type: str
    name: str | None = None


class FunctionCallContent(Content, frozen=True, tag="function_call"):
    """Hold a model's wish to call a function.

    Attributes:
        call_id: links the call to its result.
        name: the function's name.
        arguments: the JSON text as the model wrote it, or an object.
    """

    call_id: str
    name: str
    arguments: str | dict[str, Any] = "{}"


class FunctionResultContent(Content, frozen=True, tag="function_result"):
    """Hold what a called function gave.

    Attributes:
        call_id: of the call that this answers.
        result: any value with a JSON form (see `to_json`).
        is_error: True when the function failed; `result` then says why.
    """

    call_id: str
    result: Any = None
    is_error: bool = False


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Count the tokens of one or more model calls. `a + b` adds up."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    cached_input_tokens: int = 0
    reasoning_tokens: int = 0

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            self.input_tokens + other.input_tokens,
            self.output_tokens + other.output_tokens,
            self.total_tokens + other.total_tokens,
            self.cached_input_tokens + other.cached_input_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
        )


class UsageContent(Content, frozen=True, tag="usage"):
    """Hold a token count inside a message, for services that send it there."""

    usage: Usage


class RefusalContent(Content, frozen=True, tag="refusal"):
    """Hold a model's refusal, in its words."""

    refusal: str


class UnknownContent(msgspec.Struct, frozen=True):
    """Keep a part of a kind, or with fields, that this version does not know, exactly as it was.

    Attributes:
        data: the part's JSON object, `type` included.
    """

    additional_properties: ClassVar[None] = None
    data: dict[str, Any]


KNOWN_CONTENTS: tuple[type[Content], ...] = (
    TextContent,
    TextReasoningContent,
    UriContent,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    UsageContent,
    RefusalContent,
)

AnyContent: TypeAlias = Content | UnknownContent


@dataclass(frozen=True, slots=True, init=False)
class ChatMessage:
    """One message of a conversation; immutable.

    Attributes:
        role: who speaks: "system", "user", "assistant", "tool", or a service's own word.
        content: the text where the message is nothing but one text, else the parts, in order.
        author_name: the speaker's name where a role has several.
        message_id: the service's id of the message.
        additional_properties: anything else, as JSON; stored, never sent to a model.
    """

    role: str
    content: str | tuple[AnyContent, ...]
    author_name: str | None
    message_id: str | None
    additional_properties: JsonObject | None

    def __init__(
        self,
        role: Role,
        content: str | AnyContent | Sequence[str | AnyContent] | None = None,
        *,
        text: str | None = None,
        contents: Sequence[str | AnyContent] | None = None,
        author_name: str | None = None,
        message_id: str | None = None,
        additional_properties: JsonObject | None = None,
    ) -> None:
        """Make a message.

        Args:
            role: see the class.
            content: a string, a part, or a sequence of both. `text=` and `contents=` mean the same; give one of the
                three.
            author_name: see the class.
            message_id: see the class.
            additional_properties: see the class; copied.

        Raises:
            TypeError: when two of content, text and contents are given, or something is not of its type.
        """
        if not isinstance(role, str) or not role:  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise TypeError(f"role must be a non-empty str such as 'user', not {role!r}")
        for name, value in (("author_name", author_name), ("message_id", message_id)):
            if value is not None and not isinstance(value, str):  # pyright: ignore[reportUnnecessaryIsInstance] - as above
                raise TypeError(f"{name} must be a str or None, not {type(value).__name__}")
        given = [value for value in (content, text, contents) if value is not None]
        if len(given) > 1:
            raise TypeError("give one of content, text and contents: they mean the same")
        put = object.__setattr__
        put(self, "role", role)
        put(self, "content", plain_content(_parts(given[0])) if given else ())
        put(self, "author_name", author_name)
        put(self, "message_id", message_id)
        put(self, "additional_properties", dict(additional_properties) if additional_properties else None)

    @property
    def text(self) -> str:
        """The text parts, joined."""
        if isinstance(self.content, str):
            return self.content
        return "".join(part.text for part in self.contents if isinstance(part, TextContent))

    @property
    def contents(self) -> tuple[AnyContent, ...]:
        """The parts, in order."""
        return (TextContent(self.content),) if isinstance(self.content, str) else self.content

    @property
    def function_calls(self) -> tuple[FunctionCallContent, ...]:
        """The calls that this message asks for."""
        return tuple(part for part in self.contents if isinstance(part, FunctionCallContent))


_new = object.__new__
_put_role, _put_content, _put_author_name, _put_message_id, _put_additional_properties = (
    ChatMessage.__dict__[name].__set__ for name in ChatMessage.__slots__
)


def trusted_message(
    role: Role,
    content: str | tuple[AnyContent, ...],
    author_name: str | None,
    message_id: str | None,
    additional_properties: JsonObject | None,
) -> ChatMessage:
    """Make a message of what one holds, unchecked: reading a long thread spends most of its time here."""
    message = _new(ChatMessage)
    _put_role(message, role)
    _put_content(message, content)
    _put_author_name(message, author_name)
    _put_message_id(message, message_id)
    _put_additional_properties(message, additional_properties)
    return message


def plain_content(parts: tuple[AnyContent, ...]) -> str | tuple[AnyContent, ...]:
    """Return the form in which a message holds its parts: the text alone where there is nothing else."""
    if len(parts) == 1 and type(part := parts[0]) is TextContent and part.additional_properties is None:
        return part.text
    return parts


def _parts(content: object) -> tuple[AnyContent, ...]:
    if isinstance(content, str):
        return (TextContent(content),)
    if isinstance(content, Content | UnknownContent):
        return (content,)
    if not isinstance(content, Sequence) or isinstance(content, bytes | bytearray):
        raise TypeError(f"content must be a str or a sequence of parts, not {type(content).__name__}")
    return tuple(_part(item) for item in cast("Sequence[object]", content))


def _part(item: object) -> AnyContent:
    if isinstance(item, str):
        return TextContent(item)
    if isinstance(item, Content | UnknownContent):
        return item
    raise TypeError(f"a part must be a str or a content such as TextContent, not {type(item).__name__}")


# gc=False: as for TextContent.
class Turn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything that one run adds to a thread: the unit of commit.

    Attributes:
        messages: in order; at least one.
        input_count: how many of them, from the first on, came from the caller; the others are the answer.
        usage: what the answer cost, where the service said it.
        is_interrupted: True when the run was stopped before the model had answered, and what there was was kept.
        service_thread_id: in the mirror of a service's thread, how the service names the thread after this turn.
    """

    messages: tuple[ChatMessage, ...]
    input_count: int = 1
    usage: Usage | None = None
    is_interrupted: bool = False
    service_thread_id: str | None = None

    @property
    def answer(self) -> tuple[ChatMessage, ...]:
        """The messages that the run itself made."""
        return self.messages[self.input_count :]


__all__ = [
    "AnyContent",
    "ChatMessage",
    "Content",
    "DataContent",
    "FunctionCallContent",
    "FunctionResultContent",
    "Json",
    "JsonObject",
    "RefusalContent",
    "Role",
    "TextContent",
    "TextReasoningContent",
    "Turn",
    "UnknownContent",
    "UriContent",
    "Usage",
    "UsageContent",
]
