"""The rules by which the real Responses endpoint refuses a request.

The rules are about the whole context: the items of the conversation or the chain, and the new input. The service
refuses a call without its output, an output without its call, and reasoning without the item that follows from it. A
conversation that holds one of these is refused until it is repaired. The error texts follow the service's own.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Annotated, Literal, TypeAlias, cast

from msgspec import UNSET, Meta, Struct, UnsetType

from recuerda.testing.openai_rules import schema_problem
from recuerda.testing.openai_script import JSONObject
from recuerda.testing.openai_wire import BadRequest, parse

__all__ = ["ENCRYPTED", "check_context", "check_items", "check_response_request"]

ENCRYPTED = "encrypted:"
"""The start of the scripted server's encrypted reasoning. Reasoning with another start comes from another service."""

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]
_MODEL_PARTS = ("output_text", "refusal")
_INPUT_PARTS = ("input_text", "input_image", "input_file")
_ID_PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fc", "reasoning": "rs"}
_HOSTED = re.compile(r"^(\w+_call(_output)?|compaction|item_reference|mcp_\w+|image_generation_call)$")


class _Message(Struct, forbid_unknown_fields=True):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[dict[str, object]]
    type: str = "message"
    id: _Id | UnsetType = UNSET
    status: Literal["in_progress", "completed", "incomplete"] | UnsetType = UNSET
    phase: Literal["commentary", "final_answer"] | UnsetType = UNSET


class _Call(Struct, forbid_unknown_fields=True):
    type: str
    call_id: _Id
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
    arguments: str
    id: _Id | UnsetType = UNSET
    status: Literal["in_progress", "completed", "incomplete"] | UnsetType = UNSET


class _Output(Struct, forbid_unknown_fields=True):
    type: str
    call_id: _Id
    output: str | list[dict[str, object]]
    id: _Id | None = None
    status: Literal["in_progress", "completed", "incomplete"] | UnsetType = UNSET


class _Text(Struct):
    type: str
    text: str


class _Reasoning(Struct, forbid_unknown_fields=True):
    type: str
    id: _Id
    summary: list[_Text]
    content: list[_Text] | UnsetType = UNSET
    encrypted_content: str | None = None


class _Tool(Struct):
    type: str
    name: Annotated[str, Meta(pattern=r"^[a-zA-Z0-9_-]{1,64}$")] | UnsetType = UNSET
    description: str | None = None
    parameters: dict[str, object] | None = None
    strict: bool | None = True


class _Request(Struct):
    input: str | list[dict[str, object]]
    instructions: str | None = None
    stream: bool | None = None
    store: bool | None = None
    include: list[str] | None = None
    tools: list[_Tool] = []
    tool_choice: object = UNSET


_SHAPES: dict[str, type[_Message | _Call | _Output | _Reasoning]] = {
    "message": _Message,
    "function_call": _Call,
    "function_call_output": _Output,
    "reasoning": _Reasoning,
}


def check_response_request(body: JSONObject) -> None:
    """Raise `BadRequest` for the first rule that a request breaks, without regard to the items before it."""
    request = parse(body, _Request)
    if isinstance(request.input, list):
        check_items(cast("list[JSONObject]", request.input), param="input")
    if request.tool_choice is not UNSET and not request.tools:
        raise BadRequest("Tool choice must be specified with 'tools' parameter.", param="tool_choice")
    for index, tool in enumerate(request.tools):
        if tool.type == "function":
            _check_function(tool, param=f"tools[{index}].parameters")


def check_items(items: Sequence[JSONObject], *, param: str) -> None:
    """Raise `BadRequest` for the first item whose shape the service refuses."""
    for index, item in enumerate(items):
        kind = str(item.get("type", "message"))
        where = f"{param}[{index}]"
        if kind not in _SHAPES:
            if not _HOSTED.match(kind):
                raise BadRequest(f"Invalid value: '{kind}'.", param=where, code="invalid_value")
            continue
        try:
            parse(item, _SHAPES[kind])
        except BadRequest as error:
            inner = error.failure.param
            text = error.failure.message
            raise BadRequest(text, param=f"{where}.{inner}" if inner else where, code="invalid_value") from error
        _check_id(item, kind, param=where)
        if kind == "message":
            _check_parts(item, param=where)


def check_context(kept: Sequence[JSONObject], given: Sequence[JSONObject], *, known_ids: Collection[str]) -> None:
    """Raise `BadRequest` for the first rule that the kept items and the new items break together.

    `known_ids` are the ids of the reasoning items that the service keeps and can look up.
    """
    context = [*kept, *given]
    ids = [item["id"] for item in context if item.get("id")]
    if twice := next((id for id in ids if ids.count(id) > 1), None):
        message = f"Duplicate item found with id {twice}. Remove duplicate items from your input and try again."
        raise BadRequest(message, param="input")
    _check_reasoning(given, known_ids=known_ids)
    _check_what_reasoning_leads_to(context)
    _check_calls(context)


def _check_calls(context: Sequence[JSONObject]) -> None:
    called: list[str] = []
    answered: list[str] = []
    for item in context:
        call_id = str(item.get("call_id"))
        if item.get("type") == "function_call":
            called.append(call_id)
        elif item.get("type") == "function_call_output":
            if call_id not in called:
                message = f"No tool call found for function call output with call_id {call_id}."
                raise BadRequest(message, param="input")
            answered.append(call_id)
    if missing := next((call_id for call_id in called if call_id not in answered), None):
        raise BadRequest(f"No tool output found for function call {missing}.", param="input")


def _check_reasoning(given: Sequence[JSONObject], *, known_ids: Collection[str]) -> None:
    for item in given:
        if item.get("type") != "reasoning":
            continue
        encrypted = item.get("encrypted_content")
        if encrypted is None and item["id"] not in known_ids:
            message = (
                f"Item with id '{item['id']}' not found. Items are not persisted when `store` is set to false. "
                "Try again with `store` set to true, or remove this item from your input."
            )
            raise BadRequest(message, param="input", status=404)
        if encrypted is not None and encrypted != f"{ENCRYPTED}{item['id']}":
            message = f"The encrypted content for item {item['id']} could not be verified."
            raise BadRequest(message, code="invalid_encrypted_content")


def _check_what_reasoning_leads_to(context: Sequence[JSONObject]) -> None:
    """Raise `BadRequest` for reasoning that no other item of the model follows."""
    for index, item in enumerate(context):
        following = context[index + 1] if index + 1 < len(context) else {}
        if item.get("type") == "reasoning" and not _is_models(following):
            message = f"Item '{item['id']}' of type 'reasoning' was provided without its required following item."
            raise BadRequest(message, param="input")


def _is_models(item: JSONObject) -> bool:
    is_users = item.get("role", "assistant") != "assistant" or item.get("type") == "function_call_output"
    return bool(item) and not is_users


def _check_id(item: JSONObject, kind: str, *, param: str) -> None:
    prefix = _ID_PREFIXES[kind]
    if (id := item.get("id")) and not str(id).startswith(f"{prefix}_"):
        message = f"Invalid '{param}.id': '{id}'. Expected an ID that begins with '{prefix}'."
        raise BadRequest(message, param=f"{param}.id", code="invalid_value")


def _check_parts(message: JSONObject, *, param: str) -> None:
    content = message["content"]
    if isinstance(content, str):
        return
    allowed = _MODEL_PARTS if message["role"] == "assistant" else _INPUT_PARTS
    for index, part in enumerate(cast("list[JSONObject]", content)):
        where = f"{param}.content[{index}]"
        if part.get("type") not in allowed:
            supported = " and ".join(f"'{name}'" for name in allowed)
            text = f"Invalid value: '{part.get('type')}'. Supported values are: {supported}."
            raise BadRequest(text, param=where, code="invalid_value")
        needed = {"refusal": "refusal", "input_image": "image_url", "input_file": ""}.get(str(part["type"]), "text")
        if needed and not isinstance(part.get(needed), str):
            raise BadRequest(f"Missing required parameter: '{where}.{needed}'.", param=f"{where}.{needed}")


def _check_function(tool: _Tool, *, param: str) -> None:
    if tool.name is UNSET:
        raise BadRequest("Missing required parameter: 'tools[0].name'.", param="tools[0].name")
    # Unlike chat completions, Responses are strict by default.
    if problem := schema_problem(tool.parameters, is_strict=tool.strict is not False):
        message = f"Invalid schema for function '{tool.name}': {problem}"
        raise BadRequest(message, param=param, code="invalid_function_parameters")
