"""The arguments for `responses.create`: input, tools, the thread, and the caller's options."""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any, cast
from uuid import uuid4

from openai.resources.responses import AsyncResponses

from recuerda.agent.chat import ChatRequest
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError
from recuerda.json_value import JsonObject
from recuerda.openai.responses_input import input_items
from recuerda.openai.text import mend_text

OWN_ARGUMENTS = frozenset(
    {"input", "instructions", "stream", "tools", "store", "conversation", "previous_response_id", "background"}
)
"""The arguments that the client sets itself, and that no option may set."""

ENCRYPTED_REASONING = "reasoning.encrypted_content"


def response_arguments(
    request: ChatRequest, *, model_id: str, store: bool, service_thread_id: str | None, is_streamed: bool = False
) -> dict[str, Any]:
    """Return the arguments of `responses.create`.

    Args:
        request: the messages, the tools and the options.
        model_id: the model, unless an option names another.
        store: whether the service keeps the answer.
        service_thread_id: the conversation or the response to continue from; None to begin.
        is_streamed: whether to ask for a stream.

    Raises:
        ConfigurationError: an option is one that the client sets itself.
    """
    if own := sorted(OWN_ARGUMENTS & request.options.keys()):
        raise ConfigurationError(f"these options are set by the chat client itself: {', '.join(own)}")
    arguments: dict[str, Any] = {
        "model": model_id,
        "input": input_items(request.messages, is_continued=service_thread_id is not None),
        "store": store,
        # With the key, a service adds to a conversation once, even if a broken connection makes the SDK send it again.
        "extra_headers": {"Idempotency-Key": uuid4().hex},
    }
    if request.instructions:
        arguments["instructions"] = mend_text(request.instructions)
    _add_options(arguments, request)
    if not store:
        arguments["include"] = list(dict.fromkeys([*(arguments.get("include") or []), ENCRYPTED_REASONING]))
    if service_thread_id is not None:
        arguments["conversation" if is_conversation(service_thread_id) else "previous_response_id"] = service_thread_id
    if is_streamed:
        arguments["stream"] = True
    return arguments


def is_conversation(service_thread_id: str) -> bool:
    """Whether an id is a conversation's. Otherwise it is the id of a chain's newest response."""
    return service_thread_id.startswith("conv_")


def _add_options(arguments: dict[str, Any], request: ChatRequest) -> None:
    others: dict[str, Any] = {}
    for name, value in request.options.items():
        if name == "extra_headers":
            arguments[name] = {**arguments[name], **cast("dict[str, Any]", value or {})}
        else:
            (arguments if name in _sdk_arguments() else others)[name] = value
    if others:
        arguments["extra_body"] = {**others, **(arguments.get("extra_body") or {})}
    if not request.tools:  # without tools, the service refuses settings about them
        arguments.pop("tool_choice", None)
        arguments.pop("parallel_tool_calls", None)
        return
    arguments["tools"] = [_tool(tool) for tool in request.tools]
    if not request.may_call_tools:
        arguments["tool_choice"] = "none"


def _tool(tool: FunctionTool) -> JsonObject:
    # By default this API is strict and refuses optional parameters.
    function: JsonObject = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": False}
    return {**function, "description": tool.description} if tool.description else function


@cache
def _sdk_arguments() -> frozenset[str]:
    return frozenset(inspect.signature(AsyncResponses.create).parameters) - {"self"}
