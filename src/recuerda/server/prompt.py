"""The body of a chat-completions call, made from a request and the conversation before it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, FunctionResultContent, Turn
from recuerda.openai.wire import wire_messages
from recuerda.server.faults import bad_request
from recuerda.server.requests import AllowedTools, CreateResponse, FunctionChoice, TextFormat, convert
from recuerda.server.tools import Tools, chosen_names
from recuerda.server.turns import merged_messages

LOGPROBS = "message.output_text.logprobs"
"""The value of `include` that asks for the log probabilities of the answer's tokens."""


def check_calls(history: Sequence[Turn], new: Turn) -> None:
    """Check that every call has a result and every result has a call. The model's server would refuse other requests.

    Raises:
        ApiFault: a call or a result stands alone; the message names it, as OpenAI's does.
    """
    open_calls: dict[str, None] = {}
    for turn in history:
        _follow(turn.messages, open_calls)
    for message in new.messages:
        for part in message.contents:
            if isinstance(part, FunctionResultContent) and part.call_id not in open_calls:
                raise bad_request(
                    f"No tool call found for function call output with call_id {part.call_id[:100]}.", param="input"
                )
        _follow([message], open_calls)
    if open_calls:
        raise bad_request(f"No tool output found for function call {next(iter(open_calls))[:100]}.", param="input")


def _follow(messages: Sequence[ChatMessage], open_calls: dict[str, None]) -> None:
    for message in messages:
        if isinstance(message.content, str):
            continue
        for call in message.function_calls:
            open_calls[call.call_id] = None
        for part in message.contents:
            if isinstance(part, FunctionResultContent):
                open_calls.pop(part.call_id, None)


def chat_body(
    request: CreateResponse, turns: Sequence[Turn], tools: Tools, *, model: str, is_openai: bool
) -> JsonObject:
    """Return the body of the call.

    Args:
        request: the client's request.
        turns: the turns that the model reads; the last turn is the request's input.
        tools: the tools of the request.
        model: the model's name.
        is_openai: True if the model's server is OpenAI's. Other servers know only the older name of the token limit.
    """
    body: dict[str, Any] = {"model": model, "messages": _messages(turns, request.instructions)}
    limit = "max_completion_tokens" if is_openai else "max_tokens"
    settings: dict[str, Any] = {
        limit: request.max_output_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
        "user": request.user,
        "safety_identifier": request.safety_identifier,
        "prompt_cache_key": request.prompt_cache_key,
        "service_tier": request.service_tier,
        "reasoning_effort": None if request.reasoning is None else request.reasoning.effort,
        "verbosity": None if request.text is None else request.text.verbosity,
        "response_format": None if request.text is None else _format(request.text.format),
    }
    if offered := _offered(tools, is_openai=is_openai):
        settings["tools"] = offered
        settings["tool_choice"] = _choice(request.tool_choice, tools, is_openai=is_openai)
        settings["parallel_tool_calls"] = request.parallel_tool_calls
    body |= {name: value for name, value in settings.items() if value is not None}
    if LOGPROBS in (request.include or ()) or request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs or 0}
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def with_known_format(request: CreateResponse, kept: Iterable[JsonObject]) -> CreateResponse:
    """Return the request with the whole format if it only names a format of an earlier response.

    Args:
        request: the client's request.
        kept: the fields that were kept of the responses before; the newest first.
    """
    text = request.text
    if text is None or text.format is None or text.format.type != "json_schema" or text.format.schema is not None:
        return request
    for response in kept:
        known = _format_in(response)
        if known is not None and known.schema is not None and known.name == text.format.name:
            return replace(request, text=replace(text, format=known))
    return request


def _format_in(kept: JsonObject) -> TextFormat | None:
    text = kept.get("text")
    return convert(text.get("format"), TextFormat) if isinstance(text, dict) and text.get("format") else None


def _messages(turns: Sequence[Turn], instructions: str | None) -> list[JsonObject]:
    wire = wire_messages(merged_messages(turns), instructions=instructions)
    for message in wire:
        if message["role"] == "developer":  # only OpenAI knows this role, and treats it as "system"
            message["role"] = "system"
    return wire


def _offered(tools: Tools, *, is_openai: bool) -> list[JsonObject]:
    """Return the tools for the model. Only OpenAI's server can be given tools that the model may not call."""
    is_limited = tools.allowed is not None and not (is_openai and tools.allowed)
    return [tool.wire for tool in tools.offered if not is_limited or tool.name in (tools.allowed or ())]


def _choice(
    choice: str | FunctionChoice | AllowedTools | None, tools: Tools, *, is_openai: bool
) -> str | JsonObject | None:
    match choice:
        case FunctionChoice():
            return _function(chosen_names(choice, tools.fields)[0])
        case AllowedTools(mode=mode):
            # OpenAI's server keeps its cache of the prompt, because the list of tools stays the same.
            allowed: JsonObject = {"mode": mode, "tools": [_function(name) for name in tools.allowed or ()]}
            return {"type": "allowed_tools", "allowed_tools": allowed} if is_openai and tools.allowed else mode
        case _:
            return choice


def _function(name: str) -> JsonObject:
    return {"type": "function", "function": {"name": name}}


def _format(form: TextFormat | None) -> JsonObject | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    if not form.name:
        param = "text.format.name"
        raise bad_request(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    if form.schema is None:
        message = (
            f"Missing required parameter: 'text.format.schema'. No response before has a format '{form.name[:64]}'."
        )
        raise bad_request(message, param="text.format.schema", code="missing_required_parameter")
    kept: JsonObject = msgspec.to_builtins(form)
    schema: JsonObject = {name: value for name, value in kept.items() if name != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}
