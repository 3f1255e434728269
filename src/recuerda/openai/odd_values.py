"""Values of the wrong type in chat completions, as some servers and gateways send them, put right.

Only a completion that cannot be read as it is comes here. A value without meaning is left out; a value that is another
form of the right one is converted. What remains wrong is refused by the reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias, cast

from recuerda.json_value import JsonObject

Change: TypeAlias = Callable[[Any], Any]


def mended(completion: Any) -> Any:
    """Return a completion or a chunk, decoded from JSON, with values of the right types where they can be told."""
    return _changed(
        completion,
        {"id": _text, "model": _text, "service_tier": _text, "usage": _usage, "choices": _each(_choice)},
    )


def _changed(fields: Any, changes: Mapping[str, Change]) -> Any:
    """Return an object with changes of the fields that it has. Any other value is left to the reader."""
    if not isinstance(fields, dict):
        return fields
    made = dict(cast("JsonObject", fields))
    for name, change in changes.items():
        if made.get(name) is not None:
            made[name] = change(made[name])
    return made


def _each(change: Change) -> Change:
    """Return the change of a list, for which a server may have sent its only element."""
    return lambda value: [change(one) for one in (cast("list[Any]", value) if isinstance(value, list) else [value])]


def _choice(choice: Any) -> Any:
    return _changed(choice, {"index": _number, "delta": _message, "message": _message})


def _message(message: Any) -> Any:
    return _changed(
        message,
        {"refusal": lambda value: value or None, "tool_calls": _each(_call), "function_call": _function},
    )


def _call(call: Any) -> Any:
    return _changed(call, {"id": _text, "index": _number, "function": _function})


def _function(function: Any) -> Any:
    """Return a function whose arguments are an object: gateways in PHP send an empty object as an empty list."""
    fields = cast("JsonObject", function) if isinstance(function, dict) else {}
    return {**fields, "arguments": {}} if fields.get("arguments") == [] else cast("object", function)


def _usage(usage: Any) -> Any:
    """Return the token usage. What cannot be read of it is left out, because the answer is worth more."""
    if not isinstance(usage, dict):
        return None
    made: dict[str, Any] = {}
    for name, value in cast("JsonObject", usage).items():
        made[name] = _usage(value) if name.endswith("_details") else _number(value)
    return made


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) else None


def _number(value: Any) -> int | None:
    try:
        return int(float(value)) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None
