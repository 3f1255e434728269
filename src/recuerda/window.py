"""The part of a thread that is sent to the model.

Windows are cut between turns only, so a tool result never loses its call. The newest turn is always sent, however long
it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from recuerda.ids import check_limit
from recuerda.messages import ChatMessage, DataContent, FunctionCallContent, FunctionResultContent, TextContent, Turn

TOKENS_PER_MESSAGE = 4
"""What a message costs besides its text, about, in every chat format."""

CHARACTERS_PER_TOKEN = 4
"""A usual figure for English text; other languages have fewer."""

TOKENS_PER_FILE = 1000
"""What an image or file is counted as: services differ by a factor of ten either way."""


class ContextWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Limit what of the thread is sent with each run. The input of the run itself does not count.

    Attributes:
        max_messages: at most so many messages, as whole turns; None for no limit.
        max_tokens: at most about so many tokens, as whole turns, by `estimate_tokens`; None for no limit.
    """

    max_messages: int | None = None
    max_tokens: int | None = None

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_tokens"):
            if (value := getattr(self, name)) is not None:
                check_limit(value, name)

    @property
    def last_messages(self) -> int | None:
        """How many of the newest messages can matter at most: what a storage need not read beyond."""
        by_tokens = None if self.max_tokens is None else max(1, self.max_tokens // TOKENS_PER_MESSAGE)
        limits = [limit for limit in (self.max_messages, by_tokens) if limit is not None]
        return min(limits, default=None)

    def select(self, turns: Sequence[Turn]) -> list[ChatMessage]:
        """Return the messages to send, in order: those of the newest whole turns that fit, at least of the newest."""
        return [message for turn in turns[len(turns) - self.count(turns) :] for message in turn.messages]

    def count(self, turns: Sequence[Turn]) -> int:
        """Return how many of the newest turns fit; 1 when not even the newest does."""
        messages = tokens = 0
        for chosen, turn in enumerate(reversed(turns)):
            messages += len(turn.messages)
            if self.max_tokens is not None:
                tokens += sum(estimate_tokens(message) for message in turn.messages)
            if chosen and self._is_over(messages, tokens):
                return chosen
        return len(turns)

    def _is_over(self, messages: int, tokens: int) -> bool:
        if self.max_messages is not None and messages > self.max_messages:
            return True
        return self.max_tokens is not None and tokens > self.max_tokens


def estimate_tokens(message: ChatMessage) -> int:
    """Return about how many tokens a message costs: one per four characters, four for the message itself."""
    characters = tokens = 0
    for part in message.contents:
        match part:
            case TextContent():
                characters += len(part.text)
            case FunctionCallContent():
                characters += len(part.name) + len(str(part.arguments))
            case FunctionResultContent():
                characters += len(str(part.result))
            case DataContent():
                tokens += TOKENS_PER_FILE
            case _:
                characters += len(str(part))
    return TOKENS_PER_MESSAGE + tokens + -(-characters // CHARACTERS_PER_TOKEN)


def turn_of(messages: Sequence[ChatMessage]) -> Turn:
    """Return a turn of plain messages: what comes before the first answer or tool result is its input."""
    answered = (i for i, message in enumerate(messages) if message.role in ("assistant", "tool"))
    return Turn(messages=tuple(messages), input_count=next(answered, len(messages)))


def group_turns(messages: Iterable[ChatMessage]) -> list[Turn]:
    """Cut a plain list of messages into turns: a new one starts at a user message that follows another role's.

    For histories that were not written as turns: a store of the application's own, or another framework's state.
    """
    groups: list[list[ChatMessage]] = []
    for message in messages:
        starts = message.role == "user" and bool(groups) and groups[-1][-1].role != "user"
        if not groups or starts:
            groups.append([])
        groups[-1].append(message)
    return [turn_of(group) for group in groups]
