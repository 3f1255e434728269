"""Times that a question names: "on 8 May 2023", "am 6.9.", "last summer", "last week", "on Friday", "hace dos meses".

A named date is compared with the date of a turn part by part, because a question may name only the year. A date without
a year, and a time relative to now, also becomes a period: the last one that has begun. Days begin at midnight in the
user's time zone. A time only adds to a score and never excludes a message, because a person who asks about "last week"
may be off by a day.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Collection, Iterator, Sequence
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product

import msgspec

from recuerda.recall.date_forms import plain_dates
from recuerda.recall.date_phrases import Period, phrases
from recuerda.recall.date_words import (
    AGO,
    AHEAD,
    AMBIGUOUS_MONTHS,
    BEFORE_LAST_NIGHT,
    BEFORE_TIMES,
    BEFORE_YESTERDAY,
    BESIDE_DAYS,
    BOUNDS,
    DAYS_BACK,
    DAYS_BACK_IN_FRENCH,
    LAST,
    LAST_NIGHT,
    NAMED_UNITS,
    NUMBERS,
    PARTS_OF_MONTHS,
    PARTS_OF_WEEKS,
    PARTS_OF_YEARS,
    QUARTER_WORDS,
    QUARTERS,
    RANGE_STARTS,
    RANGES,
    RECENTLY,
    THIS,
    THIS_MORNING,
    TRAILING,
    UNITS,
    VAGUE_NUMBERS,
    WEEKDAYS,
    WEEKEND,
)
from recuerda.recall.folding import fold
from recuerda.recall.further_date_words import (
    FURTHER_AGO,
    FURTHER_AGO_WORDS,
    FURTHER_DAYS,
    FURTHER_DAYS_BACK,
    FURTHER_UNITS,
    FURTHER_WEEKDAYS,
    MONTH_NAMES,
    NUMBER_WORDS,
    count_of,
)
from recuerda.recall.holidays import holidays_of
from recuerda.recall.languages import ENGLISH, languages_of
from recuerda.recall.numeric_dates import numeric_dates
from recuerda.recall.seasons import seasons_of
from recuerda.storage.records import to_microseconds

_WEEKDAY_NAMES = FURTHER_WEEKDAYS | WEEKDAYS
_UNIT_WORDS = FURTHER_UNITS | UNITS
_DAYS_BACK = FURTHER_DAYS_BACK | DAYS_BACK
_UNIT_DAYS = {"day": 1, "week": 7, "month": 30, "year": 365, "decade": 3652}
_AGO = re.compile(AGO)
_FURTHER_AGO = [re.compile(pattern) for pattern in FURTHER_AGO]
_FURTHER_DAYS = [(re.compile(pattern), back) for pattern, back in FURTHER_DAYS]
_TRAILING = re.compile(TRAILING)
_RECENTLY = re.compile(RECENTLY)
_QUARTERS = [(re.compile(pattern), quarter) for quarter, pattern in QUARTERS.items()]
_RECENT_DAYS = 14
_BOUND = re.compile("|".join(rf"\b(?P<{kind}>{words})\b" for kind, words in BOUNDS.items()))
_FROM = re.compile(r"\d|\b(?:from|von|vom|del?|desde|du|dal|van)\b")
_NEAR = re.compile(rf"\b(?:{'|'.join(UNITS)}|weekend|\w+day)\W*$")
"""Words before a bound that tell of a time near the date, as in "the week before 3 August"."""
_LONGEST_ARTICLE = 3
_COUNTED_DAYS = rf"({'|'.join(NUMBERS)}|\d{{1,2}}) ({'|'.join(_WEEKDAY_NAMES)})(?:s|en)?"
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
    rf"({'|'.join(_UNIT_WORDS)})|({'|'.join(_GENITIVES)}))\b(?! (?:pasad|passad|scors|dernier))"
)
"""A part of this unit, or of the last one that has begun: "at the start of the year"."""
_ABOUT = re.compile(
    r"\b(vor|hace|il y a|ha) (?:gut|etwa|ungefahr|rund|circa|ca\.?|fast|knapp|uber|mehr als|cerca de|unos|unas|"
    r"casi|mas de|"
    r"aproximadamente|environ|presque|plus d[e']|a peu pres|quase|mais de) ?"
    rf"(?=(?:{'|'.join(NUMBER_WORDS)}|\d+)\b)"
)
_TENS = (
    (re.compile(r"\bune? (?:petite )?dizaine d[e']"), "10 "), (re.compile(r"\bune? vingtaine d[e']"), "20 "),
    (re.compile(r"\buna decina di "), "10 "), (re.compile(r"\buna decena de "), "10 "),
)  # fmt: skip
_NEARLY = {"day": (0, 1), "week": (2, 4), "month": (15, 30), "year": (182, 365), "decade": (550, 1100)}
"""Maps a unit to the number of days before the exact day that also count, and to the number of days of the period."""
_HOURS = ("hours", "stunden", "horas", "heures", "ore", "uur")
_LAST = re.compile(LAST)
_NAMED_UNITS = [(re.compile(pattern), unit, back) for (unit, back), pattern in NAMED_UNITS.items()]
_PART_OF_YEAR = re.compile(rf"\b({'|'.join(PARTS_OF_YEARS)})[ -](?:(?:of|de|del) )?((?:19|20)\d\d)\b")
_HALF_A_YEAR = re.compile(r"\b(?:half a year|medio ano|einem halben jahr|mezzo anno|meio ano|een half jaar)\b")
_THIS = re.compile(THIS)
_WEEKEND = re.compile(WEEKEND)
_BEFORE_YESTERDAY = re.compile(BEFORE_YESTERDAY)
_BEFORE_LAST_NIGHT = re.compile(BEFORE_LAST_NIGHT)
_LAST_NIGHT = re.compile(LAST_NIGHT)
_THIS_MORNING = re.compile(THIS_MORNING)
# The weekdays of Portuguese are numbers, so they need their second part or the word before them.
_NUMBERED_DAY = re.compile(
    r"\b(segunda|terca|quarta|quinta|sexta)[- ]feira\b|\bna (segunda|terca|quarta|quinta|sexta)\b"
)
_ISO_DATE = re.compile(r"\b((?:19|20)\d\d)-(\d\d?)(?:-(\d\d?))?\b")
_WORD = re.compile(r"[^\W_]+-feira|[^\W_]+'hui|昨天|昨日|어제|[^\W_]+|-")
_WEEKENDS = "weekend|week-end|wochenende|fin de semana|fine settimana|fim de semana"
_BEFORE_LAST = re.compile(
    rf"\b(week|month|year|weekend|quarter) before last\b|\b({_WEEKENDS}|semana|mes|ano) (?:antepasad|retrasad)[oa]\b|"
    rf"\b(?:vorletzte[nrs]?|avant-derniere?|penultim[oa]|voorlaatste) ({_WEEKENDS}|{'|'.join(UNITS)})\b"
)
_BESIDE_TIME = re.compile(
    rf"\b(?:({'|'.join(NUMBER_WORDS)}|\d{{1,2}}) )?({'|'.join(_UNIT_WORDS)}|{_WEEKENDS})s? "
    rf"(?:({BOUNDS['before']})|({BOUNDS['after']}|following|na|po)|of|vom|del|du|van|de) (?=\w)"
)
"""A time some units before or after another one, as in "the week after Easter" and "two days before yesterday"."""
_BESIDE_WORDS = frozenset((*_UNIT_WORDS, "weekend", "wochenende", "fin", "fine", "end", "weekends", "week-end"))
"""Words of which such a time has one."""
_EVES = (
    (re.compile(r"\b(?:la )?veille (?=d)"), "jour avant "),
    (re.compile(r"\b(?:le )?lendemain (?=d)"), "jour apres "),
    (re.compile(r"\bvispera (?=d)"), "dia antes "),
)
_BEFORE_YEAR = re.compile(r"(?:\b(?:of|de|des|del|do|dem)\b|\b(?:de |d)?(?:l|ell)')\s+(?=(?:19|20)\d\d\b)")
_FEW_WORDS = 3
_POINT = 4
"""The largest number of days of a time that counts as one day: Easter is its Sunday."""
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
_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


class NamedTimes(msgspec.Struct, frozen=True):
    """The times that a question names.

    Attributes:
        years: years, such as 2023.
        months: months, from 1 to 12.
        days: days of a month.
        periods: pairs of start and end, in microseconds since 1970.
        recent: a period of which a later time fits better.
        zone: the time zone in which a turn has its date.
    """

    years: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    periods: tuple[tuple[int, int], ...] = ()
    recent: tuple[int, int] | None = None
    zone: tzinfo = UTC

    def __bool__(self) -> bool:
        return bool(self.years or self.months or self.periods or self.recent)

    @property
    def windows(self) -> tuple[tuple[int, int], ...]:
        """The periods whose messages are candidates even if they share no word with the question.

        These are the named periods, and every named month or day in a named year.
        """
        dates = product(self.years, self.months, self.days or {None})
        named = (_dated(year, month, day, self.zone) for year, month, day in dates)
        recent = () if self.recent is None else (self.recent,)
        return (*self.periods, *recent, *(_in_microseconds(period) for period in named if period is not None))

    def with_whole_years(self) -> NamedTimes:
        """Return these times with the named years as periods, if nothing else is named."""
        if self.months or self.periods or self.recent:
            return self
        return msgspec.structs.replace(
            self, periods=tuple(_in_microseconds(_year(year, self.zone)) for year in sorted(self.years))
        )

    def parts_met(self, created_us: int) -> float:
        """Return how many of the named parts (year, month, day) match a time.

        A time in a named period counts as two parts. A time in the recent period counts as one part at its start, and
        as two at its end.
        """
        met = 2.0 if any(start <= created_us < end for start, end in self.periods) else 0.0
        if self.recent is not None and self.recent[0] <= created_us < self.recent[1]:
            met = max(met, 1 + (created_us - self.recent[0]) / (self.recent[1] - self.recent[0]))
        if self.years or self.months:
            when = datetime.fromtimestamp(created_us / 1_000_000, self.zone)
            met += (when.year in self.years) + (when.month in self.months)
            met += when.month in self.months and when.day in self.days
        return met


def named_times(question: str, now_us: int, zone: tzinfo = UTC) -> NamedTimes:
    """Return the times that a question names.

    Args:
        question: the question, in English, Spanish, German, French, Italian, Portuguese or Dutch. Some words of other
            languages are understood.
        now_us: the time of the question, in microseconds since 1970.
        zone: the time zone of the person who asks.
    """
    now = datetime.fromtimestamp(now_us / 1_000_000, zone)
    text = _ABOUT.sub(r"\1 ", plain_dates(fold(question)))
    for pattern, number in _TENS if "in" in text or "en" in text else ():
        text = pattern.sub(number, text)
    text = _with_years(text, now)
    if (beside := _beside_time(text, now)) is not None:
        return beside
    bound = _BOUND.search(text)
    if bound is None or not _begins_with_date(text[bound.end() :]) or _NEAR.search(text[: bound.start()]):
        return _times_of(text, now)
    before, named = _times_of(text[: bound.start()], now), _times_of(text[bound.start() :], now)
    windows = named.with_whole_years().windows
    if not windows or (bound["until"] and _FROM.search(text[: bound.start()])):
        return _times_of(text, now)
    start, end = min(one[0] for one in windows), max(one[1] for one in windows)
    until_now = _in_microseconds(_days(_day_of(now), 0, 1))[1]
    periods = {"before": (0, start), "until": (0, end), "after": (end, until_now), "since": (start, until_now)}
    first, last = periods[bound.lastgroup or ""]
    return msgspec.structs.replace(before, periods=(*before.periods, (first, max(first, last))))


def _with_years(text: str, now: datetime) -> str:
    """Return a folded question with "last year" as the number of the year, if it also names a part of the year."""
    rest = text
    further = _FURTHER_AGO if any(word in text for word in FURTHER_AGO_WORDS) else ()
    for pattern in (_LAST, _THIS, _AGO, *further):
        rest = pattern.sub(lambda match: _as_year(match, now), rest)
    for pattern, unit, back in _NAMED_UNITS:
        if unit == "year":
            rest = pattern.sub(f" {now.year - back} ", rest)
    if rest == text:
        return text
    rest = " ".join(_BEFORE_YEAR.sub(" ", rest).split())
    years, months, _ = _named_dates(_WORD.findall(rest))
    has_part = months or any(seasons_of(rest, now)) or any(holidays_of(rest, years, now))
    return rest if has_part or any(word in rest for word in QUARTER_WORDS) else text


def _as_year(match: re.Match[str], now: datetime) -> str:
    """Return the year that a match of `_LAST`, `_THIS` or `_AGO` names, or its text if it names none."""
    if match.re is _AGO or match.re in _FURTHER_AGO:
        groups = match.groups()
        amount, unit = groups[:2] if groups[1] else groups[2:]
        amount = amount or "1"
        back = 0 if amount in VAGUE_NUMBERS else count_of(amount)
    else:
        unit, back = next(filter(None, match.groups())), int(match.re is _LAST)
    is_year = _UNIT_WORDS[unit] == "year" and (back or match.re is _THIS)
    return f" {now.year - back} " if is_year else match[0]


def _beside_time(text: str, now: datetime) -> NamedTimes | None:
    """Return the times of a question that names one beside another one, as in "the week after Easter"."""
    for pattern, plain in _EVES if "de" in text or "d'" in text else ():
        text = pattern.sub(plain, text)
    if _BESIDE_WORDS.isdisjoint(_WORD.findall(text)):
        return None
    for match in _BESIDE_TIME.finditer(text):
        rest = text[match.end() :]
        if not _times_of(" ".join(rest.split()[:_FEW_WORDS]), now).windows:
            continue
        anchor = _times_of(rest, now)
        start, end = min(anchor.windows, key=lambda window: window[1] - window[0])
        first, last = (datetime.fromtimestamp(at / 1_000_000, now.tzinfo) for at in (start, end))
        is_within = match[3] is None and match[4] is None
        if is_within and (_UNIT_WORDS.get(match[2]) != "week" or match[1] or (last - first).days > _POINT):
            continue
        period = _in_microseconds(_beside(match, (first, last)))
        named = _times_of(text[: match.start()], now)
        # What happened shortly before a date was mostly told on that date.
        is_dated = bool(anchor.years and anchor.months) and not is_within
        dated = anchor if is_dated else NamedTimes(zone=anchor.zone)
        return msgspec.structs.replace(dated, periods=(*dated.periods, *named.periods, period), recent=named.recent)
    return None


def _beside(match: re.Match[str], anchor: Period) -> Period:
    """Return the period that a match of `_BESIDE_TIME` names before or after a period."""
    if match[3] is None and match[4] is None:
        return _unit(anchor[0], "week", back=0)
    is_before = match[3] is not None
    length = (anchor[1] - anchor[0]).days
    if length <= _POINT:
        day = anchor[0] + timedelta(days=length // 2 if length > 2 else 0)
    else:
        day = anchor[0] if is_before else anchor[1] - timedelta(days=1)
    sign = -1 if is_before else 1
    unit = _UNIT_WORDS.get(match[2], "weekend")
    if unit == "weekend":
        saturday = day + timedelta(days=(5 - day.weekday()) % 7 or 7)
        return _days(saturday, 0 if not is_before else 14 if (saturday - day).days > 5 else 7, 2)
    count = 2 * _UNIT_DAYS["week"] if unit == "fortnight" else _UNIT_DAYS[unit]
    if unit == "day":
        return _days(day, -sign * (count_of(match[1]) if match[1] else 1), 1)
    if match[1]:
        before, nearly = _NEARLY.get(unit, (2, 4))
        return _days(day, before - sign * count * count_of(match[1]), nearly + 1)
    return _days(day, count, count) if is_before else _days(day, -1, count)


def _begins_with_date(text: str) -> bool:
    """Return True if a text begins with a date, which may have an article. A number of units ago is no date."""
    first, second = [*_WORD.findall(text)[:2], "", ""][:2]
    word = second if len(first) <= _LONGEST_ARTICLE and _is_of_date(second) else first
    return _is_of_date(word) and not _AGO.match(f"vor {text.strip()}")


def _is_of_date(word: str) -> bool:
    return word[:1].isdecimal() or word in MONTH_NAMES or word in _WEEKDAY_NAMES


def _times_of(text: str, now: datetime) -> NamedTimes:
    """Return the times that a folded question names, whose dates are plain."""
    told, told_months, text = phrases(text, now)
    years, months, days = _named_dates(_WORD.findall(_ISO_DATE.sub(" ", text)))
    for match in _ISO_DATE.finditer(text):
        years.add(int(match[1]))
        months.add(int(match[2]))
        days.update({int(match[3])} if match[3] else ())
    periods = [*told, *_relative(text, now), *seasons_of(text, now, years), *holidays_of(text, years, now)]
    periods += _in_numbers(text, now)
    if months and not years:
        periods += _newest(months, days, now)
    periods += _quarters(text, years, now)
    recent = _days(_day_of(now), _RECENT_DAYS, _RECENT_DAYS + 1) if _RECENTLY.search(text) else None
    return NamedTimes(
        years=frozenset(years),
        months=frozenset(months | told_months),
        days=frozenset(days),
        periods=tuple(map(_in_microseconds, periods)),
        recent=recent and _in_microseconds(recent),
        zone=now.tzinfo or UTC,
    )


# -- dates -------------------------------------------------------------------------------------------------------------


def _named_dates(words: list[str]) -> tuple[set[int], set[int], set[int]]:
    years = {int(word) for word in words if re.fullmatch(r"(?:19|20)\d\d", word)}
    months: set[int] = set()
    days: set[int] = set()
    for at, word in enumerate(words):
        if (month := MONTH_NAMES.get(word)) is None:
            continue
        beside = _days_of([*reversed(words[:at])], is_reversed=True) | _days_of(words[at + 1 :])
        before = words[at - 1] if at else ""
        has_year = at + 1 < len(words) and words[at + 1].isdecimal()
        beside = beside or _days_of_part(words[:at], words[at + 1] if at + 1 < len(words) else "")
        is_in_range = _is_range_of_months(words[at - 3 : at + 1]) if at > 2 else False
        starts_range = before in RANGE_STARTS and _is_range_of_months(words[at - 1 : at + 3])
        if word not in AMBIGUOUS_MONTHS or beside or before in BEFORE_TIMES or has_year or is_in_range or starts_range:
            months.add(month)
            if is_in_range:
                first = MONTH_NAMES[words[at - 2]]
                months.update((first + further - 1) % 12 + 1 for further in range((month - first) % 12))
            days |= beside
    return years, months, days


def _is_range_of_months(words: Sequence[str]) -> bool:
    """Return True if four words are a range such as "from March to May"."""
    if len(words) < 4 or words[0] not in RANGE_STARTS or not {words[1], words[3]} <= MONTH_NAMES.keys():
        return False
    return words[2] in RANGES or words[2] in BESIDE_DAYS


def _days_of(words: Sequence[str], *, is_reversed: bool = False) -> set[int]:
    """Return the days at the start of words beside a month: one day, a list or a range."""
    found: list[int] = []
    days: set[int] = set()
    is_range = False
    for word in words:
        if day := _day(word):
            if is_range and found:
                low, high = sorted((found[-1], day))
                days.update(range(low, high + 1))
            found.append(day)
            is_range = False
        elif word in RANGES or word == "-":
            is_range = True
        elif word not in BESIDE_DAYS or (not is_reversed and not found):
            break
    return days.union(found)


def _days_of_part(before: Sequence[str], after: str) -> set[int]:
    """Return the days of the part of a month that a word beside its name tells, as in "at the end of June"."""
    told = next((word for word in reversed(before[-3:]) if word not in (*BESIDE_DAYS, "-")), "")
    return set(PARTS_OF_MONTHS.get(told, PARTS_OF_MONTHS.get(after, ())))


def _day(word: str) -> int | None:
    match = re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th|er|e|o)?", word)
    return int(match[1]) if match and 1 <= int(match[1]) <= 31 else None


def _newest(months: set[int], days: set[int], now: datetime) -> Iterator[Period]:
    """Yield the newest period that has begun of each month, or of each day of the months."""
    for month, day in product(months, days or {None}):
        # 29 February was at most eight years ago.
        for year in range(now.year, max(0, now.year - 9), -1):
            if (period := _dated(year, month, day, now.tzinfo)) is not None and period[0] <= now:
                yield period
                break


def _in_numbers(text: str, now: datetime) -> Iterator[Period]:
    is_english = languages_of(_WORD.findall(text), text)[:1] in ([], [ENGLISH])
    for year, month, day in numeric_dates(text, is_english=is_english):
        if year is None:
            yield from _newest({month}, {day}, now)
        elif (period := _dated(year, month, day, now.tzinfo)) is not None:
            yield period


def _dated(year: int, month: int, day: int | None, zone: tzinfo | None) -> Period | None:
    """Return a day or, if `day` is None, a whole month. Return None if the calendar has no such day."""
    length = monthrange(year, month)[1] if 1 <= month <= 12 else 0
    if not 1 <= (1 if day is None else day) <= length:
        return None
    start = datetime(year, month, day or 1, tzinfo=zone)
    return start, start + timedelta(days=length if day is None else 1)


def _year(year: int, zone: tzinfo | None) -> Period:
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


# -- times relative to now ---------------------------------------------------------------------------------------------


def _relative(text: str, now: datetime) -> Iterator[Period]:
    today = _day_of(now)
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
    for match in _LAST.finditer(rest_without_weekends):
        yield _named_part(rest_without_weekends[: match.start()], UNITS[match[1] or match[2]], today, back=1)
    has_part = not _PART_WORDS.isdisjoint(_WORD.findall(rest))
    for match in _PART_OF_UNIT.finditer(rest_without_weekends) if has_part else ():
        yield from _newest_part(match[1], _GENITIVES[match[3]] if match[3] else _UNIT_WORDS[match[2]], today)
    for match in _THIS.finditer(rest):
        yield _named_part(rest[: match.start()], UNITS[match[1]], today, back=0)
    for pattern, unit, back in _NAMED_UNITS:
        if pattern.search(rest):
            yield _unit(today, unit, back=back)
    for match in _PART_OF_YEAR.finditer(rest):
        months = [_dated(int(match[2]), month, None, today.tzinfo) for month in PARTS_OF_YEARS[match[1]]]
        yield from (month for month in months if month is not None)
    yield from _named_days(rest, today, is_night=is_night)


def _days_of_a_week(text: str, today: datetime) -> list[Period] | None:
    """Return the named days of a named week, as in "on Tuesday of last week", or None if no such days are named."""
    weekdays = [_WEEKDAY_NAMES[word] for word in _WORD.findall(text) if word in _WEEKDAY_NAMES]
    ago = _AGO.search(text) if weekdays else None
    if ago is not None and _UNIT_WORDS[ago[2] or ago[4]] == "week":
        weeks = count_of(ago[1] or ago[3])
    elif weekdays and any(UNITS[match[1] or match[2]] == "week" for match in _LAST.finditer(text)):
        weeks = 1
    else:
        ago = _WEEKDAYS_AGO.search(text)
        if ago is None:
            return None
        weekday, count = _WEEKDAY_NAMES[ago[2] or ago[4]], count_of(ago[1] or ago[3])
        return [_days(today, (today.weekday() - weekday - 1) % 7 + 1 + 7 * (count - 1), 1)]
    return [_days(today, today.weekday() - weekday + 7 * weeks, 1) for weekday in weekdays]


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
    period = _unit(today, unit, back=back)
    if unit == "month" and (numbered := _NUMBERED_BEFORE.search(before)):
        day = _dated(period[0].year, period[0].month, int(numbered[1]), today.tzinfo)
        return period if day is None else day
    return _part(period, unit, _WORD.findall(before)[-3:])


def _newest_part(part: str, unit: str, today: datetime) -> Iterator[Period]:
    """Yield the part of this unit, or of the last one if it has not begun, such as "the end of the month"."""
    if part in _PARTS.get(unit, ()):
        found = _part(_unit(today, unit, back=0), unit, [part])
        yield found if found[0] <= today else _part(_unit(today, unit, back=1), unit, [part])


def _times_ago(text: str, today: datetime) -> Iterator[Period]:
    for match in _AGO.finditer(text):
        yield from _ago(today, match[1] or match[3], match[2] or match[4])
    for pattern in _FURTHER_AGO if any(word in text for word in FURTHER_AGO_WORDS) else ():
        for match in pattern.finditer(text):
            yield from _ago(today, match[1] or "1", match[2])


def _trailing(text: str, today: datetime) -> Iterator[Period]:
    """Yield the periods that end now, such as "the last three weeks"."""
    for match in _TRAILING.finditer(text):
        amount, unit = match[1] or match[3], match[2] or match[4]
        count = count_of(amount)
        if unit in _HOURS:
            yield _days(today, -(-count // 24), 1 - (-count // 24))
        else:
            count, name = (2 * count, "week") if UNITS[unit] == "fortnight" else (count, UNITS[unit])
            back = count * _UNIT_DAYS[name]
            yield _days(today, back, back + 1)


def _quarters(text: str, years: Collection[int], now: datetime) -> Iterator[Period]:
    """Yield the months of each quarter that a question names; without a year, of the last one that has begun."""
    this = now.year * 4 + (now.month - 1) // 3
    if not any(word in text for word in QUARTER_WORDS):
        return
    named = {quarter for pattern, quarter in _QUARTERS if pattern.search(text)}
    for quarter in named:
        if quarter <= 0:
            found = [this + quarter]
        else:
            last = now.year if quarter - 1 <= (now.month - 1) // 3 else now.year - 1
            found = [year * 4 + quarter - 1 for year in sorted(years) or [last]]
        for number in found:
            months = (_dated(number // 4, number % 4 * 3 + month, None, now.tzinfo) for month in (1, 2, 3))
            yield from (period for period in months if period is not None)


def _before_last(today: datetime, unit: str) -> Period:
    if unit not in UNITS and unit != "quarter":
        return _days(today, (today.weekday() - 5) % 7 + 7, 2)
    return _unit(today, UNITS[unit], back=2)


def _newest_day(today: datetime, day: int) -> Iterator[Period]:
    """Yield the newest day that has this number in its month and is not in the future."""
    for back in range(3):
        months = today.year * 12 + today.month - 1 - back
        period = _dated(months // 12, months % 12 + 1, day, today.tzinfo)
        if period is not None and period[0] <= today:
            yield period
            return


def _parts_of_days(text: str, today: datetime, *, is_night: bool) -> Iterator[Period]:
    if _BEFORE_YESTERDAY.search(text):
        yield _days(today, 2, 1)
    if _THIS_MORNING.search(text):
        yield _this_day(today, is_night=is_night)
    for pattern, back in ((_LAST_NIGHT, 1), (_BEFORE_LAST_NIGHT, 2)):
        if pattern.search(text):
            evening = _days(today, back, 1)[0] + _EVENING
            yield evening, evening + _NIGHT


def _this_day(today: datetime, *, is_night: bool) -> Period:
    """Return this day, with the day before it for somebody who is still awake in the night."""
    return _days(today, int(is_night), 1 + is_night)


def _named_days(text: str, today: datetime, *, is_night: bool) -> Iterator[Period]:
    """Yield yesterday and today, the last weekend, and the last day with a named weekday."""
    if match := _WEEKEND.search(text):
        is_over = bool(match[1] or match[2]) and today.weekday() >= 5
        yield _days(today, (today.weekday() - 5) % 7 + 7 * is_over, 2)
    words = _WORD.findall(_NUMBERED_DAY.sub(lambda match: f"{match[1] or match[2]}-feira", text))
    days_back = _DAYS_BACK | DAYS_BACK_IN_FRENCH if languages_of(words, text)[:1] == ["fr"] else _DAYS_BACK
    for pattern, back in _FURTHER_DAYS:
        if pattern.search(text):
            yield _days(today, back, 1)
    further = zip(["", *words], words, [*words[1:], ""], [*words[2:], "", ""], strict=False)
    for before, word, after, second in further:
        if word in days_back:
            back = days_back[word]
            yield _days(today, back, 1) if back else _this_day(today, is_night=is_night)
        elif word in _WEEKDAY_NAMES and AHEAD.isdisjoint((before, after)):
            is_earlier = (after, second) == ("before", "last") or before.startswith("vorletz")
            yield _days(today, (today.weekday() - _WEEKDAY_NAMES[word] - 1) % 7 + 1 + 7 * is_earlier, 1)


def _ago(today: datetime, amount: str, unit: str) -> Iterator[Period]:
    """Yield a period some units ago, with some days before and after it, because people do not count exactly.

    It is also the week or the month of the calendar: "two months ago" may be any day of that month.
    """
    count, name = count_of(amount), _UNIT_WORDS[unit]
    if name == "fortnight":
        count, name = 2 * count, "week"
    back = _UNIT_DAYS[name] * count
    before, length = _NEARLY[name]
    yield _days(today, back + before, length)
    if amount not in VAGUE_NUMBERS and (name == "month" or (name == "week" and count > 1)):
        yield _unit(today, name, back=count)


def _unit(today: datetime, unit: str, *, back: int) -> Period:
    """Return the day, the week from Monday on, the month or the year that has this day, or the one before it.

    A fortnight ends with this day, or before it.
    """
    if unit == "fortnight":
        return _days(today, 14 if back else 13, 14)
    if unit == "day":
        return _days(today, back, 1)
    if unit == "week":
        return _days(today, today.weekday() + 7 * back, 7)
    if unit == "decade":
        start = today.replace(year=today.year // 10 * 10 - 10 * back, month=1, day=1)
        return start, start.replace(year=start.year + 10)
    if unit == "year":
        start = today.replace(year=max(1, today.year - back), month=1, day=1)
        return start, start.replace(year=start.year + 1)
    months = today.year * 12 + today.month - 1 - back
    start = today.replace(year=months // 12, month=months % 12 + 1, day=1)
    return start, start + timedelta(days=monthrange(start.year, start.month)[1])


def _day_of(now: datetime) -> datetime:
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def _days(today: datetime, back: int, length: int) -> Period:
    try:
        start = today - timedelta(days=back)
        return start, start + timedelta(days=length)
    except OverflowError:
        return _EARLIEST, _EARLIEST


def _in_microseconds(period: Period) -> tuple[int, int]:
    return to_microseconds(max(period[0], _EARLIEST)), to_microseconds(max(period[1], _EARLIEST))
