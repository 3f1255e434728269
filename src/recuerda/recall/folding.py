"""Folding: the spellings of one word become one form, without capitals, accents and variants of letters.

A keyboard often lacks a letter, and people leave accents out. So ß is folded to ss, ł to l, ø to o, and the Hawaiian
okina to nothing. A mark that makes another letter stays: Japanese ガ is not カ, and Russian й is not и.
"""

from __future__ import annotations

import re
import unicodedata

_LETTERS = {
    "ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ł": "l", "ı": "i", "ħ": "h", "ŧ": "t",
    "ŋ": "n", "ə": "e", "ё": "е", "ς": "σ", "\u2019": "'", "\u02bc": "'", "\u2018": "'", "`": "'",
    "أ": "ا", "إ": "ا", "آ": "ا", "ٱ": "ا", "ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ؤ": "و", "ئ": "ي",
}  # fmt: skip
_DROPPED = "\u02bb\u0640\u00ad\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\u0307"
_WRITTEN_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}
_GEMINATE = re.compile("(?<=[lL])\u00b7(?=[lL])")
"""The dot between the two letters of Catalan "al·lèrgia"."""
_SPELT = re.compile("(?<![aeiouq])(?:[aou]e(?=[^aeiou])|aa)")
"""A letter with a mark that a keyboard lacks: German "ue" for "ü", Danish "oe" for "ø" and "aa" for "å"."""
_STREETS = (("str", "straße"), ("straße", "str"), ("strasse", "str"))
_MARKS = ((0x300, 0x36F), (0x591, 0x5C7), (0x610, 0x61A), (0x64B, 0x65F), (0x670, 0x670), (0x6D6, 0x6ED))
"""The marks that are only accents, points of vowels, or signs for reading aloud."""


class _Folds(dict[int, str]):
    """Maps the code of a character to its folded form, which is computed when the character is first seen."""

    def __missing__(self, code: int) -> str:
        self[code] = folded = _folded(chr(code))
        return folded


def composed(text: str) -> str:
    """Return a text in which each letter is one character with its marks, and full-width letters are plain ones."""
    return text if text.isascii() else _GEMINATE.sub("", unicodedata.normalize("NFKC", text))


def fold(text: str) -> str:
    """Return a text in lower case, without accents, and with one letter for its variants."""
    return text.lower() if text.isascii() else composed(text).lower().translate(_FOLDS)


def spellings(word: str) -> list[str]:
    """Return other spellings of a word in lower case: "mueller" for "müller", "århus" for "aarhus", "hauptstraße"."""
    written_out = "".join(_WRITTEN_OUT.get(char, char) for char in word)
    plain = _SPELT.sub(lambda match: match[0][0], word)
    ended = [word[: -len(end)] + other for end, other in _STREETS if word.endswith(end) and len(word) > len(end) + 2]
    return list(dict.fromkeys(one for one in (written_out, plain, *ended) if one != word))


def _folded(char: str) -> str:
    if char in _LETTERS:
        return _LETTERS[char]
    if char in _DROPPED or any(first <= ord(char) <= last for first, last in _MARKS):
        return ""
    if unicodedata.category(char) == "Nd":
        return str(unicodedata.decimal(char))
    base = unicodedata.normalize("NFKD", char)[0]
    has_accents = unicodedata.name(base, "").startswith(("LATIN", "GREEK"))
    return _LETTERS.get(base, base) if has_accents else char


_FOLDS = _Folds()
