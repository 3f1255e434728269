"""One answer of another program as the messages that a model would get: each round of calls, and its results."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from recuerda.json_value import JsonObject
from recuerda.messages.message import AnyContent, ChatMessage, FunctionCallContent, FunctionResultContent


def steps(
    role: str,
    contents: Iterable[AnyContent],
    *,
    message_id: str | None = None,
    author_name: str | None = None,
    properties: Mapping[str, Any] | None = None,
) -> list[ChatMessage]:
    """Return the messages of an answer: results of tools in messages of their own, right after their calls.

    Args:
        role: the role of the speaker.
        contents: all parts of the answer, in order.
        message_id: the id of the answer.
        author_name: the speaker's name.
        properties: other data for the first message.
    """
    rounds: list[tuple[list[AnyContent], list[AnyContent]]] = [([], [])]
    for one in contents:
        if isinstance(one, FunctionResultContent):
            rounds[-1][1].append(one)
            continue
        if rounds[-1][1] and not isinstance(one, FunctionCallContent):
            rounds.append(([], []))
        rounds[-1][0].append(one)
    found: list[ChatMessage] = []
    for said, results in rounds:
        if said:
            first: JsonObject | None = dict(properties) if properties and not found else None
            identity = None if found else message_id
            found.append(
                ChatMessage(role, said, author_name=author_name, message_id=identity, additional_properties=first)
            )
        if results:
            found.append(ChatMessage("tool", results))
    return found
