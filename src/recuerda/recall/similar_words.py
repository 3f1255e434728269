"""The terms that stand for a word of a question which no memory has: other forms of the word, and other spellings.

"Jegyek" finds "jegyet" although a short message did not tell its language, "alergija" finds "alergiška" in a language
without rules, and "penicilin" finds "penicillin". An index looks for such terms only if it has no term of the word, and
only where its terms begin alike, sound alike or differ near the beginning, so that it reads a small part of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import NamedTuple

from recuerda.recall.compounds import ASKED, compounds_with, last_words, start_of
from recuerda.recall.misspelling import EARLY, early_errors, respelt_starts, sound
from recuerda.recall.separable_verbs import PARTED

START = EARLY
"""The number of letters with which a similar term begins alike, unless it differs in one of these letters."""

SIMILAR = 0.5
"""The worth of a similar term, relative to a term of the word."""

MAX_LOOKED_AT = 500
"""The largest number of terms with one start that are looked at."""

LAST_CHARACTER = "\U0010ffff"
"""No term with a start is behind the start with this character."""

_SHORTEST = 5
"""The smallest number of letters of a word for which similar terms are looked for."""

_LONG_SOUND = 7
"""The smallest number of letters of two sounds that may differ in one letter."""

_LONGEST_ENDING = 4
"""The largest number of letters that an ending has behind the letters that two forms of a word share."""

_WHOLE = 5
"""The smallest number of letters of a term with which a word of any length may begin."""

_NEARLY = 0.2
"""The greatest distance from the likeness of the most similar term."""

_MOST = 4
"""The largest number of terms that stand for one word."""


class LookedUp(NamedTuple):
    """The terms of an index that may be similar to the terms of a word.

    Attributes:
        starts: the first letters of such terms.
        spellings: such terms that differ in one of these letters.
    """

    starts: tuple[str, ...]
    spellings: frozenset[str]

    def has(self, term: str) -> bool:
        """Return True if this is such a term."""
        return term.startswith(self.starts) or term in self.spellings


def can_be_similar(word: str) -> bool:
    """Return True if similar terms may stand for a folded word."""
    return len(word) >= _SHORTEST and word.isalpha()


def to_look_up(terms: Iterable[str]) -> LookedUp:
    """Return what to look up for the terms of a word; see `misspelling.py`."""
    terms = list(terms)
    ends = [term for term in terms if term.startswith(ASKED)]
    long = [term for term in terms if len(term) >= START and not term.startswith((ASKED, PARTED))]
    word_length = max(map(len, long), default=0)
    starts, spellings = {term[:START] for term in long}.union(map(start_of, ends)), _verbs(terms)
    for term in long:
        if len(term) >= _SHORTEST:
            starts |= respelt_starts(term)
            spellings.update(early_errors(term, word_length), last_words(term))
    return LookedUp(tuple(sorted(starts)), frozenset(spellings))


def similar_terms(terms: Collection[str], known: Iterable[str]) -> list[str]:
    """Return the known terms that are most similar to the terms of a word, the most similar first."""
    known = list(known)
    compounds = [one for term in terms if term.startswith(ASKED) for one in compounds_with(term, known)]
    verbs = sorted(_verbs(terms).intersection(known))
    terms = [term for term in terms if not term.startswith((ASKED, PARTED))]
    looked_up = to_look_up(terms)
    found = {
        other: max(_likeness(term, other, is_early=other in looked_up.spellings) for term in terms)
        for other in known
        if looked_up.has(other)
    }
    least = max(found.values(), default=0.0) - _NEARLY
    alike = [other for other, likeness in found.items() if likeness and likeness >= least]
    return sorted(alike, key=lambda other: (-found[other], other))[:_MOST] + compounds + verbs


def _verbs(terms: Iterable[str]) -> set[str]:
    return {term.removeprefix(PARTED) for term in terms if term.startswith(PARTED)}


def _likeness(term: str, other: str, *, is_early: bool) -> float:
    """Return how much two terms are alike, from 0 to 1; 0 if they are hardly forms or spellings of one word.

    `is_early` is True for a term that was looked up because it differs near the beginning.
    """
    shorter, longer = sorted((len(term), len(other)))
    shared = next((at for at in range(shorter) if term[at] != other[at]), shorter)
    is_looked_up = shared >= START or is_early
    if shorter >= _SHORTEST and is_looked_up and _differ_once(term[shared:], other[shared:]):
        return (longer - 1) / longer
    if shorter >= _SHORTEST and (alike := _sound_alike(term, other)):
        return (longer - alike) / longer
    if is_early and term.endswith(other):
        return len(other) / len(term)
    is_form = shared >= START and (longer - shared <= _LONGEST_ENDING or shared == len(other) >= _WHOLE)
    return shared / longer if is_form else 0.0


def _sound_alike(term: str, other: str) -> int:
    """Return how many letters of two terms differ at least if they sound alike, or nearly so if they are long; else 0.

    Other words than those that begin alike are compared only if they sound alike at the beginning.
    """
    first, second = sound(term), sound(other)
    shorter = min(len(first), len(second))
    # The sounds of other scripts are those of vowels, and short words differ in these.
    if first == second:
        return int(shorter >= _LONG_SOUND or term.isascii())
    shared = next((at for at in range(shorter) if first[at] != second[at]), shorter)
    is_near = shorter >= _LONG_SOUND and shared >= START and _differ_once(first[shared:], second[shared:])
    return 2 if is_near else 0


def _differ_once(term: str, other: str) -> bool:
    """Return True if the first letter is missing, too much or another one, or has changed places with the second."""
    if term[:2] == other[1::-1]:
        return term[2:] == other[2:]
    return term[1:] == other or term == other[1:] or term[1:] == other[1:]
