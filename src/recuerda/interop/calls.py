"""Calls of tools and their results, by the ids that join them."""

from __future__ import annotations

from collections.abc import Iterable

from recuerda.messages.message import ChatMessage, FunctionResultContent


def call_ids(messages: Iterable[ChatMessage]) -> set[str]:
    """Return the ids of the calls in messages."""
    return {call.call_id for message in messages for call in message.function_calls}


def result_ids(messages: Iterable[ChatMessage]) -> set[str]:
    """Return the ids of the calls whose results are in messages."""
    return {part.call_id for one in messages for part in one.contents if isinstance(part, FunctionResultContent)}
