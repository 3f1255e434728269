"""The arguments and the results of calls, in the forms that other programs use."""

from __future__ import annotations

from typing import Any

import msgspec

from recuerda.json_value import JsonObject
from recuerda.messages.message import FunctionCallContent, FunctionResultContent


def arguments_of(call: FunctionCallContent) -> JsonObject:
    """Return the arguments of a call as an object. A text that is no object becomes `{"arguments": text}`."""
    if isinstance(call.arguments, dict):
        return call.arguments
    try:
        return msgspec.json.decode(call.arguments, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {"arguments": call.arguments}


def text_of_arguments(call: FunctionCallContent) -> str:
    """Return the arguments of a call as JSON text."""
    return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()


def text_of_result(result: FunctionResultContent) -> str:
    """Return the result of a call as text: the text itself, or JSON."""
    return result.result if isinstance(result.result, str) else msgspec.json.encode(result.result).decode()


def shown_json(value: object) -> str:
    """Return a value for people to read: a text itself, or JSON on several lines."""
    return value if isinstance(value, str) else msgspec.json.format(msgspec.json.encode(value)).decode()
