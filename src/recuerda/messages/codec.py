"""Convert turns and messages into JSON bytes and back.

A turn is a JSON object with `messages`. It also has `input` (the number of messages from the caller), `usage`,
`interrupted`, `error`, `service_thread`, `pins` (the ids of earlier turns with pinned messages), `metadata` and `runs`
(the time that the turn took); a field that equals its default is left out. A later version of this format would add its
number as `v`. A message is an object with `role`, `content` and its other fields. `content` is a string when the
message is one plain text. Otherwise it is an array of parts, each with its `type`.

Encoding refuses a value that would not read back the same (see `json_value`), before anything is written. Decoding
keeps a part that it does not fully understand as `UnknownContent`. A body that is not a turn raises `CorruptTurn`.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Annotated, Any, Generic, TypeAlias, TypeVar

import msgspec

from recuerda.errors import CorruptTurn, EncodeError, StateError
from recuerda.json_value import JsonObject, check_text, to_json, to_json_object
from recuerda.messages.message import (
    KNOWN_CONTENTS,
    AnyContent,
    ChatMessage,
    Content,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    KnownContent,
    TextContent,
    Turn,
    TurnRuns,
    UnknownContent,
    Usage,
    plain_content,
    text_of_parts,
    trusted_message,
)

T = TypeVar("T", bound=msgspec.Struct)
C = TypeVar("C")

VERSION = 1
"""The version of a turn's JSON. A reader refuses a higher version instead of guessing."""


class _WireMessage(msgspec.Struct, Generic[C], gc=False):
    role: Annotated[str, msgspec.Meta(min_length=1)]
    content: C | str = ""
    author_name: str | None = None
    message_id: str | None = None
    additional_properties: dict[str, Any] | None = None


_Known: TypeAlias = _WireMessage[tuple[KnownContent, ...]]
"""A message whose parts are all known."""

_Any: TypeAlias = _WireMessage[list[dict[str, Any]]]
"""Any message. Each part is converted for itself, so that a part which is not known is kept."""

M = TypeVar("M", _Known, _Any)


class _WireTurn(msgspec.Struct, Generic[M], gc=False):
    messages: tuple[M, ...]
    v: int = 1
    input: int = 1
    usage: Usage | None = None
    interrupted: bool = False
    service_thread: str | None = None
    pins: tuple[str, ...] = ()
    error: str | None = None
    metadata: dict[str, Any] | None = None
    runs: TurnRuns | None = None


class _OutMessage(msgspec.Struct, omit_defaults=True):
    role: str
    content: Any = ""
    author_name: str | None = None
    message_id: str | None = None
    additional_properties: Any = None


class _OutTurn(msgspec.Struct, omit_defaults=True):
    messages: list[_OutMessage]
    input: int = 1
    usage: Usage | None = None
    interrupted: bool = False
    service_thread: str | None = None
    pins: tuple[str, ...] = ()
    error: str | None = None
    metadata: Any = None
    runs: TurnRuns | None = None


def _plain_text(value: object) -> str:
    """Return a value of a subclass of `str` as a plain `str`, because msgspec does not accept a subclass."""
    if isinstance(value, str):
        return str.__str__(value)  # `str(value)` would call a method of the subclass
    raise TypeError(f"a {type(value).__name__} has no JSON form")


_LONG_MS = 10**9
"""A run of this length is checked like any other value."""

_encoder = msgspec.json.Encoder(enc_hook=_plain_text)
_decoder = msgspec.json.Decoder(_WireTurn[_Known])
_BY_TYPE: dict[object, type[Content]] = {kind.__struct_config__.tag: kind for kind in KNOWN_CONTENTS}
_FREE_FORM: dict[type[AnyContent], str] = {FunctionCallContent: "arguments", FunctionResultContent: "result"}


def encode_turn(turn: Turn) -> bytes:
    """Return the turn as JSON bytes.

    Raises:
        EncodeError: a value has no JSON form. Its `path` starts with `messages[i]` or `metadata`, or is `usage` or
            `runs`.
    """
    if turn.usage is not None:
        _checked(turn.usage, "usage")
    if turn.runs is not None:
        _check_runs(turn.runs)
    out = [_out_message(message, f"messages[{i}]") for i, message in enumerate(turn.messages)]
    try:
        return _encoder.encode(
            _OutTurn(
                out,
                turn.input_count,
                turn.usage,
                turn.is_interrupted,
                turn.service_thread_id,
                turn.pins,
                turn.error,
                turn.metadata and to_json_object(turn.metadata, "metadata"),
                turn.runs,
            )
        )
    except UnicodeEncodeError:
        for i, message in enumerate(turn.messages):
            _check_strings(message, f"messages[{i}]")
        raise


def decode_turn(body: bytes, *, thread_id: str, number: int) -> Turn:
    """Return the turn that `encode_turn` wrote.

    Raises:
        CorruptTurn: `body` is not a turn, or is a turn of a newer version. The error names the thread and the number.
    """
    try:
        wire = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise CorruptTurn(thread_id, number, _reason(error)) from None
    if wire.v != VERSION:
        raise CorruptTurn(
            thread_id, number, f"it has version {wire.v}, and this recuerda reads version {VERSION}: upgrade recuerda"
        )
    return Turn(
        messages=_messages(wire.messages),
        input_count=wire.input,
        usage=wire.usage,
        is_interrupted=wire.interrupted,
        service_thread_id=wire.service_thread,
        pins=wire.pins,
        error=wire.error,
        metadata=wire.metadata,
        runs=wire.runs,
    )


@cache  # Few programs need it, and making it takes a hundredth of their imports.
def _any_decoder() -> msgspec.json.Decoder[_WireTurn[_Any]]:
    return msgspec.json.Decoder(_WireTurn[_Any])


def _decode(body: bytes) -> _WireTurn[_Known] | _WireTurn[_Any]:
    try:
        return _decoder.decode(body)
    except msgspec.ValidationError:  # the turn has a part that is not known, or damage
        return _any_decoder().decode(body)


def message_to_json(message: ChatMessage, path: str = "message") -> JsonObject:
    """Return one message as a JSON object, in the form that it has inside a turn."""
    _check_strings(message, path)
    return msgspec.to_builtins(_out_message(message, path), enc_hook=_plain_text)


def message_from_json(data: object, path: str = "message") -> ChatMessage:
    """Return the message that `message_to_json` converted.

    Raises:
        StateError: `data` is not a message. The error names the place.
    """
    try:
        return _messages([msgspec.convert(data, _Any)])[0]
    except (msgspec.ValidationError, TypeError) as error:
        raise StateError(f"{path} is not a message: {_reason(error)}") from None


def _out_message(message: ChatMessage, path: str) -> _OutMessage:
    content = message.content
    out: Any = (
        content if isinstance(content, str) else [_out_part(p, f"{path}.contents[{i}]") for i, p in enumerate(content)]
    )
    extra = message.additional_properties
    if extra is not None:
        extra = to_json(extra, f"{path}.additional_properties")
    return _OutMessage(message.role, out, message.author_name, message.message_id, extra)


def _out_part(part: AnyContent, path: str) -> object:
    if isinstance(part, UnknownContent):
        return to_json(part.data, path)
    if type(part) is TextContent and part.additional_properties is None:
        return part
    changes: dict[str, Any] = {}
    if part.additional_properties is not None:
        changes["additional_properties"] = to_json(part.additional_properties, f"{path}.additional_properties")
    if (name := _FREE_FORM.get(type(part))) is not None:
        changes[name] = to_json(getattr(part, name), f"{path}.{name}")
    plain = msgspec.structs.replace(part, **changes)
    if isinstance(plain, FunctionResultContent) and plain.parts:
        return _out_result(plain, path)
    return _checked(plain, path)


def _out_result(result: FunctionResultContent, path: str) -> JsonObject:
    """Return a result with files. Its text is left out if it can be made from the parts again."""
    parts = [_out_part(part, f"{path}.parts[{i}]") for i, part in enumerate(result.parts)]
    out: JsonObject = msgspec.to_builtins(
        msgspec.structs.replace(_checked(result, path), parts=()), enc_hook=_plain_text
    )
    if result.result == text_of_parts(result.parts):
        out.pop("result", None)
    return {**out, "parts": msgspec.to_builtins(parts, enc_hook=_plain_text)}


def _checked(part: T, path: str) -> T:
    # A struct does not check its fields when it is created. A wrong value would read back as another value, or as
    # damage. Bytes always read back the same, and files can be long.
    tried = (
        msgspec.structs.replace(part, data=b"") if isinstance(part, DataContent) and type(part.data) is bytes else part
    )
    try:
        msgspec.convert(msgspec.to_builtins(tried, enc_hook=_plain_text), type(part))
    except (msgspec.ValidationError, TypeError) as error:
        raise EncodeError(path, _reason(error)) from None
    return part


def _check_runs(runs: TurnRuns) -> None:
    # Every turn of an agent comes here, nearly always with one short run, which needs no conversion to be checked.
    is_one = type(runs.took_ms) is int and type(runs.count) is int and runs.count == 1 and runs.began_us is None
    if not (is_one and 0 <= runs.took_ms < _LONG_MS):
        _checked(runs, "runs")


def _check_strings(message: ChatMessage, path: str) -> None:
    for name in ("role", "author_name", "message_id"):
        check_text(getattr(message, name) or "", f"{path}.{name}")
    for i, part in enumerate(message.contents):
        if isinstance(part, Content):
            _check_part(part, f"{path}.contents[{i}]")


def _check_part(part: Content, path: str) -> None:
    for name in part.__struct_fields__:
        if isinstance(value := getattr(part, name), str):
            check_text(value, f"{path}.{name}")
    if isinstance(part, FunctionResultContent):
        for i, inner in enumerate(part.parts):
            _check_part(inner, f"{path}.parts[{i}]")


def _messages(wires: Sequence[_Known] | Sequence[_Any]) -> tuple[ChatMessage, ...]:
    # This is one comprehension with few calls, because a cold read of a long thread spends its time here.
    return tuple(
        [
            trusted_message(
                wire.role,
                wire.content if isinstance(wire.content, str) else _content(wire.content),
                wire.author_name,
                wire.message_id,
                wire.additional_properties or None,
            )
            for wire in wires
        ]
    )


def _content(parts: tuple[KnownContent, ...] | list[dict[str, Any]]) -> str | tuple[AnyContent, ...]:
    return plain_content(parts if isinstance(parts, tuple) else tuple([_part(item) for item in parts]))


def _part(data: dict[str, Any]) -> AnyContent:
    tag = data.get("type")
    kind = _BY_TYPE.get(tag) if isinstance(tag, str) else None
    if kind is None:
        return UnknownContent(data)
    try:
        return msgspec.convert(data, kind)
    except msgspec.ValidationError:
        return UnknownContent(data)


def _reason(error: Exception) -> str:
    # The error texts of msgspec name the path and the type, but never the value.
    return str(error) or type(error).__name__


def encode_json(value: object) -> bytes:
    """Return the bytes of a value that consists of JSON data or of structs with JSON data."""
    return _encoder.encode(value)
