"""The rules by which the real chat completions endpoint refuses a request.

A scripted server that accepted every request would hide a client's mistakes, above all results without their call and
calls without their result. So the shapes of messages, parts and tools and the order of the conversation are checked.
Sampling settings and limits of size are not checked. The error texts follow the service's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Annotated, TypeAlias, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import BadRequest, parse

__all__ = ["check_chat_request", "schema_problem"]

_Name: TypeAlias = Annotated[str, Meta(pattern=r"^[^\s<|\\/>]{1,64}$")]
_CallId: TypeAlias = Annotated[str, Meta(min_length=1, max_length=40)]


class _Text(Struct, tag_field="type", tag="text"):
    text: str


class _Refusal(Struct, tag_field="type", tag="refusal"):
    refusal: str


class _ImageURL(Struct):
    url: Annotated[str, Meta(pattern=r"^(https?://|data:image/)")]


class _Image(Struct, tag_field="type", tag="image_url"):
    image_url: _ImageURL


class _Audio(Struct, tag_field="type", tag="input_audio"):
    input_audio: dict[str, str]


class _File(Struct, tag_field="type", tag="file"):
    file: dict[str, str]


class _Call(Struct):
    name: str
    arguments: str


class _ToolCall(Struct, tag_field="type", tag="function"):
    id: _CallId
    function: _Call


_Texts: TypeAlias = Annotated[list[_Text], Meta(min_length=1)]


class _System(Struct, tag_field="role", tag="system", forbid_unknown_fields=True):
    content: str | _Texts
    name: _Name | None = None


class _Developer(_System, tag="developer"):
    pass


class _User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True):
    content: str | Annotated[list[_Text | _Image | _Audio | _File], Meta(min_length=1)]
    name: _Name | None = None


class _Assistant(Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True):
    content: str | Annotated[list[_Text | _Refusal], Meta(min_length=1)] | None = None
    name: _Name | None = None
    refusal: str | None = None
    tool_calls: Annotated[list[_ToolCall], Meta(min_length=1)] | None = None
    # Clients send these fields of an answer back. Only DeepSeek and vLLM read the last one.
    annotations: list[object] | None = None
    audio: dict[str, object] | None = None
    reasoning_content: str | None = None


class _Tool(Struct, tag_field="role", tag="tool", forbid_unknown_fields=True):
    content: str | _Texts
    tool_call_id: _CallId


_Message: TypeAlias = _System | _Developer | _User | _Assistant | _Tool


class _Function(Struct):
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = None


class _FunctionTool(Struct, tag_field="type", tag="function"):
    function: _Function


class _StreamOptions(Struct):
    include_usage: bool = False


class _ChatRequest(Struct):
    messages: list[_Message]
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    tools: Annotated[list[_FunctionTool], Meta(min_length=1)] | UnsetType = UNSET
    tool_choice: object = UNSET
    parallel_tool_calls: bool | UnsetType = UNSET


def check_chat_request(body: JSONObject) -> None:
    """Raise `BadRequest` for the first rule of chat completions that the request breaks."""
    request = parse(body, _ChatRequest)
    if not request.messages:
        raise BadRequest(
            "Invalid 'messages': empty array. Expected an array with minimum length 1, but got an empty array instead.",
            param="messages",
            code="empty_array",
        )
    _check_settings(request)
    _check_assistants(request.messages)
    _check_order(request.messages)
    for index, tool in enumerate(request.tools or ()):
        _check_function(tool.function, param=f"tools[{index}].function.parameters")


def _check_settings(request: _ChatRequest) -> None:
    if request.stream_options is not None and not request.stream:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise BadRequest(message, param="stream_options")
    for name in ("tool_choice", "parallel_tool_calls"):
        if request.tools is UNSET and getattr(request, name) is not UNSET:
            raise BadRequest(f"'{name}' is only allowed when 'tools' are specified.", param=name)


def _check_assistants(messages: Sequence[_Message]) -> None:
    for index, message in enumerate(messages):
        if not isinstance(message, _Assistant) or message.tool_calls or message.refusal or message.audio:
            continue
        if message.content is None:
            param = f"messages.[{index}].content"
            raise BadRequest("Invalid value for 'content': expected a string, got null.", param=param)


def _check_order(messages: Sequence[_Message]) -> None:
    open_calls: list[str] = []
    for index, message in enumerate(messages):
        if isinstance(message, _Tool):
            _close_call(open_calls, message.tool_call_id, param=f"messages.[{index}].role")
            continue
        _check_answered(open_calls, param=f"messages.[{index}].role")
        if isinstance(message, _Assistant):
            open_calls = [call.id for call in message.tool_calls or ()]
    _check_answered(open_calls, param="messages")


def _close_call(open_calls: list[str], call_id: str, *, param: str) -> None:
    if call_id not in open_calls:
        message = (
            "Invalid parameter: messages with role 'tool' must be a response to a preceding message with 'tool_calls'; "
            f"no unanswered call has the id '{call_id}'."
        )
        raise BadRequest(message, param=param)
    open_calls.remove(call_id)


def _check_answered(open_calls: Sequence[str], *, param: str) -> None:
    if open_calls:
        message = (
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. The following tool_call_ids did not have response messages: {', '.join(open_calls)}"
        )
        raise BadRequest(message, param=param)


def _check_function(function: _Function, *, param: str) -> None:
    if problem := schema_problem(function.parameters, is_strict=bool(function.strict)):
        message = f"Invalid schema for function '{function.name}': {problem}"
        raise BadRequest(message, param=param, code="invalid_function_parameters")


def schema_problem(parameters: dict[str, object] | None, *, is_strict: bool) -> str | None:
    """Return the service's objection to the schema of a function's parameters; None if it has none."""
    if parameters is None:
        return None
    if parameters.get("type") != "object":
        got = json.dumps(parameters.get("type"))
        return f"schema must be a JSON Schema of 'type: \"object\"', got 'type: {got}'."
    return next(_schema_problems(parameters, is_strict=is_strict), None)


def _schema_problems(schema: dict[str, object], *, is_strict: bool) -> Iterator[str]:
    for path, part in _subschemas(schema, ()):
        if part.get("type") == "array" and not part.keys() & {"items", "prefixItems"}:
            yield f"In context={path}, array schema missing items."
        if not is_strict or part.get("type") != "object":
            continue
        if part.get("additionalProperties") is not False:
            yield f"In context={path}, 'additionalProperties' is required to be supplied and to be false."
        if set(_named(part, "properties")) != set(cast("list[str]", part.get("required", []))):
            yield f"In context={path}, 'required' is required to be supplied and to name every key in properties."


def _subschemas(part: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, object]]]:
    if not isinstance(part, dict):
        return
    schema = cast("dict[str, object]", part)
    yield path, schema
    for keyword in ("properties", "$defs", "definitions"):
        for name, inner in _named(schema, keyword).items():
            yield from _subschemas(inner, (*path, keyword, name))
    for keyword in ("items", "additionalProperties", "not"):
        yield from _subschemas(schema.get(keyword), (*path, keyword))
    for keyword in ("anyOf", "allOf", "oneOf", "prefixItems"):
        parts = schema.get(keyword)
        for index, inner in enumerate(cast("list[object]", parts) if isinstance(parts, list) else ()):
            yield from _subschemas(inner, (*path, keyword, str(index)))


def _named(schema: dict[str, object], keyword: str) -> dict[str, object]:
    named = schema.get(keyword)
    return cast("dict[str, object]", named) if isinstance(named, dict) else {}
