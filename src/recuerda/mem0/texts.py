"""The texts that are searched for, shown to the model, and learned.

Memories are untrusted data. Each is shown as a quotation on one line, so that it cannot pass for an instruction or end
its line. A recalled memory must not be learned again, or memories would multiply. So a provider never gets its own
context back, and if an answer repeats a memory, the repeating sentences are not learned.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import NamedTuple, cast

from recuerda.errors import ProviderError
from recuerda.messages.message import ChatMessage
from recuerda.providers.remembering import input_text

MAX_QUERY_CHARACTERS = 2000
MAX_MEMORY_CHARACTERS = 500
MAX_LEARNT_CHARACTERS = 20_000
_REPEATED_SHARE = 0.8
_STEM = 4
_NEW_STEMS = 3
"""The number of long words that no memory has, from which on a part of a sentence says something new."""

_SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|\n+")
_PART_END = re.compile(r"[,;:]\s+|\s[-\u2013\u2014]\s")
_ITEM = re.compile(r"^\s*\d{1,3}[.)]\s")
"""The number of an item of a list."""

_WORD = re.compile(r"\w+")
_NEGATION_WORDS = """
    no not never longer none nor without cannot don doesn didn isn aren wasn weren hasn haven hadn won couldn wouldn
    shouldn nunca tampoco jamás sin nicht kein keine keinen keinem keiner keines nie ohne ne n pas jamais sans non senza
    não sem niet geen nooit zonder inte ikke aldrig bez не нет никогда değil
"""
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
"""Words that turn a statement into its opposite, in several languages. An apostrophe ends a word, as in `isn`."""


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


class Recalled(NamedTuple):
    """A memory that is shown to the model.

    Attributes:
        text: its text, on one line.
        day: the day of its last change, such as "1 May 2026"; None if Mem0 gave none.
    """

    text: str
    day: str | None


def recalled_of(memories: Iterable[Mapping[str, object]], *, limit: int, max_characters: int) -> list[Recalled]:
    """Return the best memories that fit, each shortened."""
    lines: dict[str, Recalled] = {}
    left = max_characters
    for memory in memories:
        text = memory.get("memory")
        if not isinstance(text, str) or not text.strip():
            continue
        line = shortened(" ".join(text.split()), MAX_MEMORY_CHARACTERS)
        if len(lines) == limit or len(line) > left:
            break
        if line not in lines:
            lines[line] = Recalled(line, _day(memory.get("updated_at")) or _day(memory.get("created_at")))
            left -= len(line)
    return list(lines.values())


def shown(recalled: Iterable[Recalled], prompt: str) -> str:
    """Return the text for the model: the prompt, and each memory as a quotation on a line of its own, with its day."""
    return "\n".join([prompt, *map(_line, recalled)])


def _line(memory: Recalled) -> str:
    noted = f" (noted on {memory.day})" if memory.day else ""
    return f"- {json.dumps(memory.text, ensure_ascii=False)}{noted}"


def _day(time: object) -> str | None:
    """Return the day of a time as Mem0 writes it, in the time zone in which it is written; None for anything else."""
    try:
        day = datetime.fromisoformat(time) if isinstance(time, str) else None
    except ValueError:
        return None
    return f"{day.day} {day:%B %Y}" if day else None


def learnt(
    request: Sequence[ChatMessage], response: Sequence[ChatMessage], recalled: Sequence[Recalled]
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


def without_repetitions(text: str, recalled: Sequence[Recalled]) -> str:
    """Return the text without the sentences that repeat a memory. Their parts that say something new stay."""
    memories = [_words(memory.text) for memory in recalled]
    if not memories:
        return text
    stems = [_stems(memory) for memory in memories]
    known = set[str]().union(*stems, *(_stems(_words(memory.day or "")) for memory in recalled))
    kept: list[str] = []
    for sentence in _SENTENCE_END.split(text):
        if _repeats(_stems(_words(sentence)), stems):
            parts = [_ITEM.sub("", part) for part in _PART_END.split(sentence)]
            kept += [
                part
                for place, part in enumerate(parts)
                if _is_new(part, known, is_start=place == 0) or _contradicts(part, memories)
            ]
        else:
            kept.append(sentence)
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


def _is_new(part: str, known: AbstractSet[str], *, is_start: bool) -> bool:
    """Return True if a part of a sentence has a number, a name or some long words that are not known."""
    words = _WORD.findall(part)
    new = {_stem(word.casefold()) for word in words} - known
    names = [word for word in words[is_start:] if len(word) > 1 and word[0].isupper()]
    return (
        any(map(_has_digit, new))
        or any(_stem(name.casefold()) in new for name in names)
        or sum(len(stem) == _STEM for stem in new) >= _NEW_STEMS
    )


def _contradicts(part: str, memories: Iterable[Sequence[str]]) -> bool:
    """Return True if a part of a sentence repeats a memory with a negation that the memory lacks, or without it."""
    words = _words(part)
    stems = _stems(words)
    return any(
        _repeats(stems, [_stems(memory)]) and _NEGATIONS.isdisjoint(words) != _NEGATIONS.isdisjoint(memory)
        for memory in memories
    )


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _stems(words: Iterable[str]) -> set[str]:
    """Return the beginnings of words, so that "likes" and "like" are equal, and whole words with a digit."""
    return set(map(_stem, words))


def _stem(word: str) -> str:
    return word if _has_digit(word) else word[:_STEM]


def _has_digit(word: str) -> bool:
    return any(map(str.isdecimal, word))


def _shape(answer: object) -> str:
    if isinstance(answer, dict):
        return "an object without a list of results"
    return "nothing" if answer is None else f"a {type(answer).__name__}"
