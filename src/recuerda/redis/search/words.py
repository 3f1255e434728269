"""The words of a text, for the index and for queries.

The query engine splits text at ASCII punctuation only, so "cómo" would never find "¿Cómo". A user's text could also
break its query syntax. So the engine only gets the words that are made here: letters and digits, in lower case and
without accents. Text in languages that write without spaces is cut into pairs of characters.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

MAX_QUERY_WORDS = 48
"""The largest number of words in a query. Of a longer text, the last words are used, because a question is usually at
the end."""

MAX_WORD_LENGTH = 64

# Accents, and the marks that follow an emoji.
_ACCENT = re.compile(r"[\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f]")
_UNSPACED = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
_SMALL_WORDS = """
    a about am an and any are as at be been but by can could did do does for from had has have he her his how i if in is
    it its just me my no not of on or our she so some than that the their them then there these they this to us was we
    were what when where which who why will with would you your
    al algo como con cual cuando de del donde el ella ellas ellos en era eres es esa ese eso esta este esto fue ha hay
    la las le les lo los mas me mi mis muy no nos o para pero por porque que quien se ser si sin sobre son su sus
    tambien te tu tus un una unas uno unos y ya yo
"""
_STOPWORDS = frozenset(_SMALL_WORDS.split())


def words_of(text: str) -> Iterator[str]:
    """Yield the words of a text in order, in the form in which the index has them."""
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", text.casefold()))
    for run in _runs(plain):
        start = 0
        for match in _UNSPACED.finditer(run):
            if run[start : match.start()]:
                yield run[start : match.start()][:MAX_WORD_LENGTH]
            yield from _pairs(match[0])
            start = match.end()
        if run[start:]:
            yield run[start:][:MAX_WORD_LENGTH]


def query_words(text: str) -> list[str]:
    """Return the words to look for, each once.

    Stopwords (English and Spanish) are left out if there are other words.
    """
    words = list(dict.fromkeys(words_of(text)))
    return ([word for word in words if word not in _STOPWORDS] or words)[-MAX_QUERY_WORDS:]


def _runs(text: str) -> Iterator[str]:
    """Split a text at every character that is not a letter, a digit, or a mark that belongs to a letter or digit."""
    run: list[str] = []
    for character in text:
        if unicodedata.category(character)[0] in "LNM":
            run.append(character)
        elif run:
            yield "".join(run)
            run.clear()
    if run:
        yield "".join(run)


def _pairs(text: str) -> Iterator[str]:
    if len(text) == 1:
        yield text
    for start in range(len(text) - 1):
        yield text[start : start + 2]
