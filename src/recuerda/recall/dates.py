"""Times that a question names: "on 8 May 2023", "in June", "last week", "hace dos meses", "ayer".

A named date is compared with the date of a turn part by part, because a question may name only the year. A time
relative to now becomes a period. All times are in UTC. A time only adds to a score and never excludes a message,
because a person who asks about "last week" may be off by a day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec

from recuerda.recall.text import fold
from recuerda.storage.records import from_microseconds, to_microseconds

_MONTH_NAMES = """
    january february march april may june july august september october november december
    enero febrero marzo abril mayo junio julio agosto septiembre octubre noviembre diciembre
"""
_WEEKDAY_NAMES = """
    monday tuesday wednesday thursday friday saturday sunday
    lunes martes miercoles jueves viernes sabado domingo
"""
_MONTHS = {name: at % 12 + 1 for at, name in enumerate(_MONTH_NAMES.split())} | {
    "jan": 1, "feb": 2, "apr": 4, "jun": 6, "jul": 7, "aug": 8, "sep": 9, "sept": 9, "oct": 10, "nov": 11, "dec": 12,
    "setiembre": 9,
}  # fmt: skip
# These words are months only beside a number, or after a word that introduces a time.
_AMBIGUOUS = {"may", "march"}
_BEFORE_TIME_WORDS = """
    in of on since during last this next until before after by early late en de desde hasta
"""
_BEFORE_TIME = frozenset(_BEFORE_TIME_WORDS.split())
_WEEKDAYS = {name: at % 7 for at, name in enumerate(_WEEKDAY_NAMES.split())}
_NUMBERS = {"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "couple": 2,
            "few": 3, "un": 1, "una": 1, "dos": 2, "tres": 3, "cuatro": 4, "cinco": 5, "seis": 6, "unos": 3,
            "unas": 3}  # fmt: skip
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365, "dia": 1, "semana": 7, "mes": 30, "ano": 365}
_UNITS = "day|week|month|year|dia|semana|mes|ano"
_AMOUNT = r"(\d{1,3}|" + "|".join(_NUMBERS) + ")"
_AGO = re.compile(rf"\b{_AMOUNT} (?:of )?({_UNITS})(?:e?s)? ago\b|\bhace {_AMOUNT} ({_UNITS})(?:e?s)?\b")
_LAST = re.compile(
    rf"\b(?:last|past|previous) ({_UNITS})\b|\b(?:la|el) ({_UNITS}) (?:pasad[oa]|anterior)\b|"
    r"\b(?:last|past) (\w+day)\b|\bel (\w+) pasado\b"
)
_THIS = re.compile(rf"\b(?:this) ({_UNITS})\b|\b(?:esta|este) ({_UNITS})\b")
_DAYS_BACK = {"yesterday": 1, "ayer": 1, "anteayer": 2, "today": 0, "tonight": 0, "hoy": 0}
_ISO_DATE = re.compile(r"\b((?:19|20)\d\d)-(\d\d?)(?:-(\d\d?))?\b")


class NamedTimes(msgspec.Struct, frozen=True):
    """The times that a question names.

    Attributes:
        years: years, such as 2023.
        months: months, from 1 to 12.
        days: days of a month.
        periods: pairs of start and end, in microseconds since 1970.
    """

    years: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    periods: tuple[tuple[int, int], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.years or self.months or self.periods)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """The periods whose messages are candidates even if they share no word with the question.

        These are the named periods, and every named month or day in a named year.
        """
        starts = [
            datetime(year, month, day, tzinfo=UTC)
            for year in self.years
            for month in self.months
            for day in (self.days or {1})
            if month <= 12 and day <= monthrange(year, month)[1]
        ]
        length = timedelta(days=1 if self.days else 31)
        return (*self.periods, *(_in_microseconds((start, start + length)) for start in starts))

    def parts_met(self, created_us: int) -> int:
        """Return how many of the named parts (year, month, day) match a time.

        A time in a named period counts as two parts.
        """
        met = 2 if any(start <= created_us < end for start, end in self.periods) else 0
        if self.years or self.months:
            when = from_microseconds(created_us)
            met += (when.year in self.years) + (when.month in self.months)
            met += when.month in self.months and when.day in self.days
        return met


def named_times(question: str, now_us: int) -> NamedTimes:
    """Return the times that a question names. `now_us` is the time of the question."""
    text = fold(question)
    years, months, days = _named_dates(re.findall(r"[^\W_]+", _ISO_DATE.sub(" ", text)))
    for match in _ISO_DATE.finditer(text):
        years.add(int(match[1]))
        months.add(int(match[2]))
        days.update({int(match[3])} if match[3] else ())
    periods = _relative(text, from_microseconds(now_us))
    return NamedTimes(frozenset(years), frozenset(months), frozenset(days), tuple(map(_in_microseconds, periods)))


def _named_dates(words: list[str]) -> tuple[set[int], set[int], set[int]]:
    years = {int(word) for word in words if re.fullmatch(r"(?:19|20)\d\d", word)}
    months: set[int] = set()
    days: set[int] = set()
    around = ["", *words, ""]
    for before, word, after in zip(around, words, around[2:], strict=False):
        month = _MONTHS.get(word)
        beside = [day for day in map(_day, (_before_of(words, word, before), after)) if day]
        if month and (word not in _AMBIGUOUS or beside or before in _BEFORE_TIME or after.isdecimal()):
            months.add(month)
            days.update(beside)
    return years, months, days


def _before_of(words: list[str], word: str, before: str) -> str:
    """Return the word before a month. After "de" or "of", return the word before it, which is the day in Spanish."""
    at = words.index(word)
    return words[at - 2] if before in ("de", "of") and at > 1 else before


def _day(word: str) -> int | None:
    match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", word)
    return int(match[1]) if match and 1 <= int(match[1]) <= 31 else None


def _relative(text: str, now: datetime) -> Iterator[tuple[datetime, datetime]]:
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    for word in re.findall(r"\w+", text):
        if word in _DAYS_BACK:
            yield _days(today, _DAYS_BACK[word], 1)
    for match in _AGO.finditer(text):
        amount, unit = match[1] or match[3], match[2] or match[4]
        length = _UNIT_DAYS[unit]
        back = length * (int(amount) if amount.isdecimal() else _NUMBERS[amount])
        # People do not count exactly: "three weeks ago" means two and a half to three and a half weeks ago.
        yield _days(today, back + length // 2, max(1, length))
    for match in _LAST.finditer(text):
        if unit := match[1] or match[2]:
            yield _days(today, _UNIT_DAYS[unit] * 2, _UNIT_DAYS[unit] * 2 + (unit == "day"))
        elif (weekday := _WEEKDAYS.get(match[3] or match[4])) is not None:
            yield _days(today, (today.weekday() - weekday - 1) % 7 + 1, 1)
    for match in _THIS.finditer(text):
        yield _days(today, _UNIT_DAYS[match[1] or match[2]], _UNIT_DAYS[match[1] or match[2]] + 1)


def _days(today: datetime, back: int, length: int) -> tuple[datetime, datetime]:
    try:
        start = today - timedelta(days=back)
        return start, start + timedelta(days=length)
    except OverflowError:
        return _EARLIEST, _EARLIEST


def _in_microseconds(period: tuple[datetime, datetime]) -> tuple[int, int]:
    return to_microseconds(max(period[0], _EARLIEST)), to_microseconds(max(period[1], _EARLIEST))


_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)
