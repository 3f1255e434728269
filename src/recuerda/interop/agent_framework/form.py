"""Agent Framework's messages as items, and back: the JSON of `Message.to_dict`."""

from __future__ import annotations

from collections.abc import Sequence

from agent_framework import Message

from recuerda.json_value import JsonObject


def dump(messages: Sequence[Message]) -> list[JsonObject]:
    """Return messages as JSON."""
    return [message.to_dict() for message in messages]


def load(items: Sequence[JsonObject]) -> list[Message]:
    """Return the messages of their JSON form."""
    return [Message.from_dict({**item}) for item in items]
