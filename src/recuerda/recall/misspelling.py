"""Other spellings of a term: those that sound alike, and those that differ near the beginning.

People write a word as it sounds, double the wrong letter, leave one out, or swap two. `sound` gives one form to the
spellings that sound alike in most European languages. The other functions return the beginnings and the terms to look
up, because an index cannot look for a sound.

The longer a term is, the fewer other words are near it. So a letter that is wrong or missing near the beginning is only
seen through in long terms: "tailor" is no "sailor".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

EARLY = 4
"""The number of letters at the beginning in which a term is looked up by its other spellings."""

_SHORTEST = 5
_LONG = 6
"""The smallest number of letters of a term in which a missing letter or a wrong vowel is seen through."""
_LONG_WORD = 8
"""The smallest number of letters of a word in which a wrong vowel is seen through, and of a term, any wrong letter."""

_SOUNDS = (
    ("sch", "sh"), ("tch", "ch"), ("ph", "f"), ("ck", "k"), ("ch", "k"), ("rh", "r"), ("th", "t"), ("sc", "s"),
    ("ps", "s"), ("x", "ks"), ("q", "k"), ("c", "k"), ("z", "s"), ("y", "i"), ("w", "v"),
    ("αι", "ε"), ("ει", "ι"), ("οι", "ι"), ("η", "ι"), ("υ", "ι"), ("ω", "ο"),
    ("о", "а"), ("е", "и"), ("э", "и"),
)  # fmt: skip
"""Pairs of letters that sound alike, in the order in which the second ones replace the first ones."""
_SOFT = re.compile("c(?=[eiy])")
_DOUBLED = re.compile(r"(\w)\1+")
_RESPELT = (*_SOUNDS, ("c", "s"), ("k", "ch"))
_ALPHABETS = ("abcdefghijklmnopqrstuvwxyz", "абвгдежзийклмнопрстуфхцчшщыьэюя", "αβγδεζηθικλμνξοπρστυφχψω")
_VOWELS = ("aeiouy", "аеиоуыэюя", "αεηιουω")
_SILENT = "h"


@lru_cache(10_000)
def sound(term: str) -> str:
    """Return the form that the spellings of a term share which sound alike."""
    term = _SOFT.sub("s", term)
    for letters, others in _SOUNDS:
        term = term.replace(letters, others)
    return _DOUBLED.sub(r"\1", term)


def respelt_starts(term: str) -> set[str]:
    """Return the first letters of spellings that sound like a term, of which one sound is written in another way."""
    plain = _DOUBLED.sub(r"\1", term)
    spelt = [plain]
    for at in range(EARLY):
        spelt.append(plain[: at + 1] + plain[at:])
        for pair in _RESPELT:
            for letters, others in (pair, pair[::-1]):
                if plain.startswith(letters, at):
                    spelt.append(plain[:at] + others + plain[at + len(letters) :])
    return {one[:EARLY] for one in spelt}


def early_errors(term: str, word_length: int) -> Iterator[str]:
    """Yield the terms from which a term differs by one error near the beginning.

    Args:
        term: the term.
        word_length: the number of letters of the word of the term.
    """
    alphabet, vowels = next(
        (of for of in zip(_ALPHABETS, _VOWELS, strict=True) if term[0] in of[0]), (_ALPHABETS[0], _VOWELS[0])
    )
    for at in range(EARLY):
        rest = term[at + 1 :]
        yield term[:at] + rest
        yield term[:at] + rest[:1] + term[at] + rest[1:]
        yield term[: at + 1] + term[at:]
        for letter in alphabet if len(term) >= _LONG else vowels + _SILENT:
            yield term[:at] + letter + term[at:]
        if len(term) >= _LONG_WORD:
            yield from (term[:at] + letter + rest for letter in alphabet)
        elif len(term) >= _LONG and word_length >= _LONG_WORD and term[at] in vowels:
            yield from (term[:at] + letter + rest for letter in vowels)
