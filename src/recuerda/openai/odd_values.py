"""Values of the wrong type in chat completions, as some servers and gateways send them, put right.

Only a completion that cannot be read as it is comes here. A value without meaning is left out; a value that is another
form of the right one is converted. What remains wrong is refused by the reader.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from recuerda.json_value import JsonObject


def mended(completion: Any) -> Any:
    """Return a completion or a chunk, decoded from JSON, with values of the right types where they can be told."""
    if not isinstance(completion, dict):
        return completion
    made = dict(cast("JsonObject", completion))
    for name in ("id", "model", "service_tier"):
        _replace(made, name, _text)
    _replace(made, "usage", _usage)
    _replace(made, "choices", lambda value: [_choice(each) for each in _listed(value)])
    return made


def _choice(choice: Any) -> Any:
    if not isinstance(choice, dict):
        return choice
    made = dict(cast("JsonObject", choice))
    _replace(made, "index", _number)
    _replace(made, "delta", _message)
    _replace(made, "message", _message)
    return made


def _message(message: Any) -> Any:
    if not isinstance(message, dict):
        return message
    made = dict(cast("JsonObject", message))
    _replace(made, "refusal", lambda value: value or None)
    _replace(made, "tool_calls", lambda value: [_call(each) for each in _listed(value)])
    _replace(made, "function_call", _function)
    return made


def _call(call: Any) -> Any:
    if not isinstance(call, dict):
        return call
    made = dict(cast("JsonObject", call))
    _replace(made, "id", _text)
    _replace(made, "index", _number)
    _replace(made, "function", _function)
    return made


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


def _replace(fields: dict[str, Any], name: str, change: Callable[[Any], Any]) -> None:
    if fields.get(name) is not None:
        fields[name] = change(fields[name])


def _listed(value: Any) -> list[Any]:
    return cast("list[Any]", value) if isinstance(value, list) else [value]


def _text(value: Any) -> str | None:
    return str(value) if isinstance(value, str | int | float) else None


def _number(value: Any) -> int | None:
    try:
        return int(float(value)) if isinstance(value, str | int | float) else None
    except (ValueError, OverflowError):
        return None
