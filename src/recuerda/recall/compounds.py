"""Compounds and their last words: "Krankenversicherung" is found by "Versicherung", and the other way round.

In German, Dutch, Finnish and the languages of Scandinavia, a word may end with another one, which tells what it is. A
message in such a language has a further term for each long word: its stem from the end, so that an index finds the
words with an end as it finds words with a start. They are no words of the message, so they count in no search box.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

_END = "~"
"""The first character of a term that is read from its end. No word begins with it."""

ASKED = "~~"
"""The first characters of a term of a question that stands for all terms with an end. No message has it."""

LANGUAGES = ("de", "nl", "sv", "no", "da", "fi")
"""The languages whose compounds are looked for."""

_FIRST = "kinder"
"""A first word. The stem of a word is that of a compound only behind another word: "Zahnarzttermin" loses an ending."""
_SHORTEST = 8
"""The smallest number of letters of a compound."""
_SHORTEST_LAST = 4
"""The smallest number of letters of the stem of a last word. Shorter ones end too many other words."""
_SHORTEST_ASKED = 5
"""The smallest number of letters of a word by which compounds are found, and of the last word of an unknown one."""
_NO_END = re.compile("s[bdfglmnprvwz]$")
"""Letters at which no first word ends: "Wohnungspreis" is no "Reise"."""
_SHORTEST_FIRST = 3
_LEAST_STEM = _SHORTEST_LAST + _SHORTEST_FIRST
_SHORTEST_FIRST_UNKNOWN = 4
_LONGEST = 16
"""The largest number of letters of a term that is read from its end."""
_MOST = 12
"""The largest number of compounds that a word stands for."""
_NO_FIRST_WORDS = """
    abge ange aufge ausge beige einge mitge nachge vorge zuge
    aan achter als auf aus bei ent fest fort fur gegen hin her los mis miss mit nach onder over ober tegen terug uber um
    unter ver vor vorbei weg wider wieder zer zuruck zusammen durch uit voor door
    fore fort for fram frem inn ned opp under upp ute mot med sam til till
    anti counter dis fore inter non out over pre pro sub super trans under counter
"""
_NO_FIRST = frozenset(_NO_FIRST_WORDS.split())
"""Prefixes that make another word: "Bestellung" is no kind of "Stellung"."""


def ends_of(stems: Iterable[tuple[str, str]], language: str) -> list[str]:
    """Return the terms of a text that are read from their ends.

    Args:
        stems: the folded words of the text, each with its stem.
        language: the language of the text.
    """
    if language not in LANGUAGES:
        return []
    return [
        _end(stem) for word, stem in stems if len(word) >= _SHORTEST and word.isalpha() and len(stem) >= _LEAST_STEM
    ]


def ends_asked(words: Mapping[str, int], languages: Collection[str], stem: Callable[[str, str], str]) -> dict[str, int]:
    """Return the ends by which the words of a question find compounds, each with the number of its word.

    Args:
        words: the folded words of the question, with their numbers.
        languages: the languages that the question may have; nothing if it does not tell.
        stem: returns the stem of a word in a language.
    """
    asked = [one for one in LANGUAGES if not languages or one in languages]
    ends: dict[str, int] = {}
    for word, number in words.items():
        if len(word) >= _SHORTEST_ASKED and word.isalpha():
            stems = {stem(_FIRST + word, language).removeprefix(_FIRST) for language in asked}
            ends |= {_END + _end(one): number for one in stems if len(one) >= _SHORTEST_LAST}
    return ends


def start_of(asked: str) -> str:
    """Return the start of the terms for which a term of `ends_asked` stands."""
    return asked.removeprefix(_END)


def compounds_with(asked: str, known: Iterable[str]) -> list[str]:
    """Return the known terms of compounds for which a term of `ends_asked` stands, the shortest first."""
    end = start_of(asked)
    found = [one for one in known if one.startswith(end) and _is_first(one[len(end) :][::-1], len(one))]
    return sorted(found, key=lambda one: (len(one), one))[:_MOST]


def last_words(term: str) -> Iterator[str]:
    """Yield what may be the last word of a term that no memory has."""
    if len(term) >= _SHORTEST:
        for at in range(_SHORTEST_FIRST_UNKNOWN, len(term) - _SHORTEST_ASKED + 1):
            if term[:at] not in _NO_FIRST:
                yield term[at:]


def shown(term: str) -> str:
    """Return a term as people read it."""
    return term[:0:-1] if term.startswith(_END) else term


def _end(stem: str) -> str:
    return _END + stem[: -_LONGEST - 1 : -1]


def _is_first(first: str, length: int) -> bool:
    """Return True if the letters before a last word may be a word. Of a long term, the first letters are unknown."""
    if len(first) < _SHORTEST_FIRST or _NO_END.search(first):
        return False
    return length > _LONGEST or first not in _NO_FIRST
