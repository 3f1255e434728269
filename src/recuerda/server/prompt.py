"""The body of a chat-completions call, made from a request and the conversation before it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from recuerda.json_value import JsonObject
from recuerda.messages.message import ChatMessage, FunctionResultContent, Turn
from recuerda.openai.wire import wire_messages
from recuerda.server.faults import bad_request
from recuerda.server.requests import CreateResponse, FunctionChoice, TextFormat
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
    if tools.offered:
        settings["tools"] = [tool.wire for tool in tools.offered]
        settings["tool_choice"] = _choice(request.tool_choice, tools)
        settings["parallel_tool_calls"] = request.parallel_tool_calls
    body |= {name: value for name, value in settings.items() if value is not None}
    if LOGPROBS in (request.include or ()) or request.top_logprobs:
        body |= {"logprobs": True, "top_logprobs": request.top_logprobs or 0}
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return body


def _messages(turns: Sequence[Turn], instructions: str | None) -> list[JsonObject]:
    wire = wire_messages(merged_messages(turns), instructions=instructions)
    for message in wire:
        if message["role"] == "developer":  # only OpenAI knows this role, and treats it as "system"
            message["role"] = "system"
    return wire


def _choice(choice: str | FunctionChoice | None, tools: Tools) -> str | JsonObject | None:
    if isinstance(choice, FunctionChoice):
        return {"type": "function", "function": {"name": chosen_names(choice, tools.fields)[0]}}
    return choice


def _format(form: TextFormat | None) -> JsonObject | None:
    if form is None or form.type == "text":
        return None
    if form.type == "json_object":
        return {"type": "json_object"}
    if form.schema is None or not form.name:
        param = "text.format.schema" if form.schema is None else "text.format.name"
        raise bad_request(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")
    kept: JsonObject = msgspec.to_builtins(form)
    schema: JsonObject = {name: value for name, value in kept.items() if name != "type" and value is not None}
    return {"type": "json_schema", "json_schema": schema}
