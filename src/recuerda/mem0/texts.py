"""The texts that are searched for, shown to the model, and learned.

Memories are untrusted data. Each is shown as a quotation on one line, so that it cannot pass for an instruction or end
its line. A recalled memory must not be learned again, or memories would multiply. So a provider never gets its own
context back, and if an answer repeats a memory, the repeating sentences are not learned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import cast

from recuerda.errors import ProviderError
from recuerda.messages.message import ChatMessage
from recuerda.providers.remembering import input_text

MAX_QUERY_CHARACTERS = 2000
MAX_MEMORY_CHARACTERS = 500
MAX_LEARNT_CHARACTERS = 20_000
_REPEATED_SHARE = 0.8
_STEM = 4

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_WORD = re.compile(r"\w+")


def query_of(messages: Sequence[ChatMessage]) -> str:
    """Return the text to search for: the user's messages, shortened to the beginning and the end if they are long."""
    text = input_text(messages)
    if len(text) <= MAX_QUERY_CHARACTERS:
        return text
    half = MAX_QUERY_CHARACTERS // 2
    return f"{text[:half]}\n{text[-half:]}"


def memories_in(answer: object) -> list[Mapping[str, object]]:
    """Return the memories in the answer to a search, the best first.

    Raises:
        ProviderError: the answer does not have the form of Mem0's answers.
    """
    found: object = answer
    if isinstance(answer, dict):
        found = cast("Mapping[str, object]", answer).get("results")
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in cast("list[object]", found)):
        raise ProviderError(
            f"Mem0's search gave {_shape(cast('object', answer))} instead of a list of memories; check "
            "that the client's address is Mem0's, and that its version is 1 or 2"
        )
    return cast("list[Mapping[str, object]]", found)


def lines_of(memories: Iterable[Mapping[str, object]], *, limit: int, max_characters: int) -> list[str]:
    """Return the texts of the best memories that fit, each shortened and on one line."""
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
    """Return the text for the model: the prompt, and each memory as a quotation on a line of its own."""
    return "\n".join([prompt, *(f"- {json.dumps(line, ensure_ascii=False)}" for line in lines)])


def learnt(
    request: Sequence[ChatMessage], response: Sequence[ChatMessage], recalled: Sequence[str]
) -> list[dict[str, str]]:
    """Return the messages to learn from a run, in Mem0's form: the user's texts and the agent's answers.

    System messages, tools' calls and results, files and empty messages are left out. So are sentences of an answer that
    repeat a recalled memory. If the user said nothing, the answer is not learned either.
    """
    asked = [message.text for message in request if message.role == "user"]
    answered = [without_repetitions(message.text, recalled) for message in response if message.role == "assistant"]
    entries = [("user", text) for text in asked if text.strip()]
    if entries:
        entries += [("assistant", text) for text in answered if text.strip()]
    return [{"role": role, "content": shortened(text.strip(), MAX_LEARNT_CHARACTERS)} for role, text in entries]


def without_repetitions(text: str, recalled: Sequence[str]) -> str:
    """Return the text without the sentences that mostly repeat a memory."""
    memories = [_stems(memory) for memory in recalled]
    if not memories:
        return text
    kept = [sentence for sentence in _SENTENCE_END.split(text) if not _repeats(_stems(sentence), memories)]
    return "\n".join(kept)


def shortened(text: str, length: int) -> str:
    """Return the text, cut to at most `length` characters."""
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _repeats(sentence: set[str], memories: Sequence[set[str]]) -> bool:
    return any(
        len(sentence & memory) >= _REPEATED_SHARE * min(len(sentence), len(memory))
        for memory in memories
        if len(sentence) > 2 and len(memory) > 2
    )


def _stems(text: str) -> set[str]:
    """Return the beginnings of the words, so that "likes" and "like" are equal."""
    return {word[:_STEM] for word in _WORD.findall(text.casefold())}


def _shape(answer: object) -> str:
    if isinstance(answer, dict):
        return "an object without a list of results"
    return "nothing" if answer is None else f"a {type(answer).__name__}"
