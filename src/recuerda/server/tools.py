"""The tools of a request: functions, namespaces of functions, and the tools that run at OpenAI.

A chat-completions server knows functions only. The functions of a namespace are sent to it under names that begin with
the namespace; its calls come back to the client with the name and the namespace apart. A tool that runs at OpenAI, such
as a web search, cannot be offered to the model. `HostedTools` says what happens to it.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, TypeAlias

import msgspec

from recuerda.json_value import JsonObject
from recuerda.server.faults import bad_request
from recuerda.server.requests import AllowedTools, CreateResponse, FunctionChoice, FunctionTool, Item, convert

HostedTools: TypeAlias = Literal["auto", "ignore", "refuse"]
"""The ways to treat a tool that runs at OpenAI.

"refuse" refuses the request with status 400. "ignore" leaves the tool out, and the response names it in its metadata.
"auto" leaves it out if the request has functions as well, and refuses the request otherwise.
"""

IGNORED = "ignored_tools"
"""The key in a response's metadata for the types of the tools that were left out."""

_MAX_NAME = 64
_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9_-]")


class Namespace(msgspec.Struct, frozen=True):
    """A named group of functions."""

    name: str
    tools: list[Item]
    type: Literal["namespace"] = "namespace"


class Offered(msgspec.Struct, frozen=True):
    """A function as the model is offered it."""

    name: str
    description: str
    parameters: dict[str, Any]
    wire: JsonObject


class Tools(msgspec.Struct, frozen=True):
    """The tools of a request.

    Attributes:
        offered: the functions, under the names that the model gets.
        shown: the tools as the response shows them.
        fields: the fields of a call that name its function, by the name that the model gets.
        ignored: the types of the tools that were left out.
        allowed: the names of the functions that the model may call; None if it may call all of them.
    """

    offered: Sequence[Offered] = ()
    shown: Sequence[Item] = ()
    fields: Mapping[str, Item] = {}
    ignored: Sequence[str] = ()
    allowed: Sequence[str] | None = None


def tools_of(request: CreateResponse, hosted: HostedTools) -> Tools:
    """Return the tools of a request.

    Raises:
        ApiFault: a tool is invalid or cannot be offered, or `tool_choice` names a function that is not there.
    """
    offered: list[Offered] = []
    shown: list[Item] = []
    fields: dict[str, Item] = {}
    others: dict[str, str] = {}
    for path, namespace, tool in _listed(request.tools or ()):
        if tool.get("type") == "namespace":
            shown.append(tool)
        elif tool.get("type") == "function":
            function = convert(tool, FunctionTool, at=path)
            if namespace is None:
                shown.append(msgspec.to_builtins(function))
            name = wire_name(function.name, namespace)
            if name in fields and namespace is not None:
                raise bad_request(f"Two functions are called '{name}'.", param=f"{path}.name")
            fields[name] = named_fields(function.name, namespace)
            offered.append(_offered(function, name))
        else:
            others.setdefault(_type_of(tool, path), path)
    _check_hosted(others, hosted, has_functions=bool(offered))
    _check_choice(request, fields)
    allowed = _allowed(request.tool_choice, fields) if isinstance(request.tool_choice, AllowedTools) else None
    return Tools(offered, shown, fields, tuple(others), allowed)


def _offered(tool: FunctionTool, name: str) -> Offered:
    given = {"description": tool.description, "parameters": tool.parameters, "strict": tool.strict}
    function: JsonObject = {"name": name, **{field: value for field, value in given.items() if value is not None}}
    wire: JsonObject = {"type": "function", "function": function}
    return Offered(name, tool.description or "", tool.parameters or {}, wire)


def wire_name(name: str, namespace: str | None) -> str:
    """Return the name under which the model gets a function. It is the same in every request."""
    if namespace is None:
        return name
    whole = _NOT_IN_NAME.sub("_", f"{namespace}__{name}")
    if len(whole) <= _MAX_NAME:
        return whole
    return f"{whole[: _MAX_NAME - 9]}_{hashlib.sha256(f'{namespace}__{name}'.encode()).hexdigest()[:8]}"


def named_fields(name: str, namespace: str | None) -> Item:
    """Return the fields of a call that name its function."""
    return {"name": name} if namespace is None else {"name": name, "namespace": namespace}


def _listed(tools: Sequence[Item]) -> list[tuple[str, str | None, Item]]:
    """Return each tool with its path and its namespace; a namespace comes before its own tools."""
    listed: list[tuple[str, str | None, Item]] = []
    for index, tool in enumerate(tools):
        path = f"tools[{index}]"
        listed.append((path, None, tool))
        if tool.get("type") == "namespace":
            group = convert(tool, Namespace, at=path)
            listed += [(f"{path}.tools[{number}]", group.name, inner) for number, inner in enumerate(group.tools)]
    return listed


def _type_of(tool: Item, path: str) -> str:
    kind = tool.get("type")
    if not isinstance(kind, str) or not kind:
        raise bad_request(f"Missing required parameter: '{path}.type'.", param=f"{path}.type")
    return kind[:60]


def _check_hosted(others: Mapping[str, str], hosted: HostedTools, *, has_functions: bool) -> None:
    if not others or hosted == "ignore" or (hosted == "auto" and has_functions):
        return
    kind, path = next(iter(others.items()))
    raise bad_request(
        f"Tools of type '{kind}' are not supported: this server runs no tools, and its model knows functions only. "
        "Leave the tool out. With --hosted-tools=ignore, the server leaves such tools out itself.",
        param=f"{path}.type",
        code="unsupported_value",
    )


def _check_choice(request: CreateResponse, fields: Mapping[str, Item]) -> None:
    choice = request.tool_choice
    if choice == "required" and not fields:
        raise bad_request("'tool_choice' is 'required', and 'tools' has no function.", param="tool_choice")
    if isinstance(choice, FunctionChoice) and not chosen_names(choice, fields):
        message = f"The function '{choice.name[:64]}' of 'tool_choice' is not in 'tools'."
        raise bad_request(message, param="tool_choice")


def _allowed(choice: AllowedTools, fields: Mapping[str, Item]) -> list[str]:
    """Return the names of the functions that a request allows. Tools that were left out cannot be called anyway.

    Raises:
        ApiFault: a function is not in `tools`, or no function is allowed and the model must call one.
    """
    allowed: list[str] = []
    for index, tool in enumerate(choice.tools):
        path = f"tool_choice.tools[{index}]"
        kind = _type_of(tool, path)
        if kind == "function":
            names = chosen_names(convert(tool, FunctionChoice, at=path), fields)
            if not names:
                message = f"The function '{str(tool['name'])[:64]}' of 'tool_choice' is not in 'tools'."
                raise bad_request(message, param=f"{path}.name")
            allowed += names
        elif kind == "namespace":
            allowed += [name for name, given in fields.items() if given.get("namespace") == tool.get("name")]
    if not allowed and choice.mode == "required":
        raise bad_request("'tool_choice' requires a call, and it allows no function.", param="tool_choice.tools")
    return list(dict.fromkeys(allowed))


def chosen_names(choice: FunctionChoice, fields: Mapping[str, Item]) -> list[str]:
    """Return the names that the model has for the function that a request chooses."""
    wanted: dict[str, Any] = named_fields(choice.name, choice.namespace)
    return [name for name, given in fields.items() if wanted.items() <= given.items()]
