"""The terms by which a message is found, and the terms of a question.

A text is put into lower case, without accents. A term is a stem. A Spanish stem has a "+" before it, so that the rules
of one language do not make "plan" and "plane" equal in the other. A message has the stems of its language, which is
recognized by its function words. If a message is too short for that, it has the stems of both languages. A question
always has the stems of both languages. Text in languages that write without spaces (Chinese, Japanese, Thai) is cut
into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import msgspec

from recuerda.recall.stemming import english_stem, spanish_stem
from recuerda.recall.words import ENGLISH_STOPWORDS, SPANISH_STOPWORDS

TERMS_VERSION = 1
"""The version of the rules that make terms. An index that was built with another version is rebuilt."""

MAX_TEXT = 20_000
"""The largest number of characters of a message that are stored and searched. The rest is cut off."""

MAX_WORD = 64

_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_UNSPACED = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
STOPWORDS = ENGLISH_STOPWORDS | SPANISH_STOPWORDS
"""The words that are left out of a text of unknown language."""
_ONLY_ENGLISH = ENGLISH_STOPWORDS - SPANISH_STOPWORDS
_ONLY_SPANISH = SPANISH_STOPWORDS - ENGLISH_STOPWORDS


class Terms(msgspec.Struct, frozen=True):
    """The terms of a message.

    Attributes:
        counts: the number of occurrences of each term.
        size: the number of words from which the terms were made.
    """

    counts: dict[str, int]
    size: int


def clean_text(text: str) -> str:
    """Return a text that every database can store: without NUL and lone surrogates, and at most `MAX_TEXT` long."""
    return text[:MAX_TEXT].replace("\x00", " ").encode(errors="replace").decode().strip()


def fold(text: str) -> str:
    """Return text in lower case and without accents."""
    lower = text.lower()
    if lower.isascii():
        return lower
    return "".join(c for c in unicodedata.normalize("NFKD", lower) if not unicodedata.combining(c))


def words_of(text: str) -> list[str]:
    """Return the words of a text, in lower case, without accents and without "'s"."""
    found: list[str] = []
    for match in _WORD.findall(fold(text)):
        word = match.replace("\u2019", "'").removesuffix("'s")[:MAX_WORD]
        if _UNSPACED.match(word):
            found.extend(_pairs(word))
        else:
            found.append(word)
    return found


def terms_of(text: str) -> Terms:
    """Return the terms by which a message is found."""
    words = words_of(text)
    english, spanish, stopwords = _language(words)
    meant = [word for word in words if word not in stopwords]
    terms: list[str] = []
    if english >= spanish:
        terms.extend(map(english_stem, meant))
    if spanish >= english:
        terms.extend("+" + spanish_stem(word) for word in meant)
    return Terms(Counter(terms), len(meant))


def query_terms(words: Iterable[str]) -> dict[str, int]:
    """Return the terms of a question, each with the number of the word of which it is a form."""
    words = list(words)
    _, _, stopwords = _language(words)
    terms: dict[str, int] = {}
    for number, word in enumerate(dict.fromkeys(words)):
        if word not in stopwords:
            terms.setdefault(english_stem(word), number)
            terms.setdefault("+" + spanish_stem(word), number)
    return terms


def _language(words: Sequence[str]) -> tuple[int, int, frozenset[str]]:
    """Return the counts of function words that are only English or only Spanish, and the stopwords to leave out."""
    english = sum(word in _ONLY_ENGLISH for word in words)
    spanish = sum(word in _ONLY_SPANISH for word in words)
    if english == spanish:
        return english, spanish, STOPWORDS
    return english, spanish, ENGLISH_STOPWORDS if english > spanish else SPANISH_STOPWORDS


def _pairs(word: str) -> Iterable[str]:
    return (word[at : at + 2] for at in range(max(1, len(word) - 1)))
