"""Holidays that a question names: "at Christmas", "on New Year's Eve", "an Ostern", "en Navidad".

A holiday is one or some days of each year. Without a year, it is the last one that has begun.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from datetime import date, datetime, timedelta
from functools import partial

from recuerda.recall.periods import Period

_FIXED = (
    (r"christmas eve|nochebuena|heilig(?:abend|er abend)", (12, 24), 1),
    (
        (
            r"christmas(?! eve)|xmas|navidad(?:es)?|weihnacht\w*|(?:^|a |de )noel|noel dernier|no natal|natale|"
            r"kerst(?:mis)?"
        ),
        (12, 24),
        3,
    ),
    (r"new year's eve|nochevieja|fin de ano|silvester|reveillon|oudejaarsavond", (12, 31), 2),
    (r"new year(?:'?s)?(?: day)?(?!'?s? eve)|neujahr|capodanno|jour de l'an|nieuwjaar", (1, 1), 1),
    (r"valentine'?s(?: day)?|san valentin|valentinstag|saint-valentin|san valentino|valentijnsdag", (2, 14), 1),
    (r"halloween", (10, 31), 1),
    (r"boxing day|(?:zweiter|zweiten) weihnachts(?:feier)?tag|st stephen's day|santo stefano", (12, 26), 1),
    (r"twelfth night|epiphany|los reyes|dia de reyes|dreikonig\w*|epifania", (1, 6), 1),
    (
        (
            r"between christmas and new year(?:'?s)?(?: eve)?|zwischen den jahren|zwischen weihnachten und (?:neujahr|"
            r"silvester)|"
            r"entre navidad y (?:ano nuevo|nochevieja|fin de ano)|entre noel et (?:le )?(?:jour de l'an|nouvel an)|"
            r"tra natale e capodanno|entre (?:o )?natal e (?:o )?ano novo|tussen kerst en (?:oud en )?nieuwjaar"
        ),
        (12, 26),
        6,
    ),
)
_FEASTS = (
    (r"good friday|karfreitag|viernes santo|vendredi saint|venerdi santo|sexta-feira santa|goede vrijdag", -2, 1),
    (
        (
            r"easter monday|ostermontag|lunes de pascua|lundi de paques|lunedi di pasqua|pasquetta|"
            r"segunda-feira de pascoa|tweede paasdag|paasmaandag"
        ),
        1,
        1,
    ),
    (r"ascension day|(?:christi )?himmelfahrt|l'ascension|hemelvaart(?:sdag)?", 39, 1),
    (r"whitsun|pentecost|pfingst\w*|pentecostes|pentecote|pentecoste|pinksteren", 49, 2),
)
"""Feasts, with the days from the Sunday of Easter to their first day, and their length in days."""
_FLOATING = (
    (r"thanksgiving|accion de gracias", (11, 3, 4)),
    (r"mother'?s'? day|mothers day|muttertag|dia de la madre|fete des meres|festa della mamma|moederdag", (5, 6, 2)),
)
"""Days with their month, their weekday (0 for Monday), and which one of the month it is. Mother's Day is that of most
countries, the second Sunday of May."""
_EASTER = r"easter|ostern|semana santa|pascua|paques|pasqua|pascoa|pasen"
_NEXT = r"(?<!next )(?<!every )(?<!each )(?<!nachste )(?<!nachstes )(?<!nachsten )(?<!jedes )(?<!proxima )(?<!cada )"
_DAYS_OF_EASTER = 4


def _placed(month: int, weekday: int, place: int, year: int) -> date:
    """Return the first, the second ... of these weekdays in a month."""
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (place - 1))


def easter(year: int) -> date:
    """Return the Sunday of Easter by the Gregorian calendar (Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), g = divmod(b, 4), (b - (b + 8) // 25 + 1) // 3
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    weekday = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * weekday) // 451
    month, day = divmod(h + weekday - 7 * m + 114, 31)
    return date(year, month, day + 1)


def _from_easter(days: int, year: int) -> date:
    return easter(year) + timedelta(days=days)


def _on(month: int, day: int, year: int) -> date:
    return date(year, month, day)


def _pattern(words: str) -> re.Pattern[str]:
    return re.compile(rf"{_NEXT}\b(?:{words})\b")


_HOLIDAYS: list[tuple[re.Pattern[str], Callable[[int], date], int]] = [
    *((_pattern(words), partial(_on, *first), length) for words, first, length in reversed(_FIXED)),
    *((_pattern(words), partial(_from_easter, days), length) for words, days, length in _FEASTS),
    *((_pattern(words), partial(_placed, *day), 1) for words, day in _FLOATING),
    (_pattern(_EASTER), partial(_from_easter, -2), _DAYS_OF_EASTER),
]
"""A pattern of each holiday, its first day in a year, and its length in days. What one finds is not looked at again."""
_FEAST = _pattern("|".join(words for words, _, _ in _FEASTS))


def holidays_of(text: str, years: Collection[int], now: datetime) -> Iterator[Period]:
    """Yield the start and the end of each holiday that a folded question names.

    Args:
        text: the folded question.
        years: the years that the question names.
        now: the time of the question.
    """
    for pattern, first_day, length in _HOLIDAYS:
        if pattern.search(text):
            text = pattern.sub(" ", text)
            yield from _in_years(first_day, length, years, now)


def without_feasts(text: str) -> str:
    """Return a folded question without the feasts whose names have a weekday in them, such as Good Friday."""
    return _FEAST.sub(" ", text)


def _in_years(first_day: Callable[[int], date], length: int, years: Collection[int], now: datetime) -> Iterator[Period]:
    last = now.year if first_day(now.year) <= now.date() else now.year - 1
    for year in sorted(years) or [last]:
        day = first_day(year)
        start = datetime(day.year, day.month, day.day, tzinfo=now.tzinfo)
        yield start, start + timedelta(days=length)
