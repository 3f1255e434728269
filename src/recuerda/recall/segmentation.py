"""The words of a text, found by its script.

Most scripts put spaces between words. Chinese, Japanese, Thai, Lao, Khmer and Burmese do not. Their runs are cut into
single characters and into pairs, so that a word is found inside any run. Korean puts particles behind a word, and they
are removed. Latin words and digits inside such a text are words of their own.

A word of several parts, such as "ORD-2024-0815", "getUserById" or "O'Brien", gives the whole word and its parts.
Numbers are joined if they belong together: "600 123 456" is also "600123456", "20 mg" is also "20mg", and "M-AB 1234"
is also "MAB1234". The ordinal "8th" is the number 8.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple, TypeAlias

from recuerda.recall.folding import fold
from recuerda.recall.function_words import (
    FUNCTION_WORDS,
    HAN_FUNCTION_WORDS,
    KANA_FUNCTION_WORDS,
    KOREAN_FUNCTION_WORDS,
    KOREAN_PARTICLES,
    THAI_FUNCTION_WORDS,
)

MAX_WORD = 64
"""The largest number of characters of a word. The rest is cut off."""

_KNOWN_TOKENS = 50_000
_MANY_LETTERS = 3
_MANY_DIGITS = 7

_HAN = "\u2e80-\u2fdf\u3005-\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_HIRAGANA = "\u3041-\u3096\u309d-\u309f"
_KATAKANA = "\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff"
_CLUSTERED = "\u0e01-\u0e3a\u0e40-\u0e4e\u0e80-\u0edf\u1000-\u109f\u1780-\u17d3"
_UNSPACED = f"{_HAN}{_HIRAGANA}{_KATAKANA}{_CLUSTERED}"
_HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7a3"
# Accents, points of vowels, signs of Indic vowels, and joiners: none of them is a letter, and none ends a word.
_ACCENTS = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u06d6-\u06ed"
_MARKS = f"{_ACCENTS}\u0900-\u0963\u0966-\u0d7f\u200c\u200d\u00ad"
_LETTER = rf"(?:(?![{_UNSPACED}{_HANGUL}_])[\w{_MARKS}])"
_APOSTROPHES = "'\u2019\u2018\u02bc"
_JOINT = re.compile(rf"[{_APOSTROPHES}.@+_\-\u2010\u2011]")
_TOKEN = re.compile(rf"[{_UNSPACED}]+|[{_HANGUL}]+|{_LETTER}+(?:[{_APOSTROPHES}.@+_\-\u2010\u2011]{_LETTER}+)*")
_LATIN_TOKEN = re.compile(r"[^\W_]+(?:['.@+_\-][^\W_]+)*")
_RUN = re.compile(f"([{_HAN}]+)|([{_HIRAGANA}]+)|([{_KATAKANA}]+)|([{_CLUSTERED}]+)")
_SCRIPT = re.compile(f"([{_UNSPACED}])|([{_HANGUL}])")
# A letter of Thai, Lao, Burmese or Khmer with the vowels and tones that belong to it.
_CLUSTER = re.compile(
    "[\u0e40-\u0e44\u0ec0-\u0ec4]?[\u0e01-\u0e2f\u0e45\u0e46\u0e81-\u0eaf\u0edc-\u0edf]"
    "[\u0e30-\u0e3a\u0e47-\u0e4e\u0eb0-\u0ebc\u0ec8-\u0ecd]*"
    "|[\u1000-\u102a\u103f-\u1055](?:\u1039[\u1000-\u1021]|[\u102b-\u103e](?!\u1039)|[\u1000-\u1021]\u103a)*"
    "|[\u1780-\u17b3](?:\u17d2[\u1780-\u17a2]|[\u17b4-\u17d1\u17d3])*|."
)

# Strings without a meaning of their own are cut out of a run, the longest first.
_HAN_FUNCTION = re.compile("|".join(HAN_FUNCTION_WORDS.split()))
_KANA_FUNCTION = frozenset(
    word[at : at + 2] for word in KANA_FUNCTION_WORDS.split() for at in range(max(1, len(word) - 1))
)
_THAI_FUNCTION = re.compile("|".join(THAI_FUNCTION_WORDS.split()))
_KOREAN_FUNCTION = frozenset(KOREAN_FUNCTION_WORDS.split())
_PARTICLES = tuple(sorted(KOREAN_PARTICLES.split(), key=len, reverse=True))

_CONTRACTIONS = frozenset(word for words in FUNCTION_WORDS.values() for word in words.split() if "'" in word)
_ELIDED_WORDS = "l d j m t s n c qu un dell dall nell sull all quell quest jusqu lorsqu puisqu quoiqu gl bell sant"
_ELIDED = frozenset(_ELIDED_WORDS.split())
_CONTRACTED = frozenset(("s", "t", "d", "m", "re", "ve", "ll"))
_BEHIND_VERB_WORDS = "je tu il elle on ils elles ce t ci moi toi le la les lui leur y en"
_BEHIND_VERBS = frozenset(_BEHIND_VERB_WORDS.split())
_OF_ADDRESSES = frozenset(("com", "org", "net", "www", "http", "https"))
_HUMPS = re.compile(r"[A-Z]?[a-z]{2,}|[A-Z]{2,}(?![a-z])")
_NAME_WITH_NUMBER = re.compile(r"([^\W\d_]{3,})(\d{1,6})")
_HASH = re.compile(r"(?=\d*[a-f])(?=[a-f]*\d)[\da-f]{8,64}", re.IGNORECASE)
_SHORT_HASH = 7
"""The number of digits by which people name a commit."""
_VERSION = re.compile(r"[vV]?(\d+(?:\.\d+){1,4})")
_ORDINAL = re.compile(r"(\d{1,4})(?:st|nd|rd|th|er|re|[eè]re|[eè]me|e|o|ste|de)", re.IGNORECASE)
_DIGIT = re.compile(r"\d")
_JOINABLE = re.compile(r"[\d#+&]")
_NO_DIGITS = re.compile(r"\D+")
_THOUSANDS = re.compile(r"(?<![\w.,])\d{1,3}(?:[.,' \u2019]\d{3})+(?![\w.,]?\d)")
_DECIMAL = re.compile(r"(?<![\w.,])(\d+),(\d{1,2})(?![\w.,]?\d)")
_LONG_DECIMAL = re.compile(r"(?<![\w.,])(?:(\d{1,3}(?:\.\d{3})+),(\d{1,2})|(\d{1,3}(?:,\d{3})+)\.(\d{1,2}))(?!\w)")
_WITH_SIGN = re.compile(r"(?<!\w)[A-Za-z](?:\+\+|#)|\b[A-Z]+&[A-Z]+\b")
_UNITS = (
    "mg|kg|g|mcg|ml|cl|dl|l|mm|cm|km|m|kmh|mph|kw|kwh|w|v|mah|kb|mb|gb|tb|hz|ghz|mhz|eur|usd|gbp|chf|h|min|sec|am|pm|"
    "lb|lbs|oz|ft|cal|kcal|bpm|px|iu|ie|ui"
)
_MEASURE = re.compile(rf"(?<![\w.,])(\d+(?:[.,]\d+)?)( ?)({_UNITS})\b", re.IGNORECASE)
_THOUSAND = "k|thousand|tausend|duizend|mil|mille|mila|tusen|tusind|tys|тысяч[аи]?|тыс"
_MILLION = "million|millions|millionen|millones|millon|milhoes|milhões|milioni|miljoen|mio|mln|миллион(?:а|ов)?|млн"
_MULTIPLE = re.compile(rf"(?<![\w.,])(\d{{1,3}}(?:[.,]\d{{1,2}})?) ?(?:({_THOUSAND})|{_MILLION})\b", re.IGNORECASE)
_TIMES = re.compile(r"\b(\d{1,4}) ?[x\u00d7] ?(\d{1,4})\b")
_CLOCK = re.compile(
    r"(?<![\w.:,])(?:(?P<of>at|um|bis|ab|von|kl\.?|klo|alle|om|until|from|by) )?([01]?\d|2[0-3])"
    r"(?:(?P<mark>:|\.| ?h ?)([0-5]\d))?(?![\w:]*:|[.,]\d)(?: ?(?P<end>([ap])\.?m|uhr|o'clock|h)\b|(?!\w))",
    re.IGNORECASE,
)
_GROUPS = re.compile(r"(?<![\w.])(\+?)\(?(\d{1,5})\)?((?:[ ./\-]{1,2}\(?\d{2,8}\)?(?!\w)){1,6})")
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_LETTERS_AND_NUMBER = re.compile(
    r"\b[A-Z]{2} ?\d{2,4}(?: \d{2,4}){1,5}\b|\b[A-Z]{1,3}[ -][A-Z]{1,3}[ -]?\d{1,4}\b"
    r"|\b[A-Z]{2}[ -]?\d{2,4}[ -][A-Z]{2,3}\b|\b[A-Z]{1,2}\d[A-Z\d]? \d[A-Z]{2}\b"
    r"|\b[0-9A-Fa-f]{2}(?::[0-9A-Fa-f]{2}){5}\b"
    r"|\b[A-Z]{1,4} \d{1,10}\b|\b(?:[A-Z]\d|\d[A-Z]) \d{2,5}\b|\b\d{1,3} [A-HJ-Z]\b"
)
"""VAT numbers, number plates such as "M-AB 1234", "AB-123-CD" and "AB12 CDE", British postcodes, addresses of network
cards, flights such as "LH 1234" and "U2 8213", and short names with a number, such as "PS 5" and "12 A"."""


class Word(NamedTuple):
    """A word of a text.

    Attributes:
        text: the word in lower case, with its accents.
        folded: the word without accents; see `fold`.
        is_exact: True if the word has no other forms, such as a number, an identifier or a pair of characters.
    """

    text: str
    folded: str
    is_exact: bool = False


Token: TypeAlias = tuple[str, int, tuple[Word, ...]]
"""A piece of a text, its position, and its words. The numbers that belong together come last, in an empty piece."""


def tokens_of(text: str) -> Iterator[Token]:
    """Yield the tokens of a text that is composed; see `folding.composed`."""
    if text.isascii():
        for match in _LATIN_TOKEN.finditer(text):
            token = match[0]
            yield token, match.start(), _words_of(token)
    else:
        yield from _tokens_of_scripts(text)
    if _JOINABLE.search(text):
        yield "", len(text), tuple(dict.fromkeys(_joined(text)))


def _tokens_of_scripts(text: str) -> Iterator[Token]:
    before, end = "", 0
    for match in _TOKEN.finditer(text):
        token, start = match[0], match.start()
        words = _words_of(token)
        if start == end and before.isdecimal():
            words = (_exact(fold(before) + token[0]), *(word for word in words if word.text != token[0]))
        before, end = token, match.end()
        yield token, start, words


def _words_of(token: str) -> tuple[Word, ...]:
    """Return the words of a token. Long tokens are rarely met again, and would fill the memory."""
    return _known_words(token) if len(token) <= MAX_WORD else _new_words(token)


def _new_words(token: str) -> tuple[Word, ...]:
    if token.isascii() and token.isalpha() and (token.islower() or token.istitle() or token.isupper()):
        return (_plain(token),)
    script = _SCRIPT.match(token)
    if script is None:
        return tuple(word for word in dict.fromkeys(_compound(token)) if word.folded)
    return tuple(map(_exact, _unspaced_parts(token) if script[1] else _korean_parts(token)))


_known_words = lru_cache(_KNOWN_TOKENS)(_new_words)


def _plain(token: str) -> Word:
    return Word(token.lower()[:MAX_WORD], fold(token)[:MAX_WORD])


def _exact(text: str) -> Word:
    return Word(text[:MAX_WORD], text[:MAX_WORD], is_exact=True)


# -- scripts without spaces, and Korean --------------------------------------------------------------------------------


def _unspaced_parts(token: str) -> Iterator[str]:
    for match in _RUN.finditer(token):
        run = match[0]
        if match[1]:
            for rest in _HAN_FUNCTION.sub(" ", run).split():
                yield from rest
                yield from _pairs(rest)
        elif match[2]:
            yield from (pair for pair in _pairs(run) if pair not in _KANA_FUNCTION)
        elif match[3]:
            yield from _triples(_as_hiragana(run))
        else:
            for rest in _THAI_FUNCTION.sub(" ", run).split():
                yield from _cluster_parts(_CLUSTER.findall(rest))


def _pairs(run: str) -> Iterator[str]:
    return (run[at : at + 2] for at in range(len(run) - 1))


def _triples(run: str) -> Iterator[str]:
    """Yield the triples of a word, or a short word itself, so that ガラス (glass) is not カラス (crow)."""
    return (run[at : at + 3] for at in range(max(1, len(run) - 2)) if len(run) > 1)


def _as_hiragana(run: str) -> str:
    return "".join(chr(ord(char) - 0x60) if "\u30a1" <= char <= "\u30f6" else char for char in run)


def _cluster_parts(clusters: list[str]) -> Iterator[str]:
    """Yield the pairs of clusters, and each cluster that may be a word because it has several letters."""
    yield from (cluster for cluster in clusters if len(cluster) >= _MANY_LETTERS or len(clusters) == 1)
    yield from (first + second for first, second in pairwise(clusters))


def _korean_parts(token: str) -> Iterable[str]:
    """Return the pairs of syllables of a word without its particle."""
    stem = next((token.removesuffix(end) for end in _PARTICLES if token.endswith(end) and token != end), token)
    if not _KOREAN_FUNCTION.isdisjoint((token, stem)):
        return ()
    if len(stem) > 1:
        return _pairs(stem)
    # A short word may end like a particle: 아이 is a child, and 빵이 is bread with its particle.
    return (stem, token) if len(token) == 2 else (stem,)


# -- words of several parts --------------------------------------------------------------------------------------------


def _compound(token: str) -> Iterator[Word]:
    if len(token) > 2 * MAX_WORD:
        yield from map(_plain, _JOINT.split(token))
    elif version := _VERSION.fullmatch(token):
        is_whole = _THOUSANDS.fullmatch(token)
        yield _exact(token.replace(".", "") if is_whole else version[1])
    elif ordinal := _ORDINAL.fullmatch(token):
        yield _exact(ordinal[1])
    elif any(mark in token for mark in _APOSTROPHES):
        for part in re.split(r"[\-\u2010\u2011]", token):
            yield from _with_apostrophe(re.sub(f"[{_APOSTROPHES}]", "'", part))
    elif len(parts := _JOINT.split(token)) > 1:
        is_verb = parts[-1].lower() in _BEHIND_VERBS
        if not is_verb:
            yield _exact("".join(map(fold, parts)))
        for part in parts:
            if is_verb or not (part.isalpha() and (len(part) < _MANY_LETTERS or part.lower() in _OF_ADDRESSES)):
                yield from _compound(part)
    else:
        yield from _with_humps(token)


def _with_humps(token: str) -> Iterator[Word]:
    """Yield a word and, of a name such as "getUserById" or "iPhone15", its parts."""
    yield _exact(fold(token)) if _DIGIT.search(token) else _plain(token)
    if _HASH.fullmatch(token):
        yield _exact(fold(token)[:_SHORT_HASH])
    # The rules see a gap at a letter such as "ä", so a word in one case has no parts.
    humps = _HUMPS.findall(token) if token.isascii() or not (token.islower() or token.istitle()) else ()
    if len(humps) > 1 and not token.isupper():
        yield from (_plain(hump) for hump in humps if len(hump) >= _MANY_LETTERS)
    if (named := _NAME_WITH_NUMBER.fullmatch(token)) is not None:
        yield from (_plain(named[1]), _exact(fold(named[2])))


def _with_apostrophe(token: str) -> Iterator[Word]:
    """Yield the words of "l'hôtel", "Ana's", "Ankara'ya" or "O'Brien"."""
    whole = _plain(token)
    if whole.folded in _CONTRACTIONS:
        yield whole
        return
    head, _, tail = token.removesuffix("'s").removesuffix("'S").partition("'")
    if not tail:
        yield from _compound(head)
    elif len(head) == 1 or fold(head) in _ELIDED:
        if head.isupper() and tail[0].isupper():
            yield _exact(fold(head + tail.replace("'", "")))
        yield from _compound(tail)
    elif fold(tail) in _CONTRACTED:
        yield _plain(head.removesuffix("n") if tail == "t" else head)
    elif not head:  # An apostrophe may be a letter of the word, as in U+02BC.
        yield from _compound(tail)
    elif head[0].isupper() and tail.islower():
        yield from _compound(head)
    else:
        yield _exact(fold(head + tail.replace("'", "")))
        yield _plain(head)


# -- numbers and words that belong together ---------------------------------------------------------------------------


def _joined(text: str) -> Iterator[Word]:
    for match in _WITH_SIGN.finditer(text):
        yield _exact(match[0].lower())
    for match in _DECIMAL.finditer(text):
        yield _exact(f"{match[1]}.{match[2]}")
    for match in _LONG_DECIMAL.finditer(text):
        yield _exact(f"{_NO_DIGITS.sub('', match[1] or match[3])}.{match[2] or match[4]}")
    for number, space, unit in _MEASURE.findall(text):
        yield _exact(number.replace(",", ".") + (unit.lower() if space else ""))
    for match in _THOUSANDS.finditer(text):
        yield _exact(_NO_DIGITS.sub("", match[0]))
    yield from _in_one_form(text)
    for match in _GROUPS.finditer(text):
        digits = _NO_DIGITS.sub("", match[0])
        if len(digits) >= _MANY_DIGITS:
            yield _exact(digits)
            if match[1]:
                yield _exact(_NO_DIGITS.sub("", match[3]))
    yield from _ibans(text)
    for match in _LETTERS_AND_NUMBER.finditer(text):
        yield _exact(match[0].replace(" ", "").replace("-", "").replace(":", "").lower())


def _in_one_form(text: str) -> Iterator[Word]:
    """Yield thousands, "4 x 4" and times of day in one form: "10000" for "10k", "14:30" for "2:30 pm" and "14h30"."""
    for match in _MULTIPLE.finditer(text):
        yield _exact(str(round(float(match[1].replace(",", ".")) * (1_000 if match[2] else 1_000_000))))
    yield from (_exact(f"{match[1]}x{match[2]}") for match in _TIMES.finditer(text) if not match[0].isalnum())
    # A dot alone is no time.
    for match in _CLOCK.finditer(text):
        if match["end"] or (match["mark"] and (match["mark"] != "." or match["of"])):
            hour = int(match[2])
            if match[6]:
                hour = hour % 12 + 12 * (match[6].lower() == "p")
            yield _exact(f"{hour:02}:{match[4] or '00'}")


def _ibans(text: str) -> Iterator[Word]:
    """Yield each IBAN, its first groups and its last four digits, because people name it by these."""
    for match in _IBAN.finditer(text):
        iban = match[0].replace(" ", "").lower()
        yield from map(_exact, (iban, *(iban[:end] for end in range(4, min(len(iban), 17), 4)), iban[-4:]))
