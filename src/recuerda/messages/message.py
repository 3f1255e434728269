"""Messages and the typed parts that they hold.

A message has a role and contents: text, files, function calls and their results, reasoning, usage, refusals. Messages
and contents are immutable values. Two values with the same fields are equal. A part that this version does not know is
kept whole as `UnknownContent` and written back unchanged, so an older program never damages a newer program's thread.
`codec.py` defines the JSON form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, ClassVar, TypeAlias, cast, get_args

import msgspec

from recuerda.json_value import Json, JsonObject

Role: TypeAlias = str
"""The speaker: "system", "user", "assistant", "tool", or another word that a service uses."""

_SHOWN_URI = 200
_YEAR_10000_US = 253_402_300_800_000_000


class Content(
    msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True, forbid_unknown_fields=True, tag_field="type"
):
    """Base of every part of a message.

    Attributes:
        additional_properties: a JSON object that a provider attached to the part. It is stored with the part.
    """

    additional_properties: dict[str, Any] | None = None


# gc=False: a part is never in a reference cycle, and a long thread holds thousands of parts that the collector would
# visit.
class TextContent(Content, frozen=True, tag="text", gc=False):
    """Hold text."""

    text: str

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
            raise TypeError(f"text must be a str, not {type(self.text).__name__}")


class TextReasoningContent(Content, frozen=True, tag="text_reasoning"):
    """Hold a model's reasoning: readable text, and opaque data to send back to the model's service.

    Attributes:
        text: the readable text; empty when the service shows none.
        protected_data: the service's encrypted or signed form of the reasoning.
    """

    text: str = ""
    protected_data: str | None = None


class UriContent(Content, frozen=True, tag="uri"):
    """Point to an image or a file.

    Attributes:
        uri: an absolute URI.
        media_type: the media type, such as `image/png`.
        name: the file's name, if it is known.
        detail: how closely the model looks at the file: "low", "high", "auto", or another word of the service. None
            leaves it to the service.
    """

    uri: str
    media_type: str
    name: str | None = None
    detail: str | None = None


class DataContent(Content, frozen=True, tag="data"):
    """Hold an image or a file by its bytes (base64 in JSON).

    Attributes:
        data: the bytes.
        media_type: the media type, such as `image/png`.
        name: the file's name, if it is known.
        detail: how closely the model looks at the file, as in `UriContent`.
    """

    data: bytes
    media_type: str
    name: str | None = None
    detail: str | None = None


class HostedFileContent(Content, frozen=True, tag="hosted_file"):
    """Name an image or a file that was uploaded to the model's service.

    Attributes:
        file_id: the service's id of the file.
        media_type: the media type, if it is known. The service is sent an image if it starts with `image/`.
        name: the file's name, if it is known.
        detail: how closely the model looks at the file, as in `UriContent`.
    """

    file_id: str
    media_type: str | None = None
    name: str | None = None
    detail: str | None = None


class FileExtent(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts about a file by which services count its tokens. A fact that is not known is 0.

    Attributes:
        width: the width of an image, in pixels.
        height: the height of an image, in pixels.
        pages: the number of pages of a document.
        duration_ms: the duration of sound, in milliseconds.
    """

    width: int = 0
    height: int = 0
    pages: int = 0
    duration_ms: int = 0


class StoredFile(Content, frozen=True, tag="stored_file"):
    """Stand for a file in the stored form of a turn, while the storage keeps the bytes beside the turn.

    Readers of threads and models never get it: `files.py` puts the file itself, or a text, in its place.

    Attributes:
        digest: the SHA-256 of the bytes, in hexadecimal digits.
        size: the number of bytes.
        media_type: the media type.
        name: the file's name, if it is known.
        detail: how closely the model looks at the file, as in `UriContent`.
        head: for a `UriContent` with a `data:` URL, the URL up to its comma. None for a `DataContent`.
        extent: the facts by which tokens are counted.
    """

    digest: str
    size: int
    media_type: str
    name: str | None = None
    detail: str | None = None
    head: str | None = None
    extent: FileExtent = FileExtent()


AnyFile: TypeAlias = UriContent | DataContent | HostedFileContent | StoredFile
"""A part that is an image or a file."""

ResultPart: TypeAlias = TextContent | AnyFile
"""A part of a function's result."""

FILES = (UriContent, DataContent, HostedFileContent, StoredFile)
"""The kinds of parts that are images or files."""


_SHOWN_KINDS = frozenset(("image", "audio", "video"))


def file_mark(part: AnyFile, origin: str | None = None) -> str:
    """Return the text that stands for a file where only text can be: `[image photo.png, image/png, 300 kB]`.

    `origin` says where the file is, such as "from turn 3".
    """
    media_type = part.media_type or ""
    mark = _kind_of(media_type)
    if name := _named(part):
        mark += f" {name}"
    if media_type:
        mark += f", {media_type}"
    if type(part) is StoredFile:
        mark += f", {shown_size(part.size)}"
    elif isinstance(part, DataContent):
        mark += f", {shown_size(len(part.data))}"
    return f"[{mark}, {origin}]" if origin else f"[{mark}]"


def file_title(part: AnyFile) -> str:
    """Return the words that stand for a file in a list: its name, or else its kind, such as "image"."""
    return " ".join((part.name or "").split()) or _kind_of(part.media_type or "")


def shown_size(size: int) -> str:
    """Return a number of bytes for people and models to read, such as `300 kB`."""
    if size >= 1_000_000:
        return f"{round(size / 1_000_000)} MB"
    return f"{round(size / 1000)} kB" if size >= 1000 else f"{size} bytes"


def text_of_parts(parts: Sequence[ResultPart]) -> str:
    """Return the texts of a result's parts, one on each line, with a mark in the place of each file."""
    return "\n".join(part.text if isinstance(part, TextContent) else file_mark(part) for part in parts)


def _kind_of(media_type: str) -> str:
    kind = media_type.partition("/")[0]
    return kind if kind in _SHOWN_KINDS else "file"


def _named(part: AnyFile) -> str:
    if part.name or not isinstance(part, UriContent):
        return " ".join((part.name or "").split())
    return "" if part.uri.startswith("data:") else part.uri[:_SHOWN_URI]


class FunctionCallContent(Content, frozen=True, tag="function_call"):
    """Hold a model's request to call a function.

    Attributes:
        call_id: the id that links the call to its result.
        name: the function's name.
        arguments: the JSON text as the model wrote it, or an object.
    """

    call_id: str
    name: str
    arguments: str | dict[str, Any] = "{}"


class FunctionResultContent(Content, frozen=True, tag="function_result"):
    """Hold the result of a called function.

    Attributes:
        call_id: the id of the call.
        result: any value with a JSON form (see `to_json`). If only `parts` are given, this is their text, with the name
            of each file in the place of the file.
        is_error: True when the function failed. Then `result` says why.
        parts: the texts and files of a result that holds files, in order. The model is sent these parts instead of
            `result`. Empty for any other result.
    """

    call_id: str
    result: Any = None
    is_error: bool = False
    parts: tuple[ResultPart, ...] = ()

    def __post_init__(self) -> None:
        if self.parts and self.result is None:
            msgspec.structs.force_setattr(self, "result", text_of_parts(self.parts))


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Hold the number of tokens of one or more model calls. `a + b` is the sum of two usages."""

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
    """Hold the token usage inside a message, where some services send it."""

    usage: Usage


class RefusalContent(Content, frozen=True, tag="refusal"):
    """Hold a model's refusal, in the model's words."""

    refusal: str


class UnknownContent(msgspec.Struct, frozen=True):
    """Hold a part whose kind or fields this version does not know, unchanged.

    Attributes:
        data: the part's JSON object, with its `type`.
    """

    additional_properties: ClassVar[None] = None
    data: dict[str, Any]


KnownContent: TypeAlias = (
    TextContent
    | TextReasoningContent
    | UriContent
    | DataContent
    | HostedFileContent
    | StoredFile
    | FunctionCallContent
    | FunctionResultContent
    | UsageContent
    | RefusalContent
)

KNOWN_CONTENTS: tuple[type[Content], ...] = get_args(KnownContent)

AnyContent: TypeAlias = Content | UnknownContent


@dataclass(frozen=True, slots=True, init=False)
class ChatMessage:
    """One message of a conversation. It is immutable.

    Attributes:
        role: the speaker: "system", "user", "assistant", "tool", or another word that a service uses.
        content: the text if the message is one plain text, otherwise the parts in order.
        author_name: the speaker's name, to tell several speakers of one role apart.
        message_id: the service's id of the message.
        additional_properties: other data as a JSON object. It is stored but never sent to a model.
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
        """Create a message.

        Args:
            role: see the class.
            content: a string, a part, or a sequence of both.
            text: the same as `content`, under another name. Give one of `content`, `text` and `contents`.
            contents: the same as `content`, under another name.
            author_name: see the class.
            message_id: see the class.
            additional_properties: see the class. The object is copied.

        Raises:
            TypeError: two of `content`, `text` and `contents` are given, or an argument has a wrong type.
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
        """All text parts, joined."""
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
        if isinstance(self.content, str):
            return ()
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
    """Return a message made from its fields without any check: reading a long thread spends most of its time here."""
    message = _new(ChatMessage)
    _put_role(message, role)
    _put_content(message, content)
    _put_author_name(message, author_name)
    _put_message_id(message, message_id)
    _put_additional_properties(message, additional_properties)
    return message


def with_contents(message: ChatMessage, parts: Sequence[AnyContent], *, role: Role | None = None) -> ChatMessage:
    """Return a message with other parts, and with another role if one is given. The other fields stay."""
    return ChatMessage(
        role or message.role,
        parts,
        author_name=message.author_name,
        message_id=message.message_id,
        additional_properties=message.additional_properties,
    )


def with_properties(message: ChatMessage, changes: Mapping[str, Json]) -> ChatMessage:
    """Return a message with some additional properties changed: each one is set, or removed by None."""
    properties = {**(message.additional_properties or {}), **changes}
    kept = {name: value for name, value in properties.items() if value is not None or name not in changes}
    return trusted_message(message.role, message.content, message.author_name, message.message_id, kept or None)


def signed(message: ChatMessage, name: str | None) -> ChatMessage:
    """Return a message with a speaker's name, unless it already has one."""
    if name is None or message.author_name is not None:
        return message
    return trusted_message(message.role, message.content, name, message.message_id, message.additional_properties)


def plain_content(parts: tuple[AnyContent, ...]) -> str | tuple[AnyContent, ...]:
    """Return the parts in a message's own form: the text itself if one plain text is the only part."""
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


# gc=False: see TextContent.
class TurnRuns(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The runs that made a turn, and the time that they took.

    Attributes:
        took_ms: the time that the runs worked on the turn, in milliseconds. The time of a run goes from the moment at
            which it had its thread for itself until it gave the turn to the storage. Pauses between runs do not count,
            such as the wait for an approval. A run that broke off counts until its last saved step.
        count: the number of runs that worked on the turn and saved something of it.
        began_us: the time at which the first run began, in microseconds since 1970 (UTC), if there were several runs.
            None for one run: it began `took_ms` before the time of the turn.
    """

    took_ms: Annotated[int, msgspec.Meta(ge=0, lt=_YEAR_10000_US // 1000)]
    count: Annotated[int, msgspec.Meta(ge=1)] = 1
    began_us: Annotated[int, msgspec.Meta(ge=0, lt=_YEAR_10000_US)] | None = None


# gc=False: see TextContent.
class Turn(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Everything that one run adds to a thread. A turn is the unit of commit.

    Attributes:
        messages: the messages in order; at least one.
        input_count: the number of messages from the caller, which come first. The other messages are the answer.
        usage: the tokens that the answer cost, if the service reported them.
        is_interrupted: True when the run was stopped, or failed, before the model had answered and the partial turn was
            kept.
        error: for a turn whose run failed, a short text about the error; None if it did not fail. It is not sent to the
            model.
        service_thread_id: in the mirror of a service's thread, the service's id of the thread after this turn.
        pins: the ids of the earlier turns that have pinned messages; a `ChatMessageStore` sets it.
        metadata: a JSON object of the application, such as the id of a trace; None if there is none. It is not sent to
            the model.
        runs: the time that the turn took, and the number of its runs. None for a turn that no run has made, such as
            messages that were added or imported.
    """

    messages: tuple[ChatMessage, ...]
    input_count: int = 1
    usage: Usage | None = None
    is_interrupted: bool = False
    service_thread_id: str | None = None
    pins: tuple[str, ...] = ()
    error: str | None = None
    metadata: JsonObject | None = None
    runs: TurnRuns | None = None

    @property
    def answer(self) -> tuple[ChatMessage, ...]:
        """The messages that the run itself added."""
        return self.messages[self.input_count :]

    @property
    def duration(self) -> timedelta | None:
        """The time that the runs worked on the turn; None for a turn that no run has made. See `TurnRuns`."""
        return None if self.runs is None else timedelta(milliseconds=self.runs.took_ms)


__all__ = [
    "FILES",
    "AnyContent",
    "AnyFile",
    "ChatMessage",
    "Content",
    "DataContent",
    "FileExtent",
    "FunctionCallContent",
    "FunctionResultContent",
    "HostedFileContent",
    "Json",
    "JsonObject",
    "RefusalContent",
    "ResultPart",
    "Role",
    "StoredFile",
    "TextContent",
    "TextReasoningContent",
    "Turn",
    "TurnRuns",
    "UnknownContent",
    "UriContent",
    "Usage",
    "UsageContent",
]
