"""The arguments for `responses.create`: input, tools, the thread, and the caller's options."""

from __future__ import annotations

from functools import cache
from typing import Any
from uuid import uuid4

from openai.resources.responses import AsyncResponses

from recuerda.agent.chat import ChatRequest
from recuerda.agent.tools import FunctionTool
from recuerda.json_value import JsonObject
from recuerda.openai.input_parts import labelled
from recuerda.openai.options import add_options, add_tools, argument_names, check_options, json_schema
from recuerda.openai.responses_input import input_items
from recuerda.openai.text import mend_text

OWN_ARGUMENTS = frozenset(
    {"input", "instructions", "stream", "tools", "store", "conversation", "previous_response_id", "background"}
)
"""The arguments that only the client sets. An option must not set them."""

ENCRYPTED_REASONING = "reasoning.encrypted_content"


def response_arguments(
    request: ChatRequest, *, model_id: str, store: bool, service_thread_id: str | None, is_streamed: bool = False
) -> dict[str, Any]:
    """Return the arguments of `responses.create`.

    Args:
        request: the messages, the tools and the options.
        model_id: the model, unless an option names another.
        store: True if the service keeps the answer.
        service_thread_id: the conversation or the response to continue from; None to begin.
        is_streamed: True to ask for a stream.

    Raises:
        ConfigurationError: an option is an argument that only the client sets.
    """
    check_options(request.options, own=OWN_ARGUMENTS)
    messages = request.messages
    if request.is_temporary:
        # A thread that the service keeps is read back, and must then equal its mirror, so it has no labels.
        messages = [labelled(message, request.agent_name) for message in messages]
    arguments: dict[str, Any] = {
        "model": model_id,
        "input": input_items(messages, is_continued=service_thread_id is not None),
        "store": store,
    }
    if request.instructions:
        arguments["instructions"] = mend_text(request.instructions)
    add_options(arguments, request.options, known=_sdk_arguments())
    if request.output is not None:
        form = {"type": "json_schema", **json_schema(request.output)}
        arguments["text"] = {**(arguments.get("text") or {}), "format": form}
    # With this key, the service adds the turn to a conversation once, even if the SDK sends the request again after a
    # broken connection.
    arguments["extra_headers"] = {"Idempotency-Key": uuid4().hex, **(arguments.get("extra_headers") or {})}
    add_tools(arguments, request, write=_tool)
    if not store:
        arguments["include"] = list(dict.fromkeys([*(arguments.get("include") or []), ENCRYPTED_REASONING]))
    if service_thread_id is not None:
        arguments["conversation" if is_conversation(service_thread_id) else "previous_response_id"] = service_thread_id
    if is_streamed:
        arguments["stream"] = True
    return arguments


def is_conversation(service_thread_id: str) -> bool:
    """Return whether an id is a conversation's. Otherwise it is the id of a chain's newest response."""
    return service_thread_id.startswith("conv_")


def _tool(tool: FunctionTool) -> JsonObject:
    # By default this API is strict and refuses optional parameters.
    function: JsonObject = {"type": "function", "name": tool.name, "parameters": tool.parameters, "strict": False}
    return {**function, "description": tool.description} if tool.description else function


@cache
def _sdk_arguments() -> frozenset[str]:
    return argument_names(AsyncResponses.create)
