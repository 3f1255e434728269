"""The terms by which a message is found, and the terms of a question.

A text is cut into words (see `segmentation`), and function words are left out. A term is the stem of a word in the
language of the text (see `languages`), without accents. So a message has one term for each word. A question has a term
for each stem that a message may have for the word. A number in words is also a number in digits (see `number_words`).
If it has several words, a question has only the digits, because "three" is no part of 23.

A message has further terms: the names of its speaker, `ABOUT_ASKER` if a user talks about themselves, and `IDENTITY` if
they say who they are. A question without any word that matters, such as "What did Ben say?" or "Who am I?", is looked
up by these. A user's messages with standing instructions and preferences have the term `STANDING`. Each emoji of a
message is a term, which only a search in threads asks for, and only if it has no word: an emoji is no word of a text,
and changes no rank.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from operator import itemgetter
from typing import NamedTuple

import msgspec

from recuerda.recall.about_me import facts_told
from recuerda.recall.ahead import ahead_terms
from recuerda.recall.compounds import ends_of
from recuerda.recall.folding import composed, fold
from recuerda.recall.languages import ENGLISH, STOPWORDS, languages_of, stem, stems
from recuerda.recall.number_words import Number, may_have_number, numbers_in
from recuerda.recall.segmentation import Token, Word, tokens_of

TERMS_VERSION = 31
"""The version of the rules that make terms. An index that was built with another version is rebuilt."""

MAX_TEXT = 20_000
"""The largest number of characters of a message that are stored and searched. The rest is cut off."""

MAX_QUESTION = 2_000
"""The number of characters of a question from which on it is shortened; see `essence`."""

ABOUT_ASKER = "==self"
"""The term of a user's message about themselves. No word and no name has this form."""

IDENTITY = "==is"
"""The term of a user's message that says who they are; see `identity.py`. No word and no name has this form."""

STANDING = "==standing"
"""The term of a user's message with a standing instruction or a preference. No word and no name has this form."""

_NAME = "="
_MIDDLE_WORDS = 100
_MANY_WORDS = 20
_SHORT = 2
_OF_SHORT_WORDS = "vi"
"""The language in which most words have a few letters."""

_WRITTEN = re.compile(r"\S+")
_WORD = re.compile(r"[^\W_]+(?:['\u2019][^\W_]+)*")
_LETTERS_AND_DIGITS = re.compile(r"\b([A-Za-z]{1,4}|[A-Za-z]\d|\d[A-Za-z])[ -](\d{2,10})\b")
_DIGITS_AND_LETTERS = re.compile(r"\b(\d{3,10})[ -]([A-Za-z]{1,4})\b")
_NUMBER_PLATE = re.compile(r"(\d{3,10})[a-z]{1,4}")
_VERSION = re.compile(r"(\d+\.\d+)(?:\.\d+)+")
_CODE = re.compile(r"([a-z]{0,8}|[a-z]\d|\d[a-z])(\d{1,6})")
_LONGEST_NUMBER = 6
_TELLING_DIGITS = 3
_EMOJI = re.compile(
    "[\U0001f1e6-\U0001f1ff]{2}|[\u231a-\u23ff\u2600-\u27bf\u2b00-\u2bff\U0001f000-\U0001f1e5\U0001f200-\U0001f3fa]"
    "|[\U0001f400-\U0001faff]"
)
"""A flag, or a sign without its skin tone and its form. A sign of several signs, such as a family, is found by each."""
_NO_NAMES = STOPWORDS["en"] | STOPWORDS["es"] - {"mia"}
_END = re.compile(r"[.!?\u2026:;\n\"\u201c\u201e\u00ab(\[\u00bf\u00a1*]\W*$|^\W*$")
_ASKED = re.compile(r"[^.!\n]*\?")
_RARELY_NAME_WORDS = """
    the a an of and in on at to for by with from or i i'm i've i'll i'd
    sie ihr ihre ihrem ihren ihrer ihres ihnen du dich dir dein deine deinem deinen deiner euch euer eure lei le la
"""
_RARELY_NAMES = frozenset(_RARELY_NAME_WORDS.split())
"""Function words with a capital in titles, always (English "I"), or to be polite (German "Sie")."""
_AUXILIARY_NAMES = frozenset(("will", "may"))
"""Names that begin a question if they are verbs, but begin a statement if they are names."""


_BEFORE_NAME = re.compile(r"\b(?:did|does|is|was|has|had|about|with|for|from|to|of|met|and)\s$", re.IGNORECASE)
"""Words behind which "will" and "may" are no auxiliaries, also without a capital."""


class Terms(msgspec.Struct, frozen=True):
    """The terms of a message.

    Attributes:
        counts: the number of occurrences of each term.
        size: the number of words from which the terms were made.
        words: all folded words of the message, also those without a term.
    """

    counts: dict[str, int]
    size: int
    words: frozenset[str] = frozenset()


def clean_text(text: str) -> str:
    """Return a text that every database can store: without NUL and lone surrogates, and at most `MAX_TEXT` long."""
    return text[:MAX_TEXT].replace("\x00", " ").encode(errors="replace").decode().strip()


def words_of(text: str) -> list[str]:
    """Return the folded words of a text."""
    return [word.folded for _, _, words in tokens_of(composed(text)) for word in words]


def terms_of(text: str) -> Terms:
    """Return the terms by which a message is found."""
    meant, languages, words, numbers = _meant(text)
    language = languages[0] if languages else ENGLISH
    terms = [word.folded if word.is_exact else stem(word.text, language) for word in meant]
    terms += ends_of(zip([word.folded for word in meant], terms, strict=True), language)
    terms += [number.value for number in numbers]
    terms += [version[1] for term in terms if "." in term and (version := _VERSION.fullmatch(term))]
    short = {term for term in terms if len(term) <= _SHORT and term.isalpha() and term.isascii()}
    if short and language != _OF_SHORT_WORDS:
        terms += _joined_short_words(words, meant, short)
    return Terms(Counter(terms), len(meant), frozenset([word.folded for word in words]))


def _joined_short_words(said: Sequence[Word], meant: Sequence[Word], short: Collection[str]) -> list[str]:
    """Return short words joined with their neighbours, because "wi fi" is also "wifi".

    They have English stems, which every question has beside others.
    """
    latin = {word.folded for word in meant if word.folded.isascii()}
    near = [pair for pair in pairwise(said) if pair[0].folded in short or pair[1].folded in short]
    return [stem(first + second, ENGLISH) for pair in near for first, second in _parted_words(pair, latin)]


def query_terms(question: str, *, without: Collection[str] = ()) -> dict[str, int]:
    """Return the terms of a question, each with the number of the word of which it is a form.

    Args:
        question: the question.
        without: folded words that are left out.
    """
    meant, languages, said, in_words = _meant(question, is_question=True)
    words = dict.fromkeys(word for word in meant if word.folded not in without)
    if not languages and len(words) > _MANY_WORDS:
        languages = [ENGLISH]
    terms: dict[str, int] = {}
    for number, word in enumerate(words):
        for term in _forms_of_exact(word) if word.is_exact else stems(word.text, languages):
            terms.setdefault(term, number)
    numbers = {word.folded: number for number, word in enumerate(words)}
    for first, second in _parted_words(said, numbers) if len(words) <= _MANY_WORDS else ():
        number = numbers[first] if first in numbers else numbers[second]
        terms.setdefault(first + second, number)
        terms.setdefault(stem(first + second, languages[0] if languages else ENGLISH), number)
    for one in in_words:
        if one.word and one.word not in without:
            terms.setdefault(one.value, numbers.setdefault(one.word, len(numbers)))
    for digits, code in _parted_codes(question):
        if digits in numbers:
            terms.setdefault(code, numbers[digits])
    _add_other_codes(terms)
    return terms


def _parted_codes(question: str) -> Iterator[tuple[str, str]]:
    """Yield the digits of codes that are written in two parts, such as "BA 286" and "4821 KLM", each with its code."""
    for letters, digits in _LETTERS_AND_DIGITS.findall(question):
        yield digits, fold(letters) + digits
    for digits, letters in _DIGITS_AND_LETTERS.findall(question):
        yield digits, digits + fold(letters)


def _forms_of_exact(word: Word) -> list[str]:
    """Return the forms of an exact word. "Co-worker" is also a form of the word that others write as one."""
    is_word = word.folded.isascii() and word.folded.isalpha()
    return list(dict.fromkeys((word.folded, stem(word.folded, ENGLISH)))) if is_word else [word.folded]


def _add_other_codes(terms: dict[str, int]) -> None:
    for term, number in sorted(terms.items(), key=lambda one: not one[0].isdecimal()):
        for form in _other_codes(term):
            terms.setdefault(form, number)


def _parted_words(said: Sequence[Word], meant: Collection[str]) -> Iterator[tuple[str, str]]:
    """Yield neighbouring words that may be one word, such as "wi fi", of which at least one is meant.

    A function word is such a part only if it is as short as the letter of "e mail", and no English word.
    """
    for first, second in pairwise(one.folded for one in said):
        if (first in meant or second in meant) and not (first.isdecimal() or second.isdecimal()):
            parts = (first, second)
            if all(one in meant or (len(one) <= _SHORT and one not in STOPWORDS[ENGLISH]) for one in parts):
                yield parts


def _other_codes(term: str) -> Iterator[str]:
    """Yield other forms of a number or a code: without and with zeros, and the number of a code or a plate alone.

    A flight is "BA 286", "BA0286" or "BA-286", and an invoice is 42 or "INV-0042". A zero before one digit stays,
    because it is that of a day or a month.
    """
    if (plate := _NUMBER_PLATE.fullmatch(term)) is not None:
        yield plate[1]
    code = _CODE.fullmatch(term)
    if code is None:
        return
    letters, digits = code.groups()
    least = digits.lstrip("0")
    if not least or (len(least) == 1 and len(digits) == 2):
        return
    longer = range(max(_TELLING_DIGITS, len(least) + 1), _LONGEST_NUMBER + 1)
    forms = [least, *(least.zfill(size) for size in longer)]
    yield from (letters + form for form in forms)
    if letters and len(least) >= _TELLING_DIGITS:
        yield from forms


def query_words(question: str) -> set[str]:
    """Return the folded words of a question that are no function words."""
    return {word.folded for word in _meant(question).words}


def query_tokens(query: str) -> list[str]:
    """Return the words of a query as they are written. The words of one number are one token."""
    text = composed(query)
    spans = [match.span() for match in _WRITTEN.finditer(text)]
    for number in _meant(text).numbers:
        inside = [span for span in spans if span[0] < number.end and number.start < span[1]]
        if len(inside) > 1:
            spans = [span for span in spans if span not in inside] + [(inside[0][0], inside[-1][1])]
    return [text[start:end] for start, end in sorted(spans)]


def emoji_terms(text: str) -> dict[str, frozenset[int]]:
    """Return the terms of the emoji in a text, each with its number."""
    found = () if text.isascii() else dict.fromkeys(_EMOJI.findall(text))
    return {emoji: frozenset((number,)) for number, emoji in enumerate(found)}


def places_of(text: str, terms: Collection[str], *, like: str | None = None) -> list[tuple[int, int]]:
    """Return the places of the words and emoji that have one of these terms, in order: the start and the end of each.

    Args:
        text: a text that is composed; see `folding.composed`.
        terms: the terms.
        like: the text whose language decides about the terms, if `text` is a part of it.
    """
    whole = text if like is None else like
    languages = languages_of(words_of(whole), whole)
    language = languages[0] if languages else ENGLISH
    numbers = [(one.start, one.end) for one in numbers_in(text, languages) if one.value in terms]
    places = [
        (start, start + len(token))
        for token, start, words in tokens_of(text)
        if token
        and any((one.folded if one.is_exact else stem(one.text, language)) in terms for one in words)
        and not any(of <= start < end for of, end in numbers)
    ]
    return sorted(places + numbers + [match.span() for match in _EMOJI.finditer(text) if match[0] in terms])


def speaker_terms(name: str | None) -> list[str]:
    """Return the terms of a speaker's name, one for each word that a question may use for the person."""
    return [_NAME + word for word in name_words(name or "")]


def probable_terms(text: str, speaker: str | None, created_us: int) -> set[str]:
    """Return the terms that a document with this text probably has, also if more than the text decides about them."""
    terms = terms_of(text)
    marks = (ABOUT_ASKER, IDENTITY, STANDING, *facts_told(text), *ahead_terms(text, terms.words, created_us))
    return {*terms.counts, *speaker_terms(speaker), *emoji_terms(text), *marks}


def name_words(name: str) -> list[str]:
    """Return the words of a name that a question may use for the person; see `possible_names`.

    A function word counts if it is the whole name or has a capital: that of "Will Byers", not that of "Ana de Armas".
    """
    words = [
        (word.folded, token[:1].isupper() and word.folded not in _RARELY_NAMES)
        for token, _, found in tokens_of(composed(name))
        for word in found
    ]
    return [
        word for word, is_name in words[:4] if len(word) > 1 and (is_name or len(words) == 1 or word not in _NO_NAMES)
    ]


def possible_names(question: str) -> set[str]:
    """Return the folded words of a question that may name a person: all but function words that are used as such."""
    text = composed(question)
    return {
        word.folded
        for token, start, found in tokens_of(text)
        for word in found
        if word.folded not in _NO_NAMES
        or (token[:1].isupper() and _is_name(word.folded, token, start, text))
        or (word.folded in _AUXILIARY_NAMES and _is_behind_verb(start, text))
    }


def without_names(question: str, names: Iterable[str]) -> str:
    """Return a question without the names of speakers, or the whole question if nothing else is left.

    A message hardly ever has the name of its speaker, so a name in a question makes its vector less like the answer's.
    """
    parts = {word for name in names for word in name_words(name)} & possible_names(question)
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


class _Meant(NamedTuple):
    """The words of a text that are no function words, its likeliest languages, all of its words, and its numbers."""

    words: list[Word]
    languages: Sequence[str]
    said: list[Word]
    numbers: Sequence[Number]


def _meant(text: str, *, is_question: bool = False) -> _Meant:
    """Return what a text means. In a question, numbers of several words are numbers in digits."""
    text = composed(text)
    tokens = list(tokens_of(text))
    words = [word for _, _, found in tokens for word in found]
    folded = [word.folded for word in words]
    languages = languages_of(folded, text)
    numbers = list(numbers_in(text, languages)) if may_have_number(folded, languages) else []
    if is_question and numbers:
        tokens = _with_digits(tokens, numbers)
        words = [word for _, _, found in tokens for word in found]
    if not languages:
        return _Meant(words, languages, words, numbers)
    stopwords = STOPWORDS[languages[0]]
    meant = [
        word
        for token, start, found in tokens
        for word in found
        if word.is_exact
        or word.folded not in stopwords
        or (token[:1].isupper() and _is_name(word.folded, token, start, text))
        or (word.folded in _AUXILIARY_NAMES and _is_behind_verb(start, text))
    ]
    return _Meant(words if len(words) == 1 else meant, languages, words, numbers)


def _with_digits(tokens: Sequence[Token], numbers: Sequence[Number]) -> list[Token]:
    """Return the tokens of a question with a number in digits instead of the words of each number that has several."""
    several = [number for number in numbers if not number.word]
    kept = [one for one in tokens if not any(of.start <= one[1] < one[1] + len(one[0]) <= of.end for of in several)]
    digits = [("", of.start, (Word(of.value, of.value, is_exact=True),)) for of in several]
    return sorted([*kept, *digits], key=itemgetter(1))


def _is_behind_verb(start: int, text: str) -> bool:
    """Return True if a word behind which "will" and "may" are names ends at a place of a text."""
    return _BEFORE_NAME.search(text[max(0, start - 8) : start]) is not None


def _is_name(word: str, token: str, start: int, text: str) -> bool:
    """Return True if a function word is a name, such as "Will", "Mia" or "IT": it has a capital inside a sentence."""
    if len(token) == 1 or word in _RARELY_NAMES:
        return False
    if token.isupper() and not text.isupper():
        return True
    if not _END.search(text[max(0, start - 4) : start]):
        return token.removesuffix("'s").removesuffix("\u2019s").istitle()
    return word in _AUXILIARY_NAMES and not _ASKED.match(text, start)
