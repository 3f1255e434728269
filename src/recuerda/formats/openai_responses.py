"""The items of OpenAI's Responses and Conversations (https://platform.openai.com/docs/api-reference/responses)."""

from __future__ import annotations

from collections.abc import Sequence

from recuerda.formats.format import Format
from recuerda.formats.message_lists import ListFormat, messages_in
from recuerda.interop.responses_items import ResponsesForm

_KINDS = ("message", "function_call", "function_call_output", "reasoning", "item_reference")


def _is_like(values: Sequence[object]) -> bool:
    found = messages_in(values, "items", "input", "output", "data")
    return any(item.get("type") in _KINDS for item in found) and all("contents" not in item for item in found)


LIST = ListFormat(form=ResponsesForm(), needs=("type", "role"), key="items", other_keys=("input", "output", "data"))

FORMAT = Format(name="openai-responses", read=LIST.read, writer=LIST.writer(), is_like=_is_like)
