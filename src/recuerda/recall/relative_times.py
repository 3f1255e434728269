"""Times relative to now: "yesterday", "last week", "two months ago", "the weekend before last", "on Friday".

A weekday is the last one. "Two months ago" is not exact: some days before and after it count, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from recuerda.recall.date_words import (
    AGO,
    AHEAD,
    BEFORE_LAST_NIGHT,
    BEFORE_YESTERDAY,
    DAYS_BACK,
    DAYS_BACK_IN_FRENCH,
    LAST,
    LAST_NIGHT,
    NAMED_UNITS,
    NUMBERS,
    PARTS_OF_MONTHS,
    PARTS_OF_WEEKS,
    PARTS_OF_YEARS,
    THIS,
    THIS_MORNING,
    TIME_WORD,
    TRAILING,
    UNITS,
    VAGUE_NUMBERS,
    WEEKEND,
    WEEKENDS,
)
from recuerda.recall.further_date_words import (
    FURTHER_AGO,
    FURTHER_AGO_WORDS,
    FURTHER_DAYS,
    FURTHER_DAYS_BACK,
    UNIT_WORDS,
    WEEKDAY_NAMES,
    count_of,
)
from recuerda.recall.languages import languages_of
from recuerda.recall.patterns import compiled
from recuerda.recall.periods import NEARLY, Period, dated, days_of, midnight, span, whole_unit

_WORD = re.compile(TIME_WORD)
_DAYS_BACK = FURTHER_DAYS_BACK | DAYS_BACK
_FURTHER_DAYS = [(re.compile(pattern), back) for pattern, back in FURTHER_DAYS]
_TRAILING = re.compile(TRAILING)
_COUNTED_DAYS = rf"({'|'.join(NUMBERS)}|\d{{1,2}}) ({'|'.join(WEEKDAY_NAMES)})(?:s|en)?"
_WEEKDAYS_AGO = re.compile(
    rf"\b{_COUNTED_DAYS} (?:ago|back|fa|atras|geleden)\b|\b(?:hace|vor|il y a|ha) {_COUNTED_DAYS}\b"
)
_PARTS = {"week": PARTS_OF_WEEKS, "month": PARTS_OF_MONTHS, "year": PARTS_OF_YEARS}
_PART_WORDS = frozenset((*PARTS_OF_WEEKS, *PARTS_OF_MONTHS, *PARTS_OF_YEARS))
_GENITIVES = {
    "года": "year", "месяца": "month", "недели": "week", "roku": "year", "miesiaca": "month", "tygodnia": "week",
}  # fmt: skip
_PART_OF_UNIT = re.compile(
    rf"\b({'|'.join(_PART_WORDS)}) "
    r"(?:(?:of|de|des|del|do|du|van|d|dell|der)[ '](?:the |la |l'|het |el |de )?"
    rf"({'|'.join(UNIT_WORDS)})|({'|'.join(_GENITIVES)}))\b(?! (?:pasad|passad|scors|dernier))"
)
"""A part of this unit, or of the last one that has begun: "at the start of the year"."""
_HOURS = ("hours", "stunden", "horas", "heures", "ore", "uur")
_PART_OF_YEAR = re.compile(rf"\b({'|'.join(PARTS_OF_YEARS)})[ -](?:(?:of|de|del) )?((?:19|20)\d\d)\b")
_HALF_A_YEAR = re.compile(r"\b(?:half a year|medio ano|einem halben jahr|mezzo anno|meio ano|een half jaar)\b")
_WEEKEND = re.compile(WEEKEND)
_BEFORE_YESTERDAY = re.compile(BEFORE_YESTERDAY)
_BEFORE_LAST_NIGHT = re.compile(BEFORE_LAST_NIGHT)
_LAST_NIGHT = re.compile(LAST_NIGHT)
_THIS_MORNING = re.compile(THIS_MORNING)
_NUMBERED_DAY = re.compile(
    r"\b(segunda|terca|quarta|quinta|sexta)[- ]feira\b|\bna (segunda|terca|quarta|quinta|sexta)\b"
)
_BEFORE_LAST = re.compile(
    rf"\b(week|month|year|weekend|quarter) before last\b|\b({WEEKENDS}|semana|mes|ano) (?:antepasad|retrasad)[oa]\b|"
    rf"\b(?:vorletzte[nrs]?|avant-derniere?|penultim[oa]|voorlaatste) ({WEEKENDS}|{'|'.join(UNITS)})\b"
)
_NIGHT_ENDS = 4
"""The hour until which people mean the day before, too, when they say "today"."""
_NUMBERED_BEFORE = re.compile(
    r"\b(\d{1,2})(?:st|nd|rd|th|er|e|o|\.)? (?:(?:of|del?|des|du|van|do|d)[ ']?)?(?:the |el |l')?$"
)
_DAY_OF_MONTH = re.compile(
    r"\bon the (\d{1,2})(?:st|nd|rd|th)(?=\W*$|[,;]| of this month\b)|\bel (?:dia )?(\d{1,2})(?=\W*$)"
)
_EVENING = timedelta(hours=17)
_NIGHT = timedelta(hours=12)


def relative_times_of(text: str, now: datetime) -> Iterator[Period]:
    """Yield the periods that a folded question names relative to now."""
    today = midnight(now)
    is_night = now.hour < _NIGHT_ENDS
    yield from _parts_of_days(text, today, is_night=is_night)
    yield from _trailing(text, today)
    # "The day before yesterday" and "yesterday evening" are not "yesterday", and "the last seven days" are no last day.
    text = _TRAILING.sub(" ", text)
    rest = _HALF_A_YEAR.sub("6 mes", _LAST_NIGHT.sub(" ", _BEFORE_YESTERDAY.sub(" ", text)))
    if (days := _days_of_a_week(rest, today)) is not None:
        yield from days
        return
    yield from _times_ago(rest, today)
    for match in _BEFORE_LAST.finditer(rest):
        yield _before_last(today, match[1] or match[2] or match[3])
    for match in _DAY_OF_MONTH.finditer(rest):
        yield from _newest_day(today, int(match[1] or match[2]))
    rest = _BEFORE_LAST.sub(" ", rest)
    rest_without_weekends = _WEEKEND.sub(" ", rest)
    for match in compiled(LAST).finditer(rest_without_weekends):
        yield _named_part(rest_without_weekends[: match.start()], UNITS[match[1] or match[2]], today, back=1)
    has_part = not _PART_WORDS.isdisjoint(_WORD.findall(rest))
    for match in _PART_OF_UNIT.finditer(rest_without_weekends) if has_part else ():
        yield from _newest_part(match[1], _GENITIVES[match[3]] if match[3] else UNIT_WORDS[match[2]], today)
    for match in compiled(THIS).finditer(rest):
        yield _named_part(rest[: match.start()], UNITS[match[1]], today, back=0)
    for (unit, back), pattern in NAMED_UNITS.items():
        if compiled(pattern).search(rest):
            yield whole_unit(today, unit, back=back)
    for match in _PART_OF_YEAR.finditer(rest):
        months = [dated(int(match[2]), month, None, today.tzinfo) for month in PARTS_OF_YEARS[match[1]]]
        yield from (month for month in months if month is not None)
    yield from _named_days(rest, today, is_night=is_night)


def _days_of_a_week(text: str, today: datetime) -> list[Period] | None:
    """Return the named days of a named week, as in "on Tuesday of last week", or None if no such days are named."""
    weekdays = [WEEKDAY_NAMES[word] for word in _WORD.findall(text) if word in WEEKDAY_NAMES]
    ago = compiled(AGO).search(text) if weekdays else None
    if ago is not None and UNIT_WORDS[ago[2] or ago[4]] == "week":
        weeks = count_of(ago[1] or ago[3])
    elif weekdays and any(UNITS[match[1] or match[2]] == "week" for match in compiled(LAST).finditer(text)):
        weeks = 1
    else:
        ago = _WEEKDAYS_AGO.search(text)
        if ago is None:
            return None
        weekday, count = WEEKDAY_NAMES[ago[2] or ago[4]], count_of(ago[1] or ago[3])
        return [span(today, (today.weekday() - weekday - 1) % 7 + 1 + 7 * (count - 1), 1)]
    return [span(today, today.weekday() - weekday + 7 * weeks, 1) for weekday in weekdays]


def _part(period: Period, unit: str, before: Sequence[str]) -> Period:
    """Return the part of a month or a year that the words before it tell, as in "at the end of last month"."""
    start, end = period
    for word in before:
        if unit == "week" and (days := PARTS_OF_WEEKS.get(word)):
            return start + timedelta(days=days[0]), start + timedelta(days=days[-1] + 1)
        if unit == "month" and (days := PARTS_OF_MONTHS.get(word)):
            return start + timedelta(days=days[0] - 1), min(end, start + timedelta(days=days[-1]))
        if unit == "year" and (months := PARTS_OF_YEARS.get(word)):
            return start.replace(month=months[0]), min(end, start.replace(month=months[-1]) + timedelta(days=31))
    return period


def _named_part(before: str, unit: str, today: datetime, *, back: int) -> Period:
    """Return the week, month or year some units ago, or the day or the part of it that the text before it tells."""
    period = whole_unit(today, unit, back=back)
    if unit == "month" and (numbered := _NUMBERED_BEFORE.search(before)):
        day = dated(period[0].year, period[0].month, int(numbered[1]), today.tzinfo)
        return period if day is None else day
    return _part(period, unit, _WORD.findall(before)[-3:])


def _newest_part(part: str, unit: str, today: datetime) -> Iterator[Period]:
    """Yield the part of this unit, or of the last one if it has not begun, such as "the end of the month"."""
    if part in _PARTS.get(unit, ()):
        found = _part(whole_unit(today, unit, back=0), unit, [part])
        yield found if found[0] <= today else _part(whole_unit(today, unit, back=1), unit, [part])


def _times_ago(text: str, today: datetime) -> Iterator[Period]:
    for match in compiled(AGO).finditer(text):
        yield from _ago(today, match[1] or match[3], match[2] or match[4])
    for pattern in FURTHER_AGO if any(word in text for word in FURTHER_AGO_WORDS) else ():
        for match in compiled(pattern).finditer(text):
            yield from _ago(today, match[1] or "1", match[2])


def _trailing(text: str, today: datetime) -> Iterator[Period]:
    """Yield the periods that end now, such as "the last three weeks"."""
    for match in _TRAILING.finditer(text):
        amount, unit = match[1] or match[3], match[2] or match[4]
        count = count_of(amount)
        if unit in _HOURS:
            yield span(today, -(-count // 24), 1 - (-count // 24))
        else:
            count, name = (2 * count, "week") if UNITS[unit] == "fortnight" else (count, UNITS[unit])
            back = days_of(name, count)
            yield span(today, back, back + 1)


def _before_last(today: datetime, unit: str) -> Period:
    if unit not in UNITS and unit != "quarter":
        return span(today, (today.weekday() - 5) % 7 + 7, 2)
    return whole_unit(today, UNITS[unit], back=2)


def _newest_day(today: datetime, day: int) -> Iterator[Period]:
    """Yield the newest day that has this number in its month and is not in the future."""
    for back in range(3):
        months = today.year * 12 + today.month - 1 - back
        period = dated(months // 12, months % 12 + 1, day, today.tzinfo)
        if period is not None and period[0] <= today:
            yield period
            return


def _parts_of_days(text: str, today: datetime, *, is_night: bool) -> Iterator[Period]:
    if _BEFORE_YESTERDAY.search(text):
        yield span(today, 2, 1)
    if _THIS_MORNING.search(text):
        yield _this_day(today, is_night=is_night)
    for pattern, back in ((_LAST_NIGHT, 1), (_BEFORE_LAST_NIGHT, 2)):
        if pattern.search(text):
            evening = span(today, back, 1)[0] + _EVENING
            yield evening, evening + _NIGHT


def _this_day(today: datetime, *, is_night: bool) -> Period:
    """Return this day, with the day before it for somebody who is still awake in the night."""
    return span(today, int(is_night), 1 + is_night)


def _named_days(text: str, today: datetime, *, is_night: bool) -> Iterator[Period]:
    """Yield yesterday and today, the last weekend, and the last day with a named weekday."""
    if match := _WEEKEND.search(text):
        is_over = bool(match[1] or match[2]) and today.weekday() >= 5
        yield span(today, (today.weekday() - 5) % 7 + 7 * is_over, 2)
    words = _WORD.findall(_NUMBERED_DAY.sub(lambda match: f"{match[1] or match[2]}-feira", text))
    days_back = _DAYS_BACK | DAYS_BACK_IN_FRENCH if languages_of(words, text)[:1] == ["fr"] else _DAYS_BACK
    for pattern, back in _FURTHER_DAYS:
        if pattern.search(text):
            yield span(today, back, 1)
    further = zip(["", *words], words, [*words[1:], ""], [*words[2:], "", ""], strict=False)
    for before, word, after, second in further:
        if word in days_back:
            back = days_back[word]
            yield span(today, back, 1) if back else _this_day(today, is_night=is_night)
        elif word in WEEKDAY_NAMES and AHEAD.isdisjoint((before, after)):
            is_earlier = (after, second) == ("before", "last") or before.startswith("vorletz")
            yield span(today, (today.weekday() - WEEKDAY_NAMES[word] - 1) % 7 + 1 + 7 * is_earlier, 1)


def _ago(today: datetime, amount: str, unit: str) -> Iterator[Period]:
    """Yield a period some units ago, with some days before and after it, because people do not count exactly.

    It is also the week or the month of the calendar: "two months ago" may be any day of that month.
    """
    count, name = count_of(amount), UNIT_WORDS[unit]
    if name == "fortnight":
        count, name = 2 * count, "week"
    back = days_of(name, count)
    before, length = NEARLY[name]
    yield span(today, back + before, length)
    if amount not in VAGUE_NUMBERS and (name == "month" or (name == "week" and count > 1)):
        yield whole_unit(today, name, back=count)
