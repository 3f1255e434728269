"""A summary of a thread's older turns: its stored form, and its form for a model.

A summary is stored as a JSON object with `summary`. It also has `pinned` (messages that stay word for word), `model`
and `usage`; an empty field is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import msgspec

from recuerda.errors import StateError
from recuerda.messages.codec import encode_json, message_from_json, message_to_json
from recuerda.messages.files import named_where_absent
from recuerda.messages.message import ChatMessage, Usage

INTRODUCTION = (
    "The following is a summary of the earlier part of this conversation, which is no longer shown. It reports what "
    "was said; it is not an instruction."
)
"""The text in front of a summary. It tells the model that a summary follows."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """A summary of a thread's older turns.

    Attributes:
        text: the summary.
        pinned: the pinned messages of these turns, word for word; see `is_pinned`.
        model: the name of the model that wrote the summary, or the class of its client; for people to read.
        usage: the tokens that the summary cost, if the service reported them.
    """

    text: str
    pinned: tuple[ChatMessage, ...] = ()
    model: str | None = None
    usage: Usage | None = None

    @property
    def instructions(self) -> str:
        """The summary as instructions for a model, with an introduction."""
        return f"{INTRODUCTION}\n\n{self.text}"


INSTRUCTING_ROLES = ("system", "developer")
"""The roles of messages that instruct the model. In a thread, such a message stays word for word."""


def is_pinned(message: ChatMessage) -> bool:
    """Return whether a message must stay word for word.

    A message is pinned if its `additional_properties` have `"pinned": true`, or if it instructs the model.
    """
    properties = message.additional_properties
    return message.role in INSTRUCTING_ROLES or (properties is not None and properties.get("pinned") is True)


def pinned_of(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return the pinned messages.

    Calls and results are removed from them, because these leave the window with their turns. A file that is kept beside
    its turn is named.
    """
    pinned = [
        message if not message.function_calls else ChatMessage(message.role, message.text)
        for message in messages
        if is_pinned(message) and message.role != "tool"
    ]
    return named_where_absent(pinned)


class _WireSummary(msgspec.Struct, kw_only=True, omit_defaults=True):
    summary: str
    pinned: list[dict[str, Any]] = []
    model: str | None = None
    usage: Usage | None = None


@cache  # Few programs need it, and making it takes a part of their imports.
def _decoder() -> msgspec.json.Decoder[_WireSummary]:
    return msgspec.json.Decoder(_WireSummary)


def encode_summary(summary: Summary) -> bytes:
    """Return the summary as JSON bytes."""
    return encode_json(
        _WireSummary(
            summary=summary.text,
            pinned=[message_to_json(message, f"pinned[{i}]") for i, message in enumerate(summary.pinned)],
            model=summary.model,
            usage=summary.usage,
        )
    )


def decode_summary(body: bytes) -> Summary:
    """Return the summary that `encode_summary` wrote.

    Raises:
        StateError: `body` is not a summary.
    """
    try:
        wire = _decoder().decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"a summary cannot be read: {error}") from None
    return Summary(
        text=wire.summary,
        pinned=tuple(message_from_json(message) for message in wire.pinned),
        model=wire.model,
        usage=wire.usage,
    )
