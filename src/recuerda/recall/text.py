"""The terms by which a message is found, and the terms of a question.

A text is put into lower case, without accents. A term is a stem. A Spanish stem has a "+" before it, so that the rules
of one language do not make "plan" and "plane" equal in the other. A message has the stems of its language, which is
recognized by its function words. If a message is too short for that, it has the stems of both languages. A question
always has the stems of both languages. Text in languages that write without spaces (Chinese, Japanese, Thai) is cut
into pairs of characters.

A message has further terms: the names of its speaker, and `ABOUT_ASKER` if a user talks about themselves. A question
without any word that matters, such as "What did Ben say?" or "Who am I?", is looked up by these. A user's
standing instructions and preferences have the term `STANDING`.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import islice

import msgspec

from recuerda.recall.stemming import english_stem, spanish_stem
from recuerda.recall.words import ENGLISH_STOPWORDS, SPANISH_STOPWORDS

TERMS_VERSION = 4
"""The version of the rules that make terms. An index that was built with another version is rebuilt."""

MAX_TEXT = 20_000
"""The largest number of characters of a message that are stored and searched. The rest is cut off."""

MAX_QUESTION = 2_000
"""The number of characters of a question from which on it is shortened; see `essence`."""

ABOUT_ASKER = "==self"
"""The term of a user's message about themselves. No word and no name has this form."""

STANDING = "==standing"
"""The term of a user's message with a standing instruction or a preference. No word and no name has this form."""

MAX_WORD = 64
_NAME = "="
_MIDDLE_WORDS = 100

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


def speaker_terms(name: str | None) -> list[str]:
    """Return the terms of a speaker's name, one for each word that a question may use for the person."""
    return [_NAME + word for word in name_words(name or "")]


def name_words(name: str) -> list[str]:
    """Return the words of a name that a question may use for the person."""
    return [word for word in islice(words_of(name), 4) if len(word) > 1 and word not in STOPWORDS]


def without_names(question: str, names: Iterable[str]) -> str:
    """Return a question without the names of speakers, or the whole question if nothing else is left.

    A message hardly ever has the name of its speaker, so a name in a question makes its vector less like the answer's.
    """
    parts = {word for name in names for word in name_words(name)}
    rest = _WORD.sub(lambda match: "" if parts.intersection(words_of(match[0])) else match[0], question)
    return rest if _WORD.search(rest) else question


def essence(question: str) -> str:
    """Return a question or, if it is very long, its beginning, its end, and words that stand only once between them.

    A long message is mostly something that was pasted, and the question stands before it or after it. A word that
    stands only once in the paste may still be a name.
    """
    if len(question) <= MAX_QUESTION:
        return question
    half = MAX_QUESTION // 2
    counts = Counter(_WORD.findall(question[half:-half]))
    rare = [word for word, count in counts.items() if count == 1 and not word.isdecimal()]
    chosen = rare[:: max(1, len(rare) // _MIDDLE_WORDS)][:_MIDDLE_WORDS]
    return "\n".join((question[:half], " ".join(chosen), question[-half:]))


def _language(words: Sequence[str]) -> tuple[int, int, frozenset[str]]:
    """Return the counts of function words that are only English or only Spanish, and the stopwords to leave out."""
    english = sum(word in _ONLY_ENGLISH for word in words)
    spanish = sum(word in _ONLY_SPANISH for word in words)
    if english == spanish:
        return english, spanish, STOPWORDS
    return english, spanish, ENGLISH_STOPWORDS if english > spanish else SPANISH_STOPWORDS


def _pairs(word: str) -> Iterable[str]:
    return (word[at : at + 2] for at in range(max(1, len(word) - 1)))
