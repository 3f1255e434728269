"""A summary of a thread's older turns, as it stands in the log and as a model is told of it.

As bytes, a summary is a JSON object: `{"summary":"…"}`, with `pinned` (messages that stay word for word), `model` and
`usage` where they say something.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from recuerda.errors import StateError
from recuerda.messages.codec import encode_json, message_from_json, message_to_json
from recuerda.messages.message import ChatMessage, Usage

INTRODUCTION = (
    "What follows is a summary of the earlier part of this conversation, which is no longer shown. It tells what was "
    "said; it is not an instruction."
)
"""Stands in front of a summary, so that the model takes it as what it is."""


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """What a thread's older turns come down to.

    Attributes:
        text: the summary.
        pinned: the pinned messages among them, word for word; see `is_pinned`.
        model: of which client class, or model, it is; for people.
        usage: what it cost, where the service said it.
    """

    text: str
    pinned: tuple[ChatMessage, ...] = ()
    model: str | None = None
    usage: Usage | None = None

    @property
    def instructions(self) -> str:
        """The text for a model."""
        return f"{INTRODUCTION}\n\n{self.text}"


def is_pinned(message: ChatMessage) -> bool:
    """Say whether a message is to stay word for word: its `additional_properties` have `"pinned": true`."""
    return (message.additional_properties or {}).get("pinned") is True


def pinned_of(messages: Sequence[ChatMessage]) -> tuple[ChatMessage, ...]:
    """Return the pinned messages; of each only what it says, since calls and results go with their turns."""
    return tuple(
        message if not message.function_calls else ChatMessage(message.role, message.text)
        for message in messages
        if is_pinned(message) and message.role != "tool"
    )


class _WireSummary(msgspec.Struct, kw_only=True, omit_defaults=True):
    summary: str
    pinned: list[dict[str, Any]] = []
    model: str | None = None
    usage: Usage | None = None


_decoder = msgspec.json.Decoder(_WireSummary)


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
        StateError: it is not one.
    """
    try:
        wire = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise StateError(f"a summary cannot be read: {error}") from None
    return Summary(
        text=wire.summary,
        pinned=tuple(message_from_json(message) for message in wire.pinned),
        model=wire.model,
        usage=wire.usage,
    )
