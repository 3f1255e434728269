"""Stems of English and Spanish words: the part that the forms of a word have in common.

English follows M. F. Porter, "An algorithm for suffix stripping" (Program 14(3), 1980), and looks up irregular forms
first. Spanish is simpler: it removes the endings of number, gender and the common tenses. Both expect lower-case words
without accents. A stem is only compared with other stems.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from itertools import pairwise

from recuerda.recall.words import IRREGULAR_FORMS

_KNOWN_WORDS = 50_000

_STEP_2 = {
    "ational": "ate", "tional": "tion", "enci": "ence", "anci": "ance", "izer": "ize", "abli": "able", "alli": "al",
    "entli": "ent", "eli": "e", "ousli": "ous", "ization": "ize", "ation": "ate", "ator": "ate", "alism": "al",
    "iveness": "ive", "fulness": "ful", "ousness": "ous", "aliti": "al", "iviti": "ive", "biliti": "ble",
}  # fmt: skip
_STEP_3 = {
    "icate": "ic", "ative": "", "alize": "al", "iciti": "ic", "ical": "ic", "ful": "", "ness": "",
}  # fmt: skip
_STEP_4_ENDINGS = "al ance ence er ic able ible ant ement ment ent ou ism ate iti ous ive ize"
# "ion" is removed only after s or t, which stay.
_STEP_4 = dict.fromkeys(_STEP_4_ENDINGS.split(), "") | {"sion": "s", "tion": "t"}

_SPANISH_ENDINGS_TEXT = """
    aciones acion amientos amiento imientos imiento idades idad mente ando iendo ados adas ado ada idos idas ido
    ida aron ieron aban aba abas abamos aste iste asteis isteis amos emos imos ar er ir aria eria iria an en ian
    ia io ias os as es a o e i s
"""
_SPANISH_ENDINGS = tuple(sorted(_SPANISH_ENDINGS_TEXT.split(), key=len, reverse=True))


@lru_cache(_KNOWN_WORDS)
def english_stem(word: str) -> str:
    """Return the stem of an English word."""
    word = IRREGULAR_FORMS.get(word) or IRREGULAR_FORMS.get(word.removesuffix("s"), word)
    if len(word) <= 2 or not word.isascii():
        return word
    word = _without_participle(_without_plural(word))
    if word.endswith("y") and _has_vowel(word[:-1]):
        word = word[:-1] + "i"
    word = _replaced(word, _STEP_2, measure=0)
    word = _replaced(word, _STEP_3, measure=0)
    word = _replaced(word, _STEP_4, measure=1)
    if word.endswith("e"):
        start = word[:-1]
        if _measure(start) > 1 or (_measure(start) == 1 and not _ends_short(start)):
            word = start
    return word[:-1] if word.endswith("ll") and _measure(word) > 1 else word


@lru_cache(_KNOWN_WORDS)
def spanish_stem(word: str) -> str:
    """Return the stem of a Spanish word: the word without its ending, if at least three letters remain."""
    if len(word) > 4 and word.endswith("ces"):
        word = word[:-3] + "z"
    for ending in _SPANISH_ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            return word[: -len(ending)]
    return word


def _without_plural(word: str) -> str:
    if word.endswith(("sses", "ies")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith("ss") else word


def _without_participle(word: str) -> str:
    if word.endswith("eed"):
        return word[:-1] if _measure(word[:-3]) > 0 else word
    for ending in ("ed", "ing"):
        start = word.removesuffix(ending)
        if start != word and _has_vowel(start):
            return _mended(start)
    return word


def _mended(start: str) -> str:
    """Return a stem with the e that "hop(e)d" lost, and without the second p of "hop(p)ed"."""
    if start.endswith(("at", "bl", "iz")):
        return start + "e"
    if len(start) > 1 and start[-1] == start[-2] and _is_consonant(start, -1) and start[-1] not in "lsz":
        return start[:-1]
    return start + "e" if _measure(start) == 1 and _ends_short(start) else start


def _replaced(word: str, endings: Mapping[str, str], *, measure: int) -> str:
    """Return the word with its longest matching ending replaced, if the part before the ending is long enough."""
    for length in range(min(7, len(word) - 1), 1, -1):
        replacement = endings.get(word[-length:])
        if replacement is not None:
            start = word[:-length] + (replacement if len(replacement) == 1 and measure else "")
            if _measure(start) <= measure:
                return word
            return start if measure else start + replacement
    return word


def _is_consonant(word: str, at: int) -> bool:
    at %= len(word)
    if word[at] == "y":
        return at == 0 or not _is_consonant(word, at - 1)
    return word[at] not in "aeiou"


def _measure(word: str) -> int:
    """Return Porter's measure of a word: the number of times that a consonant follows a vowel."""
    kinds = [_is_consonant(word, at) for at in range(len(word))]
    return sum(not before and after for before, after in pairwise(kinds))


def _has_vowel(word: str) -> bool:
    return any(not _is_consonant(word, at) for at in range(len(word)))


def _ends_short(word: str) -> bool:
    """Return True if a word ends with consonant, vowel, consonant, as in "hop" or "fil"."""
    return (
        len(word) > 2
        and _is_consonant(word, -3)
        and not _is_consonant(word, -2)
        and _is_consonant(word, -1)
        and word[-1] not in "wxy"
    )
