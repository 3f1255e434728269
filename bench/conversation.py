"""A made-up conversation: the same messages for the floor and for recuerda.

A text has 307 bytes on average and consists of words, some with letters beyond ASCII. Every text is different. The seed
is fixed, so two runs measure the same bytes.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import TypeAlias

from recuerda import ChatMessage, Turn

RawMessage: TypeAlias = dict[str, str]
"""The form in which a program without recuerda would keep a message."""

TEXT_BYTES = 307
"""The mean size of a text, in bytes of UTF-8."""

_SPREAD_BYTES = 40
_WORDS = """
    my order arrived on Tuesday but the second box was missing and nobody at the desk in Málaga could tell me where it
    went please look it up again: number 70415, two lamps and a chair. The invoice says 189,90 € including delivery; I
    paid by card. Could you also change the address to Straße 12, since we move next month? Thanks, Zoë 谢谢
""".split()  # noqa: SIM905 - a text is easier to read than a list


class Conversation:
    """A conversation in turns of a question and an answer.

    Args:
        seed: the seed. Two conversations with the same seed are equal.
    """

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def messages(self, count: int) -> list[RawMessage]:
        """Return the next `count` messages, of the user and of the assistant in turn."""
        roles = ("user", "assistant")
        return [{"role": roles[i % 2], "content": self._text()} for i in range(count)]

    def _text(self) -> str:
        # On average, the last word exceeds the size at which the loop ends by about five bytes.
        size = TEXT_BYTES - 1 + self._random.randint(-_SPREAD_BYTES, _SPREAD_BYTES)
        words: list[str] = []
        used = 0
        while used < size:
            word = self._random.choice(_WORDS)
            words.append(word)
            used += len(word.encode()) + 1
        return " ".join(words)


def text_bytes(messages: list[RawMessage]) -> int:
    """Return the number of bytes of UTF-8 in the texts."""
    return sum(len(message["content"].encode()) for message in messages)


def to_turn(messages: list[RawMessage]) -> Turn:
    """Return raw messages as a turn."""
    return Turn(messages=tuple(ChatMessage(message["role"], message["content"]) for message in messages))


def to_turns(messages: list[RawMessage]) -> Iterator[Turn]:
    """Yield a conversation as turns of two messages."""
    for place, (question, answer) in enumerate(pairwise(messages)):
        if place % 2 == 0:
            yield to_turn([question, answer])
