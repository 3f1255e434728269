"""Memories that say almost the same count once, and memories that are only alike take few places.

Two messages of one speaker are repeats if they have the same words, whatever their order, case and punctuation. They
are repeats too if only their numbers differ, or if one word of a longer message differs. A word that may be a name
makes a difference in any case: "I moved to Bergen" is no repeat of "I moved to Oslo". Of repeats, the best memory
stays, or the newest one if it is about as good.

Messages that are made after one pattern, such as reminders to call one person or another, lines of a log, or the same
question in other words, are no repeats: each may be the answer. But they would take all places, because they fit a
question equally well. So only the best few of them come before memories of another kind. The others get the places that
are left.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from collections.abc import Set as AbstractSet
from functools import cached_property

from recuerda.recall.correcting import COMPARED_CHARACTERS, saying
from recuerda.recall.folding import fold
from recuerda.recall.languages import is_function_word
from recuerda.recall.memory import Memory

_FEWEST_BESIDE_NUMBERS = 3
"""The smallest number of words, besides numbers, of messages that are repeats although their numbers differ."""
_FEWEST_BESIDE_WORD = 7
"""The smallest number of words that two messages share if they are repeats although one word differs."""
_ABOUT_AS_GOOD = 0.9
_BEGINNING = 4

_BEGINNING_OF_STEM = 3
"""The number of first letters that nearly all forms of a word have in common."""
_FEWEST_BEGINNINGS = 3
_SHARED_BEGINNINGS = 0.4
"""A lower share than `_SHARED_TERMS`, because some forms of a word begin in another way, such as "went"."""

_MOST_ALIKE = 3
"""The number of memories after one pattern that come before memories of another kind."""
_SHARED_WORDS = 0.5
"""The share of the words that two messages after one pattern have in common, with all function words."""
_SHARED_TERMS = 0.6
"""The share of the words that matter, which messages that say or ask the same in other words have in common."""
_FEWEST_WORDS = 4
_FIRST_CHARACTERS = 300
_MOST_ADDED = 50
"""The number of memories for each place after which no more are looked at, however alike they are."""
_NUMBER = "#"
_WORD = re.compile(r"\w+")


class Repeats:
    """The memories of a search in their order, without repeats.

    Args:
        limit: the largest number of memories.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._added = 0
        self._all: list[_Said] = []
        self._patterns: list[_Pattern] = []
        self._later: list[int | _Said] = []

    @property
    def is_full(self) -> bool:
        """True if no further memory changes the result, or so many were added that no more are looked at."""
        first = len(self._all) - sum(isinstance(one, int) for one in self._later)
        return first >= self._limit or self._added >= _MOST_ADDED * self._limit

    def best(self) -> list[Memory]:
        """Return the memories that are found, the best first; more memories after one pattern come last.

        Call it once.
        """
        later = {place for place in self._later if isinstance(place, int)}
        found = [said.memory for place, said in enumerate(self._all) if place not in later][: self._limit]
        for one in self._later:
            if len(found) == self._limit:
                break
            if isinstance(one, int):
                found.append(self._all[one].memory)
            elif self._place_of(one) is None:
                found.append(one.memory)
                self._all.append(one)
        return found

    def add(self, memory: Memory) -> None:
        """Add the next memory, which is no better than the memories before it.

        A repeat is left out, or takes the place of the memory that it repeats.
        """
        self._added += 1
        said = _Said(memory)
        full = next((one for one in self._patterns if one.is_full and one.has_words(said)), None)
        if full is not None and not full.has_exactly(said):
            # Whether it is a repeat is only looked at if there is a place for it.
            self._later.append(said)
            return
        place = self._place_of(said)
        if place is None:
            if self._is_one_of_many(said):
                self._later.append(len(self._all))
            self._all.append(said)
        elif _replaces(memory, self._all[place].memory):
            self._all[place] = said

    def _place_of(self, said: _Said) -> int | None:
        """Return the place of a memory that says almost the same; None if there is none."""
        alike = [(place, kept) for place, kept in enumerate(self._all) if said.may_be_like(kept)]
        for place, kept in alike:
            if kept.speaker == said.speaker and kept.terms == said.terms:
                return place
        for place, kept in alike:
            if _is_near(said.terms, kept.terms) and _may_repeat(said.memory, kept.memory, said.terms ^ kept.terms):
                return place
        return None

    def _is_one_of_many(self, said: _Said) -> bool:
        """Count a message with the pattern that it follows; return True if enough messages follow it already."""
        for pattern in self._patterns:
            if pattern.has_words(said) or pattern.has_terms(said):
                is_full = pattern.is_full
                pattern.add(said)
                return is_full
        self._patterns.append(_Pattern(said))
        return False


class _Said:
    """A memory with its words. Most memories are unlike each other, which shows without their terms.

    Args:
        memory: the memory.

    Attributes:
        speaker: who says it.
        words: its first words. All numbers are one word.
    """

    def __init__(self, memory: Memory) -> None:
        self.memory = memory
        self.speaker: str = memory.speaker or memory.role
        self.words: frozenset[str] = _words(memory.text[:_FIRST_CHARACTERS])

    @cached_property
    def terms(self) -> frozenset[str]:
        """Its terms, or the text if that is long."""
        return saying(self.memory.role, self.memory.speaker, self.memory.text)[1]

    @cached_property
    def unnumbered(self) -> frozenset[str]:
        """Its terms. All numbers are one term."""
        return _unnumbered(self.terms)

    @cached_property
    def _beginnings(self) -> frozenset[str]:
        """The first letters of the words that are no function words; nothing if other letters than Latin ones tell."""
        text = self.memory.text[:COMPARED_CHARACTERS]
        words = self.words if len(text) <= _FIRST_CHARACTERS else _words(text)
        if not all(map(str.isascii, words)):
            return frozenset()
        return frozenset([word[:_BEGINNING_OF_STEM] for word in words if not is_function_word(word)])

    def may_be_like(self, other: _Said) -> bool:
        """Return False if most words begin with other letters, so that the terms differ, too."""
        one, two = self._beginnings, other._beginnings
        return min(len(one), len(two)) < _FEWEST_BEGINNINGS or _share(one, two) >= _SHARED_BEGINNINGS


class _Pattern:
    """The pattern of a message.

    Args:
        said: the first message that has it.
    """

    def __init__(self, said: _Said) -> None:
        self._first = said
        self._known = [said]

    @property
    def is_full(self) -> bool:
        """True if no more messages after this pattern come before messages of another kind."""
        return len(self._known) >= _MOST_ALIKE

    def add(self, said: _Said) -> None:
        """Note a message that follows the pattern."""
        self._known.append(said)

    def has_exactly(self, said: _Said) -> bool:
        """Return True if a message with the same words follows the pattern."""
        return any(said.words == one.words for one in self._known)

    def has_words(self, said: _Said) -> bool:
        """Return True if a message follows the pattern by its words."""
        words, others = said.words, self._first.words
        is_alike = min(len(words), len(others)) >= _FEWEST_WORDS and _share(words, others) >= _SHARED_WORDS
        return said.speaker == self._first.speaker and is_alike

    def has_terms(self, said: _Said) -> bool:
        """Return True if a message says the same in other words."""
        first = self._first
        return (
            said.speaker == first.speaker
            and said.may_be_like(first)
            and _share(said.unnumbered, first.unnumbered) >= _SHARED_TERMS
        )


def _words(text: str) -> frozenset[str]:
    return _unnumbered(_WORD.findall(fold(text)))


def _unnumbered(words: Iterable[str]) -> frozenset[str]:
    return frozenset([word if word.isalpha() else _NUMBER for word in words])


def _share(words: frozenset[str], others: frozenset[str]) -> float:
    return 2 * len(words & others) / max(1, len(words) + len(others))


def _replaces(memory: Memory, kept: Memory) -> bool:
    return (
        memory.created_us > kept.created_us
        and memory.score >= _ABOUT_AS_GOOD * kept.score
        and (memory.valid_until_us is None) >= (kept.valid_until_us is None)
    )


def _is_near(words: frozenset[str], others: frozenset[str]) -> bool:
    """Return True if two messages differ in numbers only, or in one word of many."""
    shared = len(words & others)
    if shared < _FEWEST_BESIDE_NUMBERS:
        return False
    if shared >= _FEWEST_BESIDE_WORD and max(len(words), len(others)) <= shared + 1:
        return True
    different = words ^ others
    return all(map(str.isdecimal, different)) and sum(not word.isdecimal() for word in words) >= _FEWEST_BESIDE_NUMBERS


def _may_repeat(memory: Memory, kept: Memory, different: AbstractSet[str]) -> bool:
    """Return True if two near messages are of one speaker, were not corrected, and do not differ in a name."""
    if (memory.speaker or memory.role) != (kept.speaker or kept.role):
        return False
    if any(one.valid_until_us is not None or one.corrected_us is not None for one in (memory, kept)):
        return False
    names = [fold(word) for word in f"{memory.text} {kept.text}".split() if not word[0].islower()]
    return not any(_begins_one(word, names) for word in different if not word.isdecimal())


def _begins_one(word: str, names: Sequence[str]) -> bool:
    return any(name.startswith(word[:_BEGINNING]) for name in names)
