"""Numbers in words: "twenty-three", "dreiundzwanzig", "vingt-trois" and "a dozen" are 23 and 12.

The words of a number are values of one language, which are added and multiplied from left to right. "One" and its like
count inside a number only, because they are articles and pronouns too. Some words also mean something else in another
language, such as Polish "ten" and English "fire"; alone, they count only in a text that tells its language.

The packages num2words and text2num were weighed and left out. num2words makes the words of a number, but does not read
them, and its licence is the LGPL. text2num reads eight languages, needs to be told which, and has a compiled part.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache, lru_cache
from typing import NamedTuple

from recuerda.recall.date_forms import ORDINALS
from recuerda.recall.date_words import MONTHS
from recuerda.recall.folding import fold

_WORDS: dict[str, Mapping[int, str]] = {
    "en": {
        1: "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
        "eighteen nineteen",
        20: "twenty", 30: "thirty", 40: "forty fourty", 50: "fifty", 60: "sixty", 70: "seventy", 80: "eighty",
        90: "ninety",
    },
    "de": {
        1: "ein zwei drei vier funf sechs sieben acht neun zehn elf zwolf dreizehn vierzehn funfzehn sechzehn siebzehn "
        "achtzehn neunzehn",
        20: "zwanzig", 30: "dreissig", 40: "vierzig", 50: "funfzig", 60: "sechzig", 70: "siebzig", 80: "achtzig",
        90: "neunzig",
    },
    "nl": {
        1: "een twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien vijftien zestien zeventien "
        "achttien negentien",
        20: "twintig", 30: "dertig", 40: "veertig", 50: "vijftig", 60: "zestig", 70: "zeventig", 80: "tachtig",
        90: "negentig",
    },
    "sv": {
        1: "ett tva tre fyra fem sex sju atta nio tio elva tolv tretton fjorton femton sexton sjutton arton nitton",
        20: "tjugo", 30: "trettio", 40: "fyrtio", 50: "femtio", 60: "sextio", 70: "sjuttio", 80: "attio", 90: "nittio",
    },
    "no": {
        1: "en to tre fire fem seks sju atte ni ti elleve tolv tretten fjorten femten seksten sytten atten nitten",
        20: "tjue", 30: "tretti", 40: "forti", 50: "femti", 60: "seksti", 70: "sytti", 80: "atti", 90: "nitti",
    },
    "da": {
        1: "en to tre fire fem seks syv otte ni ti elleve tolv tretten fjorten femten seksten sytten atten nitten",
        20: "tyve", 30: "tredive", 40: "fyrre", 50: "halvtreds", 60: "tres", 70: "halvfjerds", 80: "firs",
        90: "halvfems",
    },
    "fr": {
        1: "un deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze seize",
        20: "vingt", 30: "trente", 40: "quarante", 50: "cinquante", 60: "soixante", 70: "septante", 80: "huitante",
        90: "nonante",
    },
    "es": {
        1: "uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince dieciseis diecisiete "
        "dieciocho diecinueve veinte veintiuno veintidos veintitres veinticuatro veinticinco veintiseis veintisiete "
        "veintiocho veintinueve treinta",
        40: "cuarenta", 50: "cincuenta", 60: "sesenta", 70: "setenta", 80: "ochenta", 90: "noventa", 100: "ciento cien",
        200: "doscientos doscientas", 300: "trescientos trescientas", 400: "cuatrocientos cuatrocientas",
        500: "quinientos quinientas", 600: "seiscientos seiscientas", 700: "setecientos setecientas",
        800: "ochocientos ochocientas", 900: "novecientos novecientas",
    },
    "pt": {
        1: "um dois tres quatro cinco seis sete oito nove dez onze doze treze catorze quinze dezesseis dezessete "
        "dezoito dezenove vinte",
        30: "trinta", 40: "quarenta", 50: "cinquenta", 60: "sessenta", 70: "setenta", 80: "oitenta", 90: "noventa",
        100: "cento cem", 200: "duzentos duzentas", 300: "trezentos trezentas", 400: "quatrocentos quatrocentas",
        500: "quinhentos quinhentas", 600: "seiscentos seiscentas", 700: "setecentos setecentas",
        800: "oitocentos oitocentas", 900: "novecentos novecentas",
    },
    "it": {
        1: "uno due tre quattro cinque sei sette otto nove dieci undici dodici tredici quattordici quindici sedici "
        "diciassette diciotto diciannove",
        20: "venti", 30: "trenta", 40: "quaranta", 50: "cinquanta", 60: "sessanta", 70: "settanta", 80: "ottanta",
        90: "novanta",
    },
    "pl": {
        1: "jeden dwa trzy cztery piec szesc siedem osiem dziewiec dziesiec jedenascie dwanascie trzynascie "
        "czternascie pietnascie szesnascie siedemnascie osiemnascie dziewietnascie",
        20: "dwadziescia", 30: "trzydziesci", 40: "czterdziesci", 50: "piecdziesiat", 60: "szescdziesiat",
        70: "siedemdziesiat", 80: "osiemdziesiat", 90: "dziewiecdziesiat", 100: "sto", 200: "dwiescie", 300: "trzysta",
        400: "czterysta", 500: "piecset", 600: "szescset", 700: "siedemset", 800: "osiemset", 900: "dziewiecset",
    },
    "ru": {
        1: "один два три четыре пять шесть семь восемь девять десять одиннадцать двенадцать тринадцать четырнадцать "
        "пятнадцать шестнадцать семнадцать восемнадцать девятнадцать",
        20: "двадцать", 30: "тридцать", 40: "сорок", 50: "пятьдесят", 60: "шестьдесят", 70: "семьдесят",
        80: "восемьдесят", 90: "девяносто", 100: "сто", 200: "двести", 300: "триста", 400: "четыреста", 500: "пятьсот",
        600: "шестьсот", 700: "семьсот", 800: "восемьсот", 900: "девятьсот",
    },
    "tr": {
        1: "bir iki uc dort bes alti yedi sekiz dokuz on",
        20: "yirmi", 30: "otuz", 40: "kirk", 50: "elli", 60: "altmis", 70: "yetmis", 80: "seksen", 90: "doksan",
    },
}  # fmt: skip
"""Words for numbers from each number on: the words of a line that begins with 1 are 1, 2, 3 and so on; others are forms
of one number."""
_FURTHER = {"de": "eins:1", "es": "un:1 una:1", "pt": "uma:1 duas:2 dezasseis:16 dezassete:17 dezanove:19",
            "fr": "une:1 octante:80", "sv": "en:1", "it": "un:1", "no": "syv:7 tyve:20 tredve:30",
            "ru": "одна:1 одно:1 две:2 пяти:5 десяти:10 двадцати:20 тридцати:30 сорока:40",
            "nl": "eentje:1"}  # fmt: skip
_MANY: dict[str, tuple[str, str, str]] = {
    "en": ("hundred", "thousand", "dozen"), "de": ("hundert", "tausend", "dutzend"),
    "nl": ("honderd", "duizend", "dozijn"), "sv": ("hundra", "tusen", "dussin"), "no": ("hundre", "tusen", "dusin"),
    "da": ("hundrede", "tusind tusinde", "dusin"), "fr": ("cent cents", "mille", "douzaine"),
    "es": ("", "mil", "docena"), "pt": ("", "mil", "duzia"), "it": ("cento", "mille mila", "dozzina"),
    "pl": ("", "tysiac tysiace tysiecy", "tuzin"), "ru": ("", "тысяча тысячи тысяч", "дюжина дюжину дюжины"),
    "tr": ("yuz", "bin", "duzine"),
}  # fmt: skip
"""The words for a hundred, a thousand and a dozen, which multiply what stands before them."""
_UNITS_FIRST = {"de": "und", "nl": "en", "da": "og", "no": "og"}
"""Languages whose numbers from 21 on are one word with the unit in front, and the word between the two."""
_FUSED = frozenset((*_UNITS_FIRST, "sv", "it"))
_JOINERS = {"en": "and", "es": "y", "pt": "e", "fr": "et", "da": "og", "no": "og"}
_ORDINAL_UNITS = "first second third fourth fifth sixth seventh eighth ninth"
"""Words behind a ten: "twenty-third" is no 20."""

_BESIDE_ORDINALS = frozenset(("of", "the", "de", "di"))
_OTHER_MEANING_WORDS = """
    ten fire elf tre due once quince dos tres dix sept cent cents mil fem otte elva dois sete dez onze firs kirk elli
    acht zes сорок сорока sto forti cento cem
"""
_OTHER_MEANINGS = frozenset(_OTHER_MEANING_WORDS.split())
"""Words that mean something else in another language, or name something."""
_NO_NUMBER_WORDS = "sei sex neuf ni ti to bin yuz atten alti on uc"
_NO_NUMBERS = frozenset(_NO_NUMBER_WORDS.split())
"""Words that mean something else in their own language, so that they count only inside a number."""

_WORD = re.compile(r"[^\W\d_]+")
_GAP = re.compile(r"\s{1,3}|\s?[-\u2010\u2011]\s?")
_DIGIT_BEFORE = re.compile(r"\d[.,\d]*\s?$")
_HALF_BEFORE = re.compile(r"\b(?:half an?|halbe[ns]?|halve|half|halvt?|media|demi|mezza|meia|pol|пол)[ -]$")
_HAN = re.compile("[一二三四五六七八九两兩十][一二三四五六七八九十百千万萬零〇]+")
_HAN_DIGITS = {char: at for at, char in enumerate("零一二三四五六七八九")} | {"〇": 0, "两": 2, "兩": 2}
_HAN_UNITS = {"十": 10, "百": 100, "千": 1_000, "万": 10_000, "萬": 10_000}
_LONGEST = 12
_NEAR = 3
"""Words of one number are less than this number of words apart."""


class Number(NamedTuple):
    """A number in words: its place in a text, its value in digits, and, if it is one word, the folded word."""

    start: int
    end: int
    value: str
    word: str = ""


class _Value(NamedTuple):
    """A word of a number: its value, and whether it multiplies what stands before it."""

    value: int
    multiplies: bool = False
    is_ordinal: bool = False


@cache
def _values(language: str) -> dict[str, _Value]:
    values: dict[str, _Value] = {}
    for first, words in _WORDS[language].items():
        for at, word in enumerate(words.split()):
            values[word] = _Value(first + at if first == 1 else first)
    for form in _FURTHER.get(language, "").split():
        word, _, number = form.partition(":")
        values[word] = _Value(int(number))
    if language in _FUSED:
        values |= dict(_fused_tens(language, values))
    for number, words in zip((100, 1_000, 12), _MANY[language], strict=True):
        values |= dict.fromkeys(words.split(), _Value(number, multiplies=True))
    if language == "en":
        values |= {word: _Value(at, is_ordinal=True) for at, word in enumerate(_ORDINAL_UNITS.split(), 1)}
    return values


def _fused_tens(language: str, values: Mapping[str, _Value]) -> Iterator[tuple[str, _Value]]:
    """Yield the numbers from 21 to 99 that are one word."""
    units = [(word, of.value) for word, of in values.items() if of.value < 10]
    tens = [(word, of.value) for word, of in values.items() if of.value >= 20]
    for ten, tens_value in tens:
        for unit, value in units:
            found = _Value(tens_value + value)
            if language in _UNITS_FIRST:
                yield f"{unit}{_UNITS_FIRST[language]}{ten}", found
            if language not in ("de", "nl", "da"):
                yield f"{ten}{unit}", found
            if language == "it" and unit[0] in "uo":
                yield f"{ten[:-1]}{unit}", found
                yield f"{ten[:-1]}{unit[:-1]}", found


_MARKS = re.compile(
    "|".join(word for language in _FUSED for words in _MANY[language][:2] for word in words.split() if len(word) > 3)
)


@lru_cache(50_000)
def _values_of(word: str) -> dict[str, _Value]:
    """Return the values of a folded word by language."""
    found = {language: _values(language)[word] for language in _WORDS if word in _values(language)}
    if not found and _MARKS.search(word):
        for language in _FUSED:
            if (value := _fused_value(word, language)) is not None:
                found[language] = _Value(value)
    return found


def _fused_value(word: str, language: str) -> int | None:
    """Return the value of a number that is one word, such as "zweihundertfunfzig"."""
    values = _values(language)
    if word in values:
        return values[word].value
    for unit, words in ((1_000, _MANY[language][1]), (100, _MANY[language][0])):
        for mark in sorted(words.split(), key=len, reverse=True):
            before, has_mark, after = word.partition(mark)
            if not has_mark:
                continue
            left = _fused_value(before, language) if before else 1
            joiner = _UNITS_FIRST.get(language, "")
            right = _fused_value(after.removeprefix(joiner) if after not in values else after, language) if after else 0
            return left * unit + right if left is not None and right is not None and right < unit else None
    return None


def may_have_number(words: Sequence[str], languages: Sequence[str]) -> bool:
    """Return True if `numbers_in` may find a number in a text. Most texts have none, which this tells sooner.

    Args:
        words: the folded words of the text, in order.
        languages: as in `numbers_in`.
    """
    told, last = languages[0] if languages else "", -_NEAR
    for at, word in enumerate(words):
        if _values_of(word):
            if at - last < _NEAR or _may_count(word, told):
                return True
            last = at
        elif word in _HAN_UNITS:
            return True
    return not ORDINALS.keys().isdisjoint(words) and not MONTHS.keys().isdisjoint(words)


@lru_cache(10_000)
def _may_count(word: str, told: str) -> bool:
    """Return True if a word of a text in a language is a number alone in one of its languages."""
    return any(_counts([word], of.value, language, [told]) for language, of in _values_of(word).items())


def numbers_in(text: str, languages: Sequence[str]) -> Iterator[Number]:
    """Yield the numbers in words that a text has.

    Args:
        text: a text that is composed; see `folding.composed`.
        languages: the languages that the text may have, the likeliest first; nothing if it does not tell.
    """
    ends: set[int] = set()
    for run in _runs(text):
        for number in _numbers_of_run(text, run, languages):
            ends.add(number.end)
            yield number
    yield from (number for number in _days_in(text) if number.end not in ends)
    if not text.isascii():
        yield from _numbers_in_han(text)


def _runs(text: str) -> Iterator[list[tuple[int, int, str]]]:
    """Yield the neighbouring words of a text that are parts of numbers."""
    run: list[tuple[int, int, str]] = []
    for match in _WORD.finditer(text):
        word = fold(match[0])
        is_part = bool(_values_of(word)) or (bool(run) and word in _JOINERS.values())
        if run and (not is_part or not _GAP.fullmatch(text, run[-1][1], match.start()) or len(run) >= _LONGEST):
            yield run
            run = []
        if is_part and (run or _values_of(word)):
            run.append((match.start(), match.end(), word))
    if run:
        yield run


def _days_in(text: str) -> Iterator[Number]:
    """Yield the ordinals beside a month: "the second of May", "May the second", "am zweiten Mai"."""
    words = [(fold(match[0]), match.start(), match.end()) for match in _WORD.finditer(text)]
    for at, (word, start, end) in enumerate(words):
        if word in ORDINALS:
            near = [one for one, _, _ in words[max(0, at - 2) : at + 3]]
            place = min(at, 2)
            if _is_month_beside(near[place + 1 :]) or _is_month_beside(near[:place][::-1]):
                yield Number(start, end, str(ORDINALS[word]), word)


def _is_month_beside(near: Sequence[str]) -> bool:
    """Return True if a month is the nearest of two words, or the second one behind "of". "May" may be a verb beside."""
    is_behind = len(near) > 1 and near[0] in _BESIDE_ORDINALS
    month = near[1] if is_behind else "".join(near[:1])
    return month in MONTHS and (is_behind or month not in ("may", "march"))


def _numbers_in_han(text: str) -> Iterator[Number]:
    """Yield the Chinese numbers of several characters, such as 三十五."""
    for match in _HAN.finditer(text):
        total = part = digit = 0
        for char in match[0]:
            if char in _HAN_DIGITS:
                digit = _HAN_DIGITS[char]
            elif _HAN_UNITS[char] == 10_000:
                total, part, digit = (part + digit) * 10_000, 0, 0
            else:
                part, digit = part + max(1, digit) * _HAN_UNITS[char], 0
        if total + part:
            yield Number(match.start(), match.end(), str(total + part + digit))


def _numbers_of_run(text: str, run: Sequence[tuple[int, int, str]], languages: Sequence[str]) -> Iterator[Number]:
    """Yield the numbers of neighbouring words. Of the languages, that one counts in which the first words are most."""
    at = 0
    while at < len(run):
        size, value, language = max(
            (_longest([word for _, _, word in run[at:]], language) for language in _values_of(run[at][2])),
            key=lambda one: (one[0], one[2] in languages[:1]),
            default=(0, 0, ""),
        )
        start, end = run[at][0], run[at + size - 1][1]
        if size and _counts([word for _, _, word in run[at : at + size]], value, language, languages):
            is_after_digit = _DIGIT_BEFORE.search(text[max(0, start - 8) : start])
            if not is_after_digit:
                half = 2 if value % 12 == 0 and _HALF_BEFORE.search(fold(text[max(0, start - 8) : start])) else 1
                yield Number(start, end, str(value // half), run[at][2] if size == 1 else "")
        at += max(1, size)


def _counts(words: Sequence[str], value: int, language: str, languages: Sequence[str]) -> bool:
    """Return True if words are a number: several are, and one is unless it is an article or has another meaning."""
    if len(words) > 1:
        return True
    word = words[0]
    if value == 1 or word in _NO_NUMBERS or _values_of(word)[language].is_ordinal:
        return False
    is_told = any(of in _values_of(word) for of in languages[:1])
    values = {of.value for of in _values_of(word).values()}
    return is_told if word in _OTHER_MEANINGS or len(values) > 1 else True


def _longest(words: Sequence[str], language: str) -> tuple[int, int, str]:
    """Return the number of the first words that are one number, its value, and the language."""
    total = current = size = 0
    values = _values(language)
    is_open = False
    for at, word in enumerate(words):
        of = values.get(word)
        if of is None and (fused := _values_of(word).get(language)) is not None:
            of = fused
        if of is None:
            if word == _JOINERS.get(language) and at and not is_open and _may_be_joined(total, current, language):
                is_open = True
                continue
            break
        following = _following(total, current, of, language, is_first=at == 0)
        if following is None:
            break
        total, current = following
        size, is_open = at + 1, False
        if of.is_ordinal:
            break
    return size, total + current, language


def _may_be_joined(total: int, current: int, language: str) -> bool:
    """Return True if "and" may follow: in English, behind a hundred; in other languages, also behind a ten."""
    if language == "en":
        return bool(total or current) and current % 100 == 0
    return current % 10 == 0 and (current >= 20 or total > 0)


def _following(total: int, current: int, of: _Value, language: str, *, is_first: bool) -> tuple[int, int] | None:
    """Return the value of a number with a further word: of its thousands, and of the rest; None if it cannot follow."""
    value, rest = of.value, current % 100
    if of.multiplies and value == 1_000:
        return (max(1, current) * 1_000, 0) if not total and (current or is_first) else None
    if of.multiplies and value == 100:
        is_possible = current < 20 and (current or is_first or total)
        return (total, max(1, current) * 100) if is_possible else None
    if of.multiplies:
        return (total, max(1, current) * value) if not total and current < 100 else None
    if of.is_ordinal:
        return (total, current + value) if rest >= 20 and rest % 10 == 0 else None
    if value >= 100:
        return (total, current + value) if not current else None
    if value >= 10:
        return _with_ten(total, current, value, language)
    is_behind_ten = rest >= 20 or (rest == 10 and language in ("tr", "fr"))
    return (total, current + value) if rest == 0 or (is_behind_ten and rest % 10 == 0) else None


def _with_ten(total: int, current: int, value: int, language: str) -> tuple[int, int] | None:
    rest = current % 100
    if rest == 0:
        return total, current + value
    if language == "fr" and rest == 4 and value == 20:
        return total, current - rest + 80
    if language == "fr" and rest in (60, 80) and value < 20:
        return total, current + value
    # English years: "nineteen eighty-four", "twenty twenty".
    if language == "en" and not total and 13 <= current <= 20:
        return total, current * 100 + value
    return None
