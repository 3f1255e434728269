"""The arguments for `chat.completions.create`: messages, tools and the caller's options."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, cast

from openai.resources.chat.completions import AsyncCompletions

from recuerda.agent.chat import ChatRequest
from recuerda.agent.tools import FunctionTool
from recuerda.json_value import JsonObject
from recuerda.openai.options import add_options, add_tools, argument_names, check_options, json_schema
from recuerda.openai.wire import wire_messages

OWN_ARGUMENTS = frozenset({"messages", "stream", "tools", "n"})
"""The arguments that only the client sets. An option must not set them."""


def call_arguments(request: ChatRequest, *, model_id: str, is_streamed: bool = False) -> dict[str, Any]:
    """Return the arguments of `chat.completions.create`.

    Raises:
        ConfigurationError: an option is an argument that only the client sets.
    """
    check_options(request.options, own=OWN_ARGUMENTS)
    messages = wire_messages(request.messages, instructions=request.instructions, agent_name=request.agent_name)
    arguments: dict[str, Any] = {"model": model_id, "messages": messages}
    add_options(arguments, request.options, known=_sdk_arguments())
    if request.output is not None:
        arguments["response_format"] = {"type": "json_schema", "json_schema": json_schema(request.output)}
    add_tools(arguments, request, write=_tool)
    _add_streaming(arguments, is_streamed=is_streamed)
    return arguments


def is_about_stream_options(status: int, text: str) -> bool:
    """Return whether a server's refusal is about `stream_options`, which older servers do not know."""
    return status in (400, 422) and "stream_options" in text


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
    return argument_names(AsyncCompletions.create)
