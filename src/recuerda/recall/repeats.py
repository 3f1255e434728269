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

from recuerda.recall.correcting import saying
from recuerda.recall.folding import fold
from recuerda.recall.memory import Memory

_FEWEST_BESIDE_NUMBERS = 3
"""The smallest number of words, besides numbers, of messages that are repeats although their numbers differ."""
_FEWEST_BESIDE_WORD = 7
"""The smallest number of words that two messages share if they are repeats although one word differs."""
_ABOUT_AS_GOOD = 0.9
_BEGINNING = 4

_MOST_ALIKE = 3
"""The number of memories after one pattern that come before memories of another kind."""
_SHARED_WORDS = 0.5
"""The share of the words that two messages after one pattern have in common, with all function words."""
_SHARED_TERMS = 0.6
"""The share of the words that matter, which messages that say or ask the same in other words have in common."""
_FEWEST_WORDS = 4
_COMPARED_CHARACTERS = 300
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
        self._all: list[Memory] = []
        self._words: list[frozenset[str]] = []
        self._places: dict[tuple[str, frozenset[str]], int] = {}
        self._patterns: list[_Pattern] = []
        self._later: list[int | Memory] = []

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
        found = [memory for place, memory in enumerate(self._all) if place not in later][: self._limit]
        for one in self._later:
            if len(found) == self._limit:
                break
            if isinstance(one, int):
                found.append(self._all[one])
            elif self._place_of(one, *(said := _saying(one))) is None:
                found.append(one)
                self._keep(one, *said)
        return found

    def add(self, memory: Memory) -> None:
        """Add the next memory, which is no better than the memories before it.

        A repeat is left out, or takes the place of the memory that it repeats.
        """
        self._added += 1
        speaker = memory.speaker or memory.role
        words = _unnumbered(_WORD.findall(fold(memory.text[:_COMPARED_CHARACTERS])))
        full = next((one for one in self._patterns if one.is_full and one.has_words(speaker, words)), None)
        if full is not None and words not in full.known:
            # Whether it is a repeat is only looked at if there is a place for it.
            self._later.append(memory)
            return
        _, terms = _saying(memory)
        place = self._place_of(memory, speaker, terms)
        if place is None:
            if self._is_one_of_many(speaker, words, _unnumbered(terms)):
                self._later.append(len(self._all))
            self._keep(memory, speaker, terms)
        elif _replaces(memory, self._all[place]):
            self._all[place] = memory

    def _keep(self, memory: Memory, speaker: str, terms: frozenset[str]) -> None:
        self._places[speaker, terms] = len(self._all)
        self._words.append(terms)
        self._all.append(memory)

    def _place_of(self, memory: Memory, speaker: str, terms: frozenset[str]) -> int | None:
        """Return the place of a memory that says almost the same; None if there is none."""
        place = self._places.get((speaker, terms))
        if place is not None:
            return place
        for place, (kept, its_terms) in enumerate(zip(self._all, self._words, strict=True)):
            if _is_near(terms, its_terms) and _may_repeat(memory, kept, terms ^ its_terms):
                return place
        return None

    def _is_one_of_many(self, speaker: str, words: frozenset[str], terms: frozenset[str]) -> bool:
        """Count a message with the pattern that it follows; return True if enough messages follow it already."""
        for pattern in self._patterns:
            if pattern.has_words(speaker, words) or pattern.has_terms(speaker, terms):
                is_full = pattern.is_full
                pattern.known.append(words)
                return is_full
        self._patterns.append(_Pattern(speaker, words, terms))
        return False


class _Pattern:
    """The pattern of a message.

    Args:
        speaker: the speaker of the message.
        words: its words.
        terms: the terms of a short message.

    All numbers are one word.

    Attributes:
        known: the words of the messages that follow the pattern.
    """

    def __init__(self, speaker: str, words: frozenset[str], terms: frozenset[str]) -> None:
        self._speaker = speaker
        self._words = words
        self._terms = terms
        self.known = [words]

    @property
    def is_full(self) -> bool:
        """True if no more messages after this pattern come before messages of another kind."""
        return len(self.known) >= _MOST_ALIKE

    def has_words(self, speaker: str, words: frozenset[str]) -> bool:
        """Return True if a message follows the pattern by its words."""
        fewest = min(len(words), len(self._words))
        is_alike = fewest >= _FEWEST_WORDS and _share(words, self._words) >= _SHARED_WORDS
        return speaker == self._speaker and is_alike

    def has_terms(self, speaker: str, terms: frozenset[str]) -> bool:
        """Return True if a message says the same in other words."""
        return speaker == self._speaker and _share(terms, self._terms) >= _SHARED_TERMS


def _saying(memory: Memory) -> tuple[str, frozenset[str]]:
    return saying(memory.role, memory.speaker, memory.text)


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
