"""The caller's options and tools, as arguments of a method of the SDK."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping
from typing import Any

from recuerda.agent.chat import ChatRequest, OutputSchema
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError
from recuerda.json_value import JsonObject
from recuerda.openai.strict_schema import strict_schema


def argument_names(method: Callable[..., object]) -> frozenset[str]:
    """Return the names of a method's arguments."""
    return frozenset(inspect.signature(method).parameters) - {"self"}


def check_options(options: Mapping[str, Any], *, own: Collection[str]) -> None:
    """Check that no option is an argument that only the client sets.

    Raises:
        ConfigurationError: an option is such an argument; the error names it.
    """
    if found := sorted(options.keys() & set(own)):
        raise ConfigurationError(f"the chat client sets these options itself: {', '.join(found)}. Leave them out.")


def add_options(arguments: dict[str, Any], options: Mapping[str, Any], *, known: Collection[str]) -> None:
    """Add options to the arguments of a call.

    Options that the SDK knows become arguments. All other options go into the request's body unchanged, because some
    servers have options of their own.
    """
    others = {name: value for name, value in options.items() if name not in known}
    arguments |= {name: value for name, value in options.items() if name in known}
    if others:
        arguments["extra_body"] = {**others, **(arguments.get("extra_body") or {})}


def json_schema(output: OutputSchema) -> JsonObject:
    """Return the name and the schema of an answer's form, strict if the service's strict mode can say the schema."""
    strict = strict_schema(output.schema)
    return {"name": output.name, "schema": output.schema if strict is None else strict, "strict": strict is not None}


def add_tools(arguments: dict[str, Any], request: ChatRequest, *, write: Callable[[FunctionTool], JsonObject]) -> None:
    """Add the tools of a request, as `write` returns them.

    Without tools, options about tools are left out, because the service would refuse them.
    """
    if not request.tools:
        arguments.pop("tool_choice", None)
        arguments.pop("parallel_tool_calls", None)
        return
    arguments["tools"] = [write(tool) for tool in request.tools]
    if not request.may_call_tools:
        arguments["tool_choice"] = "none"
