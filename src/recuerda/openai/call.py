"""The arguments for `chat.completions.create`: messages, tools and the caller's options."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, cast

from openai.resources.chat.completions import AsyncCompletions

from recuerda.agent.chat import ChatRequest
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError
from recuerda.json_value import JsonObject
from recuerda.openai.wire import wire_messages

OWN_ARGUMENTS = frozenset({"messages", "stream", "tools", "n"})
"""The arguments that the client sets itself, and that no option may set."""


def call_arguments(request: ChatRequest, *, model_id: str, is_streamed: bool = False) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create`.

    Options that the SDK's method knows become its arguments. All others go into the request's body unchanged, for
    options that only some servers know.

    Raises:
        ConfigurationError: an option is one that the client sets itself.
    """
    if own := sorted(OWN_ARGUMENTS & request.options.keys()):
        raise ConfigurationError(f"these options are set by the chat client itself: {', '.join(own)}")
    messages = wire_messages(request.messages, instructions=request.instructions)
    arguments: dict[str, Any] = {"model": model_id, "messages": messages}
    others: dict[str, Any] = {}
    for name, value in request.options.items():
        (arguments if name in _sdk_arguments() else others)[name] = value
    if others:
        arguments["extra_body"] = {**others, **(arguments.get("extra_body") or {})}
    _add_tools(arguments, request.tools, may_call=request.may_call_tools)
    _add_streaming(arguments, is_streamed=is_streamed)
    return arguments


def _add_tools(arguments: dict[str, Any], tools: Sequence[FunctionTool], *, may_call: bool) -> None:
    if not tools:  # without tools, the service refuses settings about them
        arguments.pop("tool_choice", None)
        arguments.pop("parallel_tool_calls", None)
        return
    arguments["tools"] = [_tool(tool) for tool in tools]
    if not may_call:
        arguments["tool_choice"] = "none"


def _add_streaming(arguments: dict[str, Any], *, is_streamed: bool) -> None:
    """Ask a stream for its token usage, unless the option `stream_options` is None."""
    options = cast("Mapping[str, Any] | None", arguments.pop("stream_options", {}))
    if not is_streamed:
        return
    arguments["stream"] = True
    if options is not None:
        arguments["stream_options"] = {"include_usage": True, **options}


def _tool(tool: FunctionTool) -> JsonObject:
    function: JsonObject = {"name": tool.name, "parameters": tool.parameters}
    if tool.description:
        function["description"] = tool.description
    return {"type": "function", "function": function}


@cache
def _sdk_arguments() -> frozenset[str]:
    return frozenset(inspect.signature(AsyncCompletions.create).parameters) - {"self"}
