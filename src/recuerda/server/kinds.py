"""The kinds of items that OpenAI's own tools make: the calls that a model's server can read, and all others.

A chat-completions server knows calls of functions only. So a call of another tool that the client runs, such as a
custom tool or a shell, is sent to it as a call of a function. The item itself comes back to clients unchanged. An item
of any other kind can be kept in a conversation. In the input of a response it is refused, because its sender would
believe that the model has read it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import msgspec

from recuerda.json_value import JsonObject
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.server.compacting import notes_in
from recuerda.server.faults import bad_request
from recuerda.server.requests import Item, convert

Output: TypeAlias = str | list[dict[str, Any]]


class _CustomCall(msgspec.Struct, frozen=True):
    call_id: str
    name: str
    input: str


class _ShellCall(msgspec.Struct, frozen=True):
    call_id: str
    action: dict[str, Any]


class _PatchCall(msgspec.Struct, frozen=True):
    call_id: str
    operation: dict[str, Any]


class _Output(msgspec.Struct, frozen=True):
    call_id: str
    output: Output


class _LocalOutput(msgspec.Struct, frozen=True):
    """The output of a local shell. OpenAI's types name the call in `id`, and its guides name it in `call_id`."""

    output: str
    call_id: str | None = None
    id: str | None = None


class _PatchOutput(msgspec.Struct, frozen=True):
    call_id: str
    status: str
    output: str | None = None


_OF_FUNCTIONS = ("message", "reasoning", "function_call", "function_call_output")
_SHAPES: dict[str, type[msgspec.Struct]] = {
    "custom_tool_call": _CustomCall,
    "custom_tool_call_output": _Output,
    "local_shell_call": _ShellCall,
    "local_shell_call_output": _LocalOutput,
    "shell_call": _ShellCall,
    "shell_call_output": _Output,
    "apply_patch_call": _PatchCall,
    "apply_patch_call_output": _PatchOutput,
}


def is_tool_item(kind: str) -> bool:
    """Return whether items of a kind are calls of a tool that the client runs, or outputs of such calls."""
    return kind in _SHAPES


def check_tool_item(item: Item, kind: str, *, at: str) -> None:
    """Check the values of a call of a tool, or of its output.

    Raises:
        ApiFault: a value is missing or has the wrong type.
    """
    convert(item, _SHAPES[kind], at=at)
    if kind == "local_shell_call_output" and not _call_id(item):
        raise bad_request(f"Missing required parameter: '{at}.call_id'.", param=f"{at}.call_id")


def check_readable(item: Item, *, at: str) -> None:
    """Check that the model can be given an item.

    Raises:
        ApiFault: the item has another kind, or holds notes that another service has sealed.
    """
    kind = item["type"]
    if kind not in _SHAPES and kind not in _OF_FUNCTIONS and notes_in(item) is None:
        raise bad_request(
            f"Items of type '{kind[:60]}' are not supported, because the model of this server cannot read them. "
            "Leave the item out.",
            param=f"{at}.type",
            code="unsupported_value",
        )


def tool_content(item: Item) -> FunctionCallContent | FunctionResultContent:
    """Return the call, or the output of a call, as the model is given it."""
    match item["type"]:
        case "custom_tool_call":
            arguments: JsonObject = {"input": item["input"]}
            return FunctionCallContent(item["call_id"], item["name"], _json(arguments))
        case "local_shell_call" | "shell_call":
            return FunctionCallContent(item["call_id"], item["type"].removesuffix("_call"), _json(item["action"]))
        case "apply_patch_call":
            return FunctionCallContent(item["call_id"], "apply_patch", _json(item["operation"]))
        case "apply_patch_call_output":
            return FunctionResultContent(item["call_id"], item.get("output") or item["status"])
        case _:
            return FunctionResultContent(_call_id(item), item["output"])


def _call_id(item: Item) -> str:
    return item.get("call_id") or item.get("id") or ""


def _json(value: JsonObject) -> str:
    return msgspec.json.encode(value).decode()
