"""Times of several words: "in the 90s", "a year and a half ago", "this time last year", "the first Monday of May".

Their words are taken out of the question, so that "this time last year" is not the whole year as well. The words are
folded, and dates are in the forms that `date_forms.py` makes.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo

from recuerda.recall.date_words import NUMBERS, WEEKDAYS
from recuerda.recall.further_date_words import FURTHER_NUMBERS, MONTH_NAMES, NUMBER_WORDS, count_of
from recuerda.recall.periods import UNIT_DAYS, Period

_TENS: dict[str, int] = {
    word: 10 * number
    for number, words in {
        2: "twenties zwanziger veinte venti vinte",
        3: "thirties dreissiger treinta trenta trinta",
        4: "forties vierziger cuarenta quaranta quarenta",
        5: "fifties funfziger cincuenta cinquanta cinquenta",
        6: "sixties sechziger sesenta sessanta sessenta",
        7: "seventies siebziger setenta settanta",
        8: "eighties achtziger ochenta ottanta oitenta",
        9: "nineties neunziger noventa novanta девяностых",
    }.items()
    for word in words.split()
}
_ENGLISH_TENS = "twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties"
_GERMAN_TENS = "zwanziger|dreissiger|vierziger|funfziger|sechziger|siebziger|achtziger|neunziger"
_ROMANCE_TENS = "|".join(word for word in _TENS if word not in f"{_ENGLISH_TENS}|{_GERMAN_TENS}".split("|"))
_DECADES = (
    rf"\bthe (?:(early|mid|late)[ -])?'?((?:1[89]|20)?\d0'?s|{_ENGLISH_TENS})\b(?! (?:floor|row|percentile|club))",
    rf"\b(?:in|seit|wahrend) den (?:(fruhen|spaten) )?((?:1[89]|20)?\d0e?rn?|(?:{_GERMAN_TENS})n?)(?:[ -]?jahren)?\b",
    (
        rf"\b(?:(principios|mediados|finales|debut|fin|inizio|meta|fine|inicio|meados|final) (?:de |des |d|do|dos )?)?"
        rf"(?:los |les |gli |negli |nos |de )*(?:anos|annees|anni|jaren) '?((?:1[89]|20)?\d0|{_ROMANCE_TENS})\b"
    ),
    rf"\b(?:en|de) los ()((?:1[89]|20)?\d0|{_ROMANCE_TENS})\b(?! (?:anos|minutos|metros|euros|kilos))",
    r"()\b((?:1[89]|20)?\d0)[ -]?(?:х|talet|tallet|'?larda|'?lerde)\b",
    r"\bw latach ()((?:1[89]|20)?\d0)\b",
    r"()((?:1[89]|20)?\d0)\s?(?:年代|년대)",
    r"([二三四五六七八九])十年代()",
    r"\bв (девяностых)()\b",
)
"""A group has the part of the decade, or nothing, and the next one has the decade."""
_DECADES_COMPILED = [re.compile(pattern) for pattern in _DECADES]
_EARLY = ("early", "fruhen", "principios", "debut", "inizio", "inicio")
_LATE = ("late", "spaten", "finales", "fin", "fine", "final")
_FIRST_OF_2000 = 20
_HAN_DIGITS = "一二三四五六七八九"
_DECADE_MARKS = ("0", "ties", "ziger", "十年代", "девяност", "nta")

_ANY_NUMBER = "|".join((*NUMBERS, *FURTHER_NUMBERS))
_AND_A_HALF = re.compile(
    rf"\b(\d+|{_ANY_NUMBER}) (year|month|week|day|decade)s? and a half (?:ago|back|earlier)\b"
    rf"|\b(\d+|{_ANY_NUMBER}) and a half (year|month|week|day|decade)s? (?:ago|back|earlier)\b"
    r"|\bvor (anderthalb|(?:ein|zwei|drei|vier)einhalb) (jahr|monat|woche|tag)\w*\b"
    rf"|\b(?:hace|ha|il y a) (\d+|{_ANY_NUMBER}) (ano|an|mes|mois|semana|semaine)s? "
    r"(?:y medi[oa]|e mei[oa]|et demie?)\b"
    rf"|\b(\d+|{_ANY_NUMBER}) (ann|mes|settiman)\w e mezz[oa] fa\b"
    rf"|\b(\d+|{_ANY_NUMBER}) (ano|mes|semana)s? e mei[oa] atras\b"
    r"|\b(anderhalf|anderhalve|tweeeneenhalf|drieeneenhalf) (jaar|maand|week) (?:geleden|terug)\b"
    r"|\b(полтор[аы]|poltor[aej]\w*) (год|месяц|недел|rok|miesiac|tygodn)\w* (?:назад|temu)\b"
    r"|\bfor (ett|en|tva) och (?:ett|en) (?:halvt|halv) (ar|manad|vecka)\w* sedan\b"
    r"|\b(bir|iki) bucuk (yil|sene|ay|hafta) once\b"
    r"|([1-9一二两三])(个?月|年|週間|周)半(?:之)?前"
    r"|([0-9]|한|두) ?(년|달|주) ?반 ?전"
)
_HALF_NUMBERS = {
    "anderthalb": 1, "eineinhalb": 1, "zweieinhalb": 2, "dreieinhalb": 3, "viereinhalb": 4, "anderhalf": 1,
    "anderhalve": 1, "tweeeneenhalf": 2, "drieeneenhalf": 3, "一": 1, "二": 2, "两": 2, "三": 3, "한": 1, "두": 2,
}  # fmt: skip
_HALF_UNITS = {
    "year": "year jahr ano an ann jaar год rok ar yil sene 年 년",
    "month": "month monat mes mois maand месяц miesiac manad ay 月 个月 달",
    "week": "week woche semana semaine settiman недел tygodn vecka hafta 週間 周 주",
    "day": "day tag",
    "decade": "decade",
}
_DAYS_OF_UNIT = {word: UNIT_DAYS[unit] for unit, words in _HALF_UNITS.items() for word in words.split()}
_A_HALF_MARKS = (
    "half",
    "halb",
    "halve",
    "halv",
    "medi",
    "mezz",
    "mei",
    "demi",
    "полтор",
    "poltor",
    "bucuk",
    "半",
    "반",
)

_SAME_TIME = re.compile(
    r"\b(?:(?:at |around |about )?this time (?:of )?last (?P<en>year|month|week)|"
    r"last (?P<en2>year|month|week) (?:at |around |about )?(?:this|the same) time)\b"
    r"|\b(?:(?:im )?(?:letzte[sn]?|vorige[sn]?) jahr (?:um diese zeit|zur gleichen zeit|zu dieser zeit)|"
    r"(?:um diese zeit|zur gleichen zeit) (?:im )?(?:letzte[sn]?|vorige[sn]?) jahr)\b"
    r"|\b(?:(?:el )?ano pasado por (?:estas fechas|esta epoca)|por (?:estas fechas|esta epoca) (?:d?el )?ano pasado|"
    r"hace un ano por estas fechas)\b"
    r"|\b(?:l'an(?:nee)? derniere? a (?:la meme|cette) (?:epoque|periode)|a (?:la meme|cette) (?:epoque|periode) "
    r"(?:de )?l'an(?:nee)? derniere?)\b"
    r"|\b(?:l')?anno scorso (?:in questo periodo|di questi tempi|a quest'epoca)\b|"
    r"\bin questo periodo (?:del)?l'anno scorso\b"
    r"|\bano passado (?:por|n)est[ae] (?:altura|epoca)\b|\b(?:por|n)est[ae] (?:altura|epoca) do ano passado\b"
    r"|\b(?:vorig jaar (?:rond|om) deze tijd|(?:rond|om) deze tijd vorig jaar)\b"
    r"|\b(?:в прошлом году в это (?:же )?время|в это (?:же )?время в прошлом году)\b"
    r"|\b(?:w zeszlym roku o tej porze|o tej porze w zeszlym roku)\b"
    r"|\b(?:gecen (?:yil|sene) bu zamanlar|i fjol vid den har tiden|forra aret vid den har tiden)\b"
    r"|去年的?(?:这个?时候|此时|现在)|(?:去年|昨年)の(?:今頃|今ごろ|この時期)|작년 ?(?:이맘때|이때)"
)
_SAME_TIME_MARKS = (
    "time", "zeit", "fechas", "epo", "period", "tempi", "altura", "tijd", "время", "porze", "zaman", "tid", "时", "今",
    "時", "现在", "이",
)  # fmt: skip
_TO_THE_DAY = re.compile(
    rf"\b({_ANY_NUMBER}|\d+) (year|month|week)s? ago (?:today|to the day)\b"
    rf"|\bheute vor ({_ANY_NUMBER}|\d+) (jahr|monat|woche)(?:en?)?\b"
    rf"|\bhoy hace ({_ANY_NUMBER}|\d+) (ano|mes|semana)(?:e?s)?\b"
    rf"|\bil y a ({_ANY_NUMBER}|\d+) (an|mois|semaine)s? jour pour jour\b"
)
_HALF_OF_YEAR = re.compile(
    r"\b(?:(first|1st|ersten?|primera?|premiere?|prim[oa]|primeir[oa]|eerste)|second|2nd|zweiten?|segund[oa]|"
    r"deuxieme|second[oa]|"
    r"tweede) (?:half of|halfte des jahres|halbjahr|hal[fv]e? ?jaar|semestre|mitad|moitie|meta|metade)"
    r"(?: (?:of |de |del |do |dell'|van )?((?:19|20)\d\d))\b"
)
_MARGINS = {"year": (365, 15), "month": (30, 3), "week": (7, 1)}
"""How many days ago the same time was, and how many days before and after it count."""

_PLACES = {
    word: place
    for place, words in {
        1: "first 1st erste ersten erster primer primera premier premiere primo prima primeiro primeira eerste",
        2: "second 2nd zweite zweiten zweiter segundo segunda deuxieme secondo seconda tweede",
        3: "third 3rd dritte dritten dritter tercer tercera troisieme terzo terza terceiro terceira derde",
        4: "fourth 4th vierte vierten vierter cuarto cuarta quatrieme quarto quarta vierde",
        -1: "last final letzte letzten letzter ultimo ultima dernier derniere laatste",
    }.items()
    for word in words.split()
}
_WEEK_WORDS = ("week", "woche", "semana", "semaine", "settimana")
_PLACED = re.compile(
    rf"\b({'|'.join(_PLACES)}) ({'|'.join((*WEEKDAYS, *_WEEK_WORDS))})s? "
    r"(?:(?:of|in|im|de|d'|di|do|da|van|des|del|el|le|du)[ ']?){1,2}(\w+)(?: (?:of |de |del |do )?((?:19|20)\d\d))?\b"
    rf"|\b(ultim[oa]|prim[oa]) ({'|'.join((*WEEKDAYS, *_WEEK_WORDS))}) (?:de|di|do) (\w+)()"
)
_WEEK = 7
_WORD = re.compile(r"\w+")


def phrases(text: str, now: datetime) -> tuple[list[Period], set[int], str]:
    """Return the periods that phrases of a folded question name, their months, and the question without these phrases.

    The months are those of weeks and days of a month: another day of the month fits better than any other day.

    Args:
        text: the question.
        now: the time of the question.
    """
    found: list[Period] = []
    months: set[int] = set()
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)

    def taken(read: Callable[[re.Match[str]], Period | None]) -> Callable[[re.Match[str]], str]:
        def take(match: re.Match[str]) -> str:
            period = read(match)
            if period is None:
                return match[0]
            found.append(period)
            return " "

        return take

    if any(mark in text for mark in _DECADE_MARKS):
        for pattern in _DECADES_COMPILED:
            text = pattern.sub(taken(lambda match: _decade(match, now)), text)
    if any(mark in text for mark in _A_HALF_MARKS):
        text = _AND_A_HALF.sub(taken(lambda match: _and_a_half(match, today)), text)
    text = _TO_THE_DAY.sub(taken(lambda match: _to_the_day(match, today)), text)
    words = set(_WORD.findall(text))
    if any(mark in text for mark in _SAME_TIME_MARKS):
        text = _SAME_TIME.sub(taken(lambda match: _same_time(match, today)), text)
    if not _PLACES.keys().isdisjoint(words):
        text = _HALF_OF_YEAR.sub(taken(lambda match: _half_of_year(match, now)), text)
        before = len(found)
        text = _PLACED.sub(taken(lambda match: _placed(match, now)), text)
        months.update(start.month for start, _ in found[before:])
    return found, months, text


def _decade(match: re.Match[str], now: datetime) -> Period | None:
    part, told = match[1] or "", match[2] or ""
    if part in _TENS:
        part, told = "", part
    if part and part in _HAN_DIGITS:
        tens, part = 10 * (_HAN_DIGITS.index(part) + 1), ""
    else:
        word = told.removesuffix("n") if told.endswith("ern") else told
        digits = "".join(char for char in told if char.isdecimal())
        if word not in _TENS and not digits:
            return None
        tens = _TENS[word] if word in _TENS else int(digits)
    year = tens if tens > 99 else tens + (2000 if tens <= _FIRST_OF_2000 else 1900)
    if year > now.year:
        return None
    first, last = (0, 4) if part in _EARLY else (6, 10) if part in _LATE else (3, 7) if part else (0, 10)
    return datetime(year + first, 1, 1, tzinfo=now.tzinfo), datetime(year + last, 1, 1, tzinfo=now.tzinfo)


def _and_a_half(match: re.Match[str], today: datetime) -> Period | None:
    amount, unit = [group for group in match.groups() if group is not None]
    count = _HALF_NUMBERS.get(amount) or NUMBER_WORDS.get(amount) or (int(amount) if amount.isdecimal() else 1)
    length = _DAYS_OF_UNIT[unit]
    return _around(today, (count + 0.5) * length, length / 5)


def _to_the_day(match: re.Match[str], today: datetime) -> Period | None:
    amount, unit = [group for group in match.groups() if group is not None]
    return _around(today, count_of(amount) * _DAYS_OF_UNIT[unit], 2)


def _half_of_year(match: re.Match[str], now: datetime) -> Period:
    first, year = datetime(int(match[2]), 1, 1, tzinfo=now.tzinfo), int(match[2])
    middle = first.replace(month=7)
    return (first, middle) if match[1] else (middle, first.replace(year=year + 1))


def _same_time(match: re.Match[str], today: datetime) -> Period | None:
    return _around(today, *_MARGINS[match["en"] or match["en2"] or "year"])


def _around(today: datetime, back: float, margin: float) -> Period | None:
    """Return a period of whole days around a day."""
    try:
        start = today - timedelta(days=round(back + margin))
    except OverflowError:
        return None
    return start, start + timedelta(days=2 * round(margin) + 1)


def _placed(match: re.Match[str], now: datetime) -> Period | None:
    """Return the week or the day of a month, as in "the first Monday of May", or None if no month is named."""
    place, name, of, year = match.groups()[:4] if match[1] else match.groups()[4:]
    month = MONTH_NAMES.get(of)
    if month is None:
        return None
    starts = [int(year)] if year else [now.year, now.year - 1]
    for one in starts:
        period = _in_month(one, month, _PLACES[place], WEEKDAYS.get(name), now.tzinfo)
        if year or (period is not None and period[0] <= now):
            return period
    return None


def _in_month(year: int, month: int, place: int, weekday: int | None, zone: tzinfo | None) -> Period | None:
    length = monthrange(year, month)[1]
    first = datetime(year, month, 1, tzinfo=zone)
    if weekday is None:
        if place < 0:
            return first + timedelta(days=length - _WEEK), first + timedelta(days=length)
        # Some people count weeks from the first day of the month, and some from the first Monday.
        days = _WEEK * (place - 1)
        return first + timedelta(days=days), first + timedelta(days=days + _WEEK + -first.weekday() % _WEEK)
    days = [day for day in range(length) if (first.weekday() + day) % _WEEK == weekday]
    start = first + timedelta(days=days[place if place < 0 else place - 1])
    return start, start + timedelta(days=1)
