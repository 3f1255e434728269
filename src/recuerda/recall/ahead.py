"""The days that a message looks ahead to: "next week I fly", "in two weeks", "on Thursday", "mañana".

A message tells such a time relative to its own date. So it gets a term for the day, the week or the month, and a
question that names a date has the terms of that date. A weekday is the next one, unless the message tells the past. The
days are those of UTC, because an index knows no time zone of a user.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from datetime import date, datetime, timedelta

from recuerda.recall.date_words import UNITS, VAGUE_NUMBERS, WEEKDAYS
from recuerda.recall.dates import NamedTimes
from recuerda.recall.folding import fold
from recuerda.recall.further_date_words import MONTH_NAMES, NUMBER_WORDS, count_of
from recuerda.recall.patterns import compiled
from recuerda.storage.records import from_microseconds

_MARK = "==on"
_WEEK_DAYS = 7
_MONTH_DAYS = 31
_TOMORROW = (
    ((
        r"\b(?:the )?day after tomorrow\b|\bpasado manana\b|\bubermorgen\b|\bapres-demain\b|\bdopodomani\b"
        r"|\bdepois de amanha\b|\bovermorgen\b|\bпослезавтра\b|\bpojutrze\b|后天|後天|明後日|모레"), 2),
    ((
        r"\btomorrow\b|(?<!\bla )(?<!\besta )(?<!\bpasado )\bmanana\b|"
        r"(?<!heute )(?<!guten )(?<!jeden )(?<!am )(?<!gestern )(?<!goede )\bmorgen\b|(?<!-)\bdemain\b|\bdomani\b"
        r"|(?<!de )\bamanha\b|\bзавтра\b|\bjutro\b|\bimorgon\b|\bi morgon\b|\bi morgen\b|明天|(?<!後)明日|내일"), 1),
)  # fmt: skip
"""Words for the days after a day, and their number."""
_UNIT = "|".join(sorted((word for word, unit in UNITS.items() if unit in ("day", "week", "month")), key=len)[::-1])
_AMOUNT = r"(\d{1,2}|" + "|".join(sorted(NUMBER_WORDS.keys() - VAGUE_NUMBERS, key=len)[::-1]) + ")"
_IN = (
    rf"\b(?:in|en|dentro de|dans|tra|fra|em|daqui a|over|within) {_AMOUNT} ({_UNIT})\b"
    rf"|\b{_AMOUNT} ({_UNIT}) from (?:now|today)\b"
)
_NEXT_UNIT = (
    r"\b(?:next|nachste[nrs]?|kommende[nrs]?|proxim[oa]|prossim[oa]|volgende|komende|coming) "
    r"(week|woche|semana|settimana|month|monat|mes|mese|maand)\b"
    r"|\b(week|semana|mes|semaine|mois|settimana|mese) (?:que vi?ene|que vem|prochaine?|prossim[oa]|entrante)\b"
)
_NEXT_WEEK = r"следующей неделе|przyszlym tygodniu|nasta vecka|naeste uge|neste uke|下(?:个|個)?(?:周|週)|来週|다음 ?주"
_WEEKDAY = (
    r"\b(next|this|on|coming|nachste[nrms]?|kommende[nrms]?|diese[nrms]?|am|proximo|este|el|ce|prossimo|questo|"
    r"volgende|komende|aanstaande|op|deze|na|в|we?|pa) "
    rf"({'|'.join(WEEKDAYS)})\b(?! (?:pasado|passado|dernier|scorso))"
    rf"|\b({'|'.join(WEEKDAYS)}) (?:prochain|que viene|que vem)\b"
)
_WEEKEND = (
    r"\b(?:this|next|coming|am|dieses|nachstes|este|el|ce|questo|il prossimo|dit|komend|aankomend)"
    r" (?:week-?end|wochenende|fin de semana|fine settimana|fim de semana)\b(?! (?:pasado|passado|dernier|scorso))"
)
_NUMBERED = re.compile(r"\b(?:on the|el d[ií]a|le|am) \d", re.IGNORECASE)
_DAY_OF_MONTH = (
    r"\b(?:on the (\d\d?)(?:st|nd|rd|th)|el dia (\d\d?)|le (\d\d?)|am (\d\d?)\.)(?!\w)"
    rf"(?! ?(?:of |de )?(?:{'|'.join(MONTH_NAMES)}))"
)
_PAST = (
    r"\b(?:was|were|had|did|went|saw|met|got|came|took|bought|ate|gave|told|said|left|made|last|ago|yesterday|\w{2,}ed|"
    r"war|waren|hatten?|ging|kam|sah|habe \w+ ?\w* ?ge\w+|bin \w+ ?\w* ?ge\w+|gestern|letzte\w?|"
    r"fui|fue|fuimos|tuve|hice|vi|ayer|suis|etait|ai|avons|hier|sono|ieri|ontem|gisteren)\b"
)
_SIGN_WORDS = """
    tomorrow manana ubermorgen morgen demain domani dopodomani amanha overmorgen завтра послезавтра pojutrze jutro
    imorgon morgon weekend week-end weekendet wochenende tygodniu неделе veckan uge uke vecka semana fine
"""
_SIGNS = frozenset((*_SIGN_WORDS.split(), *WEEKDAYS, *(word for word, unit in UNITS.items() if unit != "year")))
"""Words of which a text that looks ahead has one."""
_HAN_SIGN = re.compile("明天|后天|後天|明日|明後日|下个?[周週]|下個[周週]|来週|내일|모레|다음")


def ahead_terms(text: str, words: AbstractSet[str], created_us: int) -> list[str]:
    """Return the terms for the days that a text from a time looks ahead to.

    Args:
        text: the text.
        words: its folded words.
        created_us: the time in microseconds since 1970.
    """
    has_sign = not _SIGNS.isdisjoint(words) or (not text.isascii() and _HAN_SIGN.search(text) is not None)
    if not has_sign and _NUMBERED.search(text) is None:
        return []
    folded = fold(text)
    today = from_microseconds(created_us).date()
    try:
        return list(dict.fromkeys(_ahead(folded, today)))
    except (OverflowError, ValueError):
        return []


def asked_terms(question: str, words: AbstractSet[str], times: NamedTimes, now_us: int) -> list[str]:
    """Return the terms for the dates that a question names, and for the times that it looks ahead to."""
    now = from_microseconds(now_us).date()
    days = set(_days_of_dates(times, now)) | set(_days_of_periods(times))
    terms = [term for day in sorted(days) for term in (_day(day), _week(day), _month(day))]
    ahead = ahead_terms(question, words, now_us)
    return list(dict.fromkeys([*terms, *ahead, *(more for term in ahead for more in _with_days(term))]))


def _ahead(text: str, today: date) -> Iterator[str]:
    for pattern, days in _TOMORROW:
        if compiled(pattern).search(text):
            yield _day(today + timedelta(days=days))
            text = compiled(pattern).sub(" ", text)
    yield from _counted(text, today)
    for match in compiled(_NEXT_UNIT).finditer(text):
        is_week = UNITS[match[1] or match[2]] == "week"
        yield _week(today + timedelta(days=_WEEK_DAYS)) if is_week else _month(_months_on(today, 1))
    if compiled(_NEXT_WEEK).search(text):
        yield _week(today + timedelta(days=_WEEK_DAYS))
    if not compiled(_PAST).search(text):
        yield from _named_days(text, today)


def _counted(text: str, today: date) -> Iterator[str]:
    """Yield the terms of times such as "in two weeks"."""
    for match in compiled(_IN).finditer(text):
        count, unit = count_of(match[1] or match[3]), UNITS[match[2] or match[4]]
        if unit == "month":
            yield _month(_months_on(today, count))
        elif unit == "week":
            yield _week(today + timedelta(days=_WEEK_DAYS * count))
        else:
            yield _day(today + timedelta(days=count))


def _named_days(text: str, today: date) -> Iterator[str]:
    """Yield the terms of weekdays, weekends and numbered days, which may be in the past as well."""
    for match in compiled(_WEEKDAY).finditer(text):
        weekday = WEEKDAYS[match[2] or match[3]]
        day = today + timedelta(days=(weekday - today.weekday() - 1) % _WEEK_DAYS + 1)
        yield _day(day)
        if match[1] == "next" and (day - today).days < _WEEK_DAYS:
            yield _day(day + timedelta(days=_WEEK_DAYS))
    if compiled(_WEEKEND).search(text):
        saturday = today + timedelta(days=(5 - today.weekday()) % _WEEK_DAYS)
        yield from (_day(saturday), _day(saturday + timedelta(days=1)))
    for match in compiled(_DAY_OF_MONTH).finditer(text):
        if (day := _next_numbered(today, int(next(filter(None, match.groups()))))) is not None:
            yield _day(day)


def _days_of_dates(times: NamedTimes, now: date) -> Iterator[date]:
    """Yield the named days of months; without a year, the last one and the next one."""
    for month in times.months:
        for number in times.days:
            for year in times.years or (now.year - 1, now.year, now.year + 1):
                try:
                    day = date(year, month, number)
                except ValueError:
                    continue
                if times.years or abs((day - now).days) < 330:
                    yield day


def _days_of_periods(times: NamedTimes) -> Iterator[date]:
    """Yield the days of the named periods that have few of them."""
    for start, end in times.periods:
        first, last = (datetime.fromtimestamp(at / 1_000_000, times.zone).date() for at in (start, max(start, end - 1)))
        if (last - first).days < _WEEK_DAYS:
            yield from (first + timedelta(days=more) for more in range((last - first).days + 1))


def _with_days(term: str) -> Iterator[str]:
    """Yield the terms of the days of a week, and of the week and the month of a day."""
    told = term.removeprefix(_MARK)
    if "w" in told:
        monday = date.fromisocalendar(int(told[:4]), int(told[5:]), 1)
        yield from (_day(monday + timedelta(days=more)) for more in range(_WEEK_DAYS))
    elif len(told) == len("20260507"):
        day = date.fromisoformat(told)
        yield from (_week(day), _month(day))


def _next_numbered(today: date, number: int) -> date | None:
    """Return the next day that has a number in its month; None if it is too far away."""
    days = (today + timedelta(days=more) for more in range(1, 2 * _MONTH_DAYS))
    return next((day for day in days if day.day == number), None)


def _months_on(today: date, count: int) -> date:
    months = today.year * 12 + today.month - 1 + count
    return date(months // 12, months % 12 + 1, 1)


def _day(day: date) -> str:
    return f"{_MARK}{day:%Y%m%d}"


def _week(day: date) -> str:
    year, week, _ = day.isocalendar()
    return f"{_MARK}{year}w{week:02}"


def _month(day: date) -> str:
    return f"{_MARK}{day:%Y%m}"
