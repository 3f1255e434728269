"""Pairs of calls and results: OpenAI's interfaces refuse a call without its result and a result without its call.

A service refuses the whole conversation for one call or result that stands alone, so the thread could never be used
again. Therefore calls and results without a partner are left out.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from typing import TypeVar

from recuerda.json_value import to_json
from recuerda.messages.message import ChatMessage, FunctionCallContent, FunctionResultContent
from recuerda.openai.text import mend_text

CallOrResult = TypeVar("CallOrResult", FunctionCallContent, FunctionResultContent)

_MAX_CALL_ID_LENGTH = 40
_MAX_NAME_LENGTH = 64
_NOT_IN_FUNCTION_NAME = re.compile(r"[^a-zA-Z0-9_-]")


def results_after(messages: Sequence[ChatMessage], index: int) -> list[FunctionResultContent]:
    """Return the results between an assistant's message and the next assistant's message."""
    results: list[FunctionResultContent] = []
    for i in range(index, len(messages)):
        if i > index and messages[i].role == "assistant":
            break
        results.extend(part for part in messages[i].contents if isinstance(part, FunctionResultContent))
    return results


def matching(
    items: Sequence[CallOrResult], others: Sequence[FunctionCallContent] | Sequence[FunctionResultContent]
) -> list[CallOrResult]:
    """Return the items of one list that have a partner with the same id in the other list.

    Each partner is used once.
    """
    partners = [other.call_id for other in others]
    found: list[CallOrResult] = []
    for item in items:
        if item.call_id in partners:
            partners.remove(item.call_id)
            found.append(item)
    return found


def short_call_id(call_id: str, *, max_length: int = _MAX_CALL_ID_LENGTH) -> str:
    """Return the call's id. An id from another service that is too long for this service is replaced by its hash."""
    if 1 <= len(call_id) <= max_length:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode(errors='replace')).hexdigest()[:32]}"


def function_name(call: FunctionCallContent) -> str:
    """Return the function's name with only the characters that the service allows.

    A model may invent a name such as "functions.add". It gets an error as the result, but the service would refuse the
    name in the history.
    """
    return _NOT_IN_FUNCTION_NAME.sub("_", call.name)[:_MAX_NAME_LENGTH] or "_"


def arguments_text(call: FunctionCallContent) -> str:
    """Return the arguments as JSON text; text that the model wrote stays unchanged."""
    arguments = call.arguments if isinstance(call.arguments, str) else _json_text(call.arguments)
    return mend_text(arguments) or "{}"


def result_text(result: FunctionResultContent) -> str:
    """Return the text of a result for the model. The text of a failed call begins with "Error"."""
    text = mend_text(result.result) if isinstance(result.result, str) else _json_text(result.result)
    return f"Error: {text}" if result.is_error and not text.startswith("Error") else text


def _json_text(value: object) -> str:
    return json.dumps(to_json(value, "a value of a function call"), ensure_ascii=False, separators=(",", ":"))
