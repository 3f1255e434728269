"""Times that a question names: "on 8 May 2023", "am 6.9.", "last summer", "last week", "on Friday", "hace dos meses".

A named date is compared with the date of a turn part by part, because a question may name only the year. A date without
a year, and a time relative to now, also becomes a period: the last one that has begun. Days begin at midnight in the
user's time zone. A time only adds to a score and never excludes a message, because a person who asks about "last week"
may be off by a day.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product

import msgspec

from recuerda.recall.date_forms import plain_dates
from recuerda.recall.date_phrases import phrases
from recuerda.recall.date_words import (
    AGO,
    BOUNDS,
    LAST,
    NAMED_UNITS,
    QUARTER_WORDS,
    RECENTLY,
    THIS,
    TIME_WORD,
    UNITS,
    VAGUE_NUMBERS,
    WEEKENDS,
)
from recuerda.recall.folding import fold
from recuerda.recall.further_date_words import (
    FURTHER_AGO,
    FURTHER_AGO_WORDS,
    MONTH_NAMES,
    NUMBER_WORDS,
    UNIT_WORDS,
    WEEKDAY_NAMES,
    count_of,
)
from recuerda.recall.holidays import holidays_of, without_feasts
from recuerda.recall.patterns import compiled
from recuerda.recall.periods import (
    NEARLY,
    Period,
    dated,
    days_of,
    in_microseconds,
    midnight,
    newest,
    span,
    whole_unit,
    whole_year,
)
from recuerda.recall.quarters import quarters_of
from recuerda.recall.relative_times import relative_times_of
from recuerda.recall.seasons import seasons_of
from recuerda.recall.written_dates import dates_in_numbers, named_dates

_RECENTLY = re.compile(RECENTLY)
_RECENT_DAYS = 14
_BOUND = re.compile("|".join(rf"\b(?P<{kind}>{words})\b" for kind, words in BOUNDS.items()))
_FROM = re.compile(r"\d|\b(?:from|von|vom|del?|desde|du|dal|van)\b")
_NEAR = re.compile(rf"\b(?:{'|'.join(UNITS)}|weekend|\w+day)\W*$")
"""Words before a bound that tell of a time near the date, as in "the week before 3 August"."""
_LAST_TIME = (
    rf"\W*(?:the |la |el |le |il |lo |o |a |l'|de |het )?(?:{LAST}|(?:last|past|previous|letzte[mn]|vorige[mn]?|"
    rf"vergangene[mn]|afgelopen|scors[oa]|ultim[oa]) (?:{'|'.join(WEEKDAY_NAMES)}|{WEEKENDS})\b)"
)
"""The last unit or weekday behind a bound, as in "since last Monday"."""
_LONGEST_ARTICLE = 3
_ABOUT = re.compile(
    r"\b(vor|hace|il y a|ha) (?:gut|etwa|ungefahr|rund|circa|ca\.?|fast|knapp|uber|mehr als|cerca de|unos|unas|"
    r"casi|mas de|"
    r"aproximadamente|environ|presque|plus d[e']|a peu pres|quase|mais de) ?"
    rf"(?=(?:{'|'.join(NUMBER_WORDS)}|\d+)\b)"
)
_TENS = (
    (re.compile(r"\bune? (?:petite )?dizaine d(?:'|e )"), "10 "), (re.compile(r"\bune? quinzaine d(?:'|e )"), "15 "),
    (re.compile(r"\bune? vingtaine d(?:'|e )"), "20 "),
    (re.compile(r"\buna decina di "), "10 "), (re.compile(r"\buna decena de "), "10 "),
)  # fmt: skip
_ISO_DATE = re.compile(r"\b((?:19|20)\d\d)-(\d\d?)(?:-(\d\d?))?\b")
_WORD = re.compile(TIME_WORD)
_BESIDE_TIME = re.compile(
    rf"\b(?:({'|'.join(NUMBER_WORDS)}|\d{{1,2}}) )?({'|'.join(UNIT_WORDS)}|{WEEKENDS})s? "
    rf"(?:({BOUNDS['before']})|({BOUNDS['after']}|following|na|po)|of|vom|del|du|van|de) (?=\w)"
)
"""A time some units before or after another one, as in "the week after Easter" and "two days before yesterday"."""
_BESIDE_WORDS = frozenset((*UNIT_WORDS, "weekend", "wochenende", "fin", "fine", "end", "weekends", "week-end"))
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
        named = (dated(year, month, day, self.zone) for year, month, day in dates)
        recent = () if self.recent is None else (self.recent,)
        return (*self.periods, *recent, *(in_microseconds(period) for period in named if period is not None))

    def with_whole_years(self) -> NamedTimes:
        """Return these times with the named years as periods, if nothing else is named."""
        if self.months or self.periods or self.recent:
            return self
        return msgspec.structs.replace(
            self, periods=tuple(in_microseconds(whole_year(year, self.zone)) for year in sorted(self.years))
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
    until_now = in_microseconds(span(midnight(now), 0, 1))[1]
    periods = {"before": (0, start), "until": (0, end), "after": (end, until_now), "since": (start, until_now)}
    first, last = periods[bound.lastgroup or ""]
    return msgspec.structs.replace(before, periods=(*before.periods, (first, max(first, last))))


def _with_years(text: str, now: datetime) -> str:
    """Return a folded question with "last year" as the number of the year, if it also names a part of the year."""
    rest = text
    further = FURTHER_AGO if any(word in text for word in FURTHER_AGO_WORDS) else ()
    for pattern in (LAST, THIS, AGO, *further):
        rest = compiled(pattern).sub(lambda match: _as_year(match, now), rest)
    for (unit, back), pattern in NAMED_UNITS.items():
        if unit == "year":
            rest = compiled(pattern).sub(f" {now.year - back} ", rest)
    if rest == text:
        return text
    rest = " ".join(_BEFORE_YEAR.sub(" ", rest).split())
    years, months, _ = named_dates(_WORD.findall(rest))
    has_part = months or any(seasons_of(rest, now)) or any(holidays_of(rest, years, now))
    return rest if has_part or any(word in rest for word in QUARTER_WORDS) else text


def _as_year(match: re.Match[str], now: datetime) -> str:
    """Return the year that a match of `LAST`, `THIS` or `AGO` names, or its text if it names none."""
    if match.re.pattern in (AGO, *FURTHER_AGO):
        groups = match.groups()
        amount, unit = groups[:2] if groups[1] else groups[2:]
        amount = amount or "1"
        back = 0 if amount in VAGUE_NUMBERS else count_of(amount)
    else:
        unit, back = next(filter(None, match.groups())), int(match.re.pattern == LAST)
    is_year = UNIT_WORDS[unit] == "year" and (back or match.re.pattern == THIS)
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
        if is_within and (UNIT_WORDS.get(match[2]) != "week" or match[1] or (last - first).days > _POINT):
            continue
        period = in_microseconds(_beside(match, (first, last)))
        named = _times_of(text[: match.start()], now)
        # What happened shortly before a date was mostly told on that date.
        is_dated = bool(anchor.years and anchor.months) and not is_within
        dated = anchor if is_dated else NamedTimes(zone=anchor.zone)
        return msgspec.structs.replace(dated, periods=(*dated.periods, *named.periods, period), recent=named.recent)
    return None


def _beside(match: re.Match[str], anchor: Period) -> Period:
    """Return the period that a match of `_BESIDE_TIME` names before or after a period."""
    if match[3] is None and match[4] is None:
        return whole_unit(anchor[0], "week", back=0)
    is_before = match[3] is not None
    length = (anchor[1] - anchor[0]).days
    if length <= _POINT:
        day = anchor[0] + timedelta(days=length // 2 if length > 2 else 0)
    else:
        day = anchor[0] if is_before else anchor[1] - timedelta(days=1)
    sign = -1 if is_before else 1
    unit = UNIT_WORDS.get(match[2], "weekend")
    if unit == "weekend":
        saturday = day + timedelta(days=(5 - day.weekday()) % 7 or 7)
        return span(saturday, 0 if not is_before else 14 if (saturday - day).days > 5 else 7, 2)
    number, unit = (2, "week") if unit == "fortnight" else (1, unit)
    if unit == "day":
        return span(day, -sign * (count_of(match[1]) if match[1] else 1), 1)
    if match[1]:
        before, nearly = NEARLY[unit]
        return span(day, before - sign * days_of(unit, number * count_of(match[1])), nearly + 1)
    days = days_of(unit, number)
    return span(day, days, days) if is_before else span(day, -1, days)


def _begins_with_date(text: str) -> bool:
    """Return True if a text begins with a date, which may have an article. A number of units ago is no date."""
    if compiled(_LAST_TIME).match(text):
        return True
    first, second = [*_WORD.findall(text)[:2], "", ""][:2]
    word = second if len(first) <= _LONGEST_ARTICLE and _is_of_date(second) else first
    return _is_of_date(word) and not compiled(AGO).match(f"vor {text.strip()}")


def _is_of_date(word: str) -> bool:
    return word[:1].isdecimal() or word in MONTH_NAMES or word in WEEKDAY_NAMES


def _times_of(text: str, now: datetime) -> NamedTimes:
    """Return the times that a folded question names, whose dates are plain."""
    told, told_months, text = phrases(text, now)
    years, months, days = named_dates(_WORD.findall(_ISO_DATE.sub(" ", text)))
    for match in _ISO_DATE.finditer(text):
        years.add(int(match[1]))
        months.add(int(match[2]))
        days.update({int(match[3])} if match[3] else ())
    periods = [
        *told,
        *relative_times_of(without_feasts(text), now),
        *seasons_of(text, now, years),
        *holidays_of(text, years, now),
    ]
    periods += dates_in_numbers(text, now)
    if months and not years:
        periods += newest(months, days, now)
    periods += quarters_of(text, years, now)
    recent = span(midnight(now), _RECENT_DAYS, _RECENT_DAYS + 1) if _RECENTLY.search(text) else None
    return NamedTimes(
        years=frozenset(years),
        months=frozenset(months | told_months),
        days=frozenset(days),
        periods=tuple(map(in_microseconds, periods)),
        recent=recent and in_microseconds(recent),
        zone=now.tzinfo or UTC,
    )
