"""Calls and their results, as every interface of OpenAI wants them: none without the other.

A service refuses a whole conversation for one that is alone, and a thread that it refuses once would be refused for
ever. So a call that nobody answered and a result that nobody asked for are left out.
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
    """Return the results that stand between an assistant's message and the next one of it."""
    results: list[FunctionResultContent] = []
    for i in range(index, len(messages)):
        if i > index and messages[i].role == "assistant":
            break
        results.extend(part for part in messages[i].contents if isinstance(part, FunctionResultContent))
    return results


def matching(
    items: Sequence[CallOrResult], others: Sequence[FunctionCallContent] | Sequence[FunctionResultContent]
) -> list[CallOrResult]:
    """Return the items that have a partner of the same id among the others; a partner has one partner."""
    partners = [other.call_id for other in others]
    found: list[CallOrResult] = []
    for item in items:
        if item.call_id in partners:
            partners.remove(item.call_id)
            found.append(item)
    return found


def short_call_id(call_id: str, *, max_length: int = _MAX_CALL_ID_LENGTH) -> str:
    """Return the id, or a short one made of it where it is another service's and too long for this one."""
    if 1 <= len(call_id) <= max_length:
        return call_id
    return f"call_{hashlib.sha256(call_id.encode(errors='replace')).hexdigest()[:32]}"


def function_name(call: FunctionCallContent) -> str:
    """Return the name as the service takes it.

    A model that made up a name such as "functions.add" was told so; the service would refuse to hear it again.
    """
    return _NOT_IN_FUNCTION_NAME.sub("_", call.name)[:_MAX_NAME_LENGTH] or "_"


def arguments_text(call: FunctionCallContent) -> str:
    """Return the arguments as the model wrote them, or as JSON."""
    arguments = call.arguments if isinstance(call.arguments, str) else _json_text(call.arguments)
    return mend_text(arguments) or "{}"


def result_text(result: FunctionResultContent) -> str:
    """Return what the model is told of a result; of a failed call, that it failed."""
    text = mend_text(result.result) if isinstance(result.result, str) else _json_text(result.result)
    return f"Error: {text}" if result.is_error and not text.startswith("Error") else text


def _json_text(value: object) -> str:
    return json.dumps(to_json(value, "a value of a function call"), ensure_ascii=False, separators=(",", ":"))
