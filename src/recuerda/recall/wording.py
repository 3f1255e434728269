"""The words of a query that a message must all have, in any spelling, so that it is forgotten by them.

Some words can be written in several ways, and `text.terms_of` gives a message a term for the whole besides the terms of
the parts: "10k" and "10,000" are both 10000, "3 pm" is 15:00, and "cooking-class" is also two words. So a message has
such a word if it has the whole, or all parts. A part alone is not enough: a message with the date 2024-08-15 does not
say "ORD-2024-0815".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

from recuerda.recall.folding import composed
from recuerda.recall.segmentation import tokens_of
from recuerda.recall.text import query_terms, query_tokens

_MOST_TOGETHER = 8
"""The largest number of neighbouring words that are compared as one number."""
_HYPHEN = re.compile("[-\u2010\u2011]")
_MANY_WORDS = 100
"""The number of words from which on numbers are compared as they are written."""


class Wording:
    """The words of a query.

    Args:
        query: the query.

    Attributes:
        terms: the terms to look for: a message that has all words has some of them. Empty if no word is looked for.
    """

    def __init__(self, query: str) -> None:
        known = query_terms(query)
        tokens = query_tokens(query) if known else []
        self._words = [_spellings(token, known) for token in tokens]
        self._wholes = list(_wholes_of(tokens)) if len(tokens) <= _MANY_WORDS else []
        spelt = (word for spellings in self._words for words in spellings for word in words)
        wholes = [whole.term for whole in self._wholes]
        self.terms: frozenset[str] = frozenset(known).union(wholes, *spelt)

    def are_in(self, terms: Collection[str]) -> bool:
        """Return True if a message with these terms has all words."""
        reached = {0}
        for start, spellings in enumerate(self._words):
            if start in reached:
                if any(all(not word.isdisjoint(terms) for word in words) for words in spellings):
                    reached.add(start + 1)
                reached.update(one.end for one in self._wholes if one.start == start and one.term in terms)
        return len(self._words) in reached

    def numbered(self) -> dict[str, frozenset[int]]:
        """Return terms with the numbers of their words, for a search that counts the words of a message.

        A number has only its value, which each of its spellings has. A word with hyphens has its parts, and the whole
        has the numbers of all of them.
        """
        terms: dict[str, frozenset[int]] = {}
        start = number = 0
        while start < len(self._words):
            values = [one for one in self._wholes if one.start == start and one.is_value]
            if values:
                value = max(values, key=lambda one: one.end)
                terms.setdefault(value.term, frozenset((number,)))
                start, number = value.end, number + 1
                continue
            words = self._words[start][-1]
            for at, word in enumerate(words, number):
                for term in word:
                    terms.setdefault(term, frozenset((at,)))
            for one in self._wholes:
                if (one.start, one.end) == (start, start + 1) and words:
                    terms[one.term] = frozenset(range(number, number + len(words)))
            start, number = start + 1, number + len(words)
        return terms


class _Whole(NamedTuple):
    """A term that stands for neighbouring words of a query, from `start` to before `end`.

    It is a value if each spelling of these words has it.
    """

    start: int
    end: int
    term: str
    is_value: bool


def _spellings(token: str, known: Mapping[str, int]) -> list[list[frozenset[str]]]:
    """Return the terms of each word of a token as it is written and, if it has hyphens, as several words."""
    parts = _HYPHEN.sub(" ", token)
    words_of_parts = query_terms(parts)
    spelt = [word for part in parts.split() for word in _words_of(part, words_of_parts)]
    return [_words_of(token, known), *([spelt] if len(spelt) > 1 else [])]


def _words_of(token: str, known: Mapping[str, int]) -> list[frozenset[str]]:
    """Return the terms of each word of a token that counts in its query."""
    words: dict[int, list[str]] = {}
    for term, number in query_terms(token).items():
        words.setdefault(number, []).append(term)
    return [frozenset(forms) for terms in words.values() if (forms := _forms(terms, known))]


def _forms(terms: Sequence[str], known: Mapping[str, int]) -> set[str]:
    """Return all terms of a word in a query; none if the word does not count in it, as "the" beside others."""
    numbers = {known[term] for term in terms if term in known}
    return {*terms, *(term for term, number in known.items() if number in numbers)} if numbers else set()


def _wholes_of(tokens: Sequence[str]) -> Iterator[_Whole]:
    """Yield the terms that stand for one word or for several neighbouring ones, and for no fewer of them."""
    for start, token in enumerate(tokens):
        known: set[str] = set()
        for end in range(start + 1, min(start + _MOST_TOGETHER, len(tokens)) + 1):
            if end > start + 1 and not _digits(token):
                break
            text = " ".join(tokens[start:end])
            longest = max({*_exact(text), *_joined(text)} - known, key=len, default="")
            known |= {*_exact(text), *_joined(text), *_joined(tokens[end - 1])}
            if longest and (_size(longest) >= _size(text) or _digits(longest) > _digits(text)):
                yield _Whole(start, end, longest, longest in _joined(text))
                if longest.isalpha():
                    yield from (_Whole(start, end, form, is_value=False) for form in query_terms(longest))


def _exact(text: str) -> list[str]:
    """Return the words of a text that are compared as they are written, such as codes."""
    return [word.folded for token, _, found in tokens_of(composed(text)) if token for word in found if word.is_exact]


def _joined(text: str) -> list[str]:
    """Return the numbers, codes and times of day of a text as one word each."""
    return [word.folded for token, _, found in tokens_of(composed(text)) if not token for word in found]


def _size(text: str) -> int:
    return sum(map(str.isalnum, text))


def _digits(text: str) -> int:
    return sum(map(str.isdecimal, text))
