"""Memories that say almost the same count once, so that ten reminders do not take all ten places.

Two messages of one speaker are repeats if they have the same words, whatever their order, case and punctuation. They
are repeats too if only their numbers differ, or if one word of a longer message differs. A word that may be a name
makes a difference in any case: "I moved to Bergen" is no repeat of "I moved to Oslo". Of repeats, the best memory
stays, or the newest one if it is about as good.
"""

from __future__ import annotations

from collections.abc import Sequence
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


class Repeats:
    """The memories of a search in their order, without repeats."""

    def __init__(self) -> None:
        self.kept: list[Memory] = []
        self._words: list[frozenset[str]] = []
        self._places: dict[tuple[str, frozenset[str]], int] = {}

    def add(self, memory: Memory) -> None:
        """Add the next memory, which is no better than the memories before it.

        A repeat is left out, or takes the place of the memory that it repeats.
        """
        speaker, words = saying(memory.role, memory.speaker, memory.text)
        place = self._places.get((speaker, words))
        if place is None:
            place = self._place_of_a_near_one(memory, words)
        if place is None:
            self._places[speaker, words] = len(self.kept)
            self._words.append(words)
            self.kept.append(memory)
        elif _replaces(memory, self.kept[place]):
            self.kept[place] = memory

    def _place_of_a_near_one(self, memory: Memory, words: frozenset[str]) -> int | None:
        for place, (kept, its_words) in enumerate(zip(self.kept, self._words, strict=True)):
            if _is_near(words, its_words) and _may_repeat(memory, kept, words ^ its_words):
                return place
        return None


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
