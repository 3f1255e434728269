"""What is searched for, what is shown to the model, and what is learnt.

Memories are data that somebody once said. They are shown as quotations, a line each, so that none can pass for an
instruction or end its line. What was recalled must not be learnt again, or memories multiply: providers' context never
comes back to them, and where an answer repeats a memory, those sentences are left out of what is learnt.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from recuerda.errors import ProviderError
from recuerda.messages.message import ChatMessage

MAX_QUERY_CHARACTERS = 2000
MAX_MEMORY_CHARACTERS = 500
MAX_LEARNT_CHARACTERS = 20_000
_REPEATED_SHARE = 0.8
_STEM = 4

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"\w+")


def query_of(messages: Sequence[ChatMessage]) -> str:
    """Return what to search for: the text of the user's messages, of a long one its beginning and its end."""
    text = "\n".join(message.text.strip() for message in messages if message.role == "user").strip()
    if len(text) <= MAX_QUERY_CHARACTERS:
        return text
    half = MAX_QUERY_CHARACTERS // 2
    return f"{text[:half]}\n{text[-half:]}"


def memories_in(answer: object) -> list[Mapping[str, object]]:
    """Return the memories in a search's answer, the best first.

    Raises:
        ProviderError: the answer is not one of Mem0's.
    """
    found: object = answer
    if isinstance(answer, dict):
        found = cast("Mapping[str, object]", answer).get("results")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in cast("list[object]", found)):
        raise ProviderError(
            f"Mem0's search gave {_shape(cast('object', answer))} instead of a list of memories: check "
            "that the client's address is Mem0's, and its version 1 or 2"
        )
    return cast("list[Mapping[str, object]]", found)


def lines_of(memories: Iterable[Mapping[str, object]], *, limit: int, max_characters: int) -> list[str]:
    """Return the memories' texts, each shortened, as many of the best as fit."""
    lines: list[str] = []
    left = max_characters
    for memory in memories:
        text = memory.get("memory")
        if not isinstance(text, str) or not text.strip():
            continue
        line = shortened(" ".join(text.split()), MAX_MEMORY_CHARACTERS)
        if len(lines) == limit or len(line) > left:
            break
        if line not in lines:
            lines.append(line)
            left -= len(line)
    return lines


def shown(lines: Sequence[str], prompt: str) -> str:
    """Return the text that the model gets."""
    return "\n".join([prompt, *(f"- {json.dumps(line, ensure_ascii=False)}" for line in lines)])


def learnt(
    request: Sequence[ChatMessage], response: Sequence[ChatMessage], recalled: Sequence[str]
) -> list[dict[str, str]]:
    """Return what to learn from a run, as Mem0 takes it: what the user said and what the agent answered.

    System messages, tools' calls and results, files and empty messages are no part of it; nor are sentences of the
    answer that repeat what was recalled. An answer alone, to nothing that was said, is not learnt from.
    """
    asked = [message.text for message in request if message.role == "user"]
    answered = [without_repetitions(message.text, recalled) for message in response if message.role == "assistant"]
    entries = [("user", text) for text in asked if text.strip()]
    if entries:
        entries += [("assistant", text) for text in answered if text.strip()]
    return [{"role": role, "content": shortened(text.strip(), MAX_LEARNT_CHARACTERS)} for role, text in entries]


def without_repetitions(text: str, recalled: Sequence[str]) -> str:
    """Return the text without the sentences that say little but what one of the memories says."""
    memories = [_stems(memory) for memory in recalled]
    if not memories:
        return text
    kept = [sentence for sentence in _SENTENCE_END.split(text) if not _repeats(_stems(sentence), memories)]
    return "\n".join(kept)


def shortened(text: str, length: int) -> str:
    """Return the text, cut to a length."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _repeats(sentence: set[str], memories: Sequence[set[str]]) -> bool:
    return any(
        len(sentence & memory) >= _REPEATED_SHARE * min(len(sentence), len(memory))
        for memory in memories
        if len(sentence) > 2 and len(memory) > 2
    )


def _stems(text: str) -> set[str]:
    """Return the beginnings of the words, so that "likes" and "like" are one."""
    return {word[:_STEM] for word in _WORD.findall(text.casefold())}


def _shape(answer: object) -> str:
    if isinstance(answer, dict):
        return "an object without a list of results"
    return "nothing" if answer is None else f"a {type(answer).__name__}"
