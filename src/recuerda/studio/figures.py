"""Numbers, sizes and times as a person reads them, in each language of the studio."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from markupsafe import Markup

from recuerda.formats.times import shown_duration
from recuerda.studio.words import Language, translate, translate_count

Moment: TypeAlias = datetime | int
"""An aware datetime, or microseconds since 1970 as the records of a storage have them."""

_UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60))
_RELATIVE_DAYS = 7
_SECOND_US = 1_000_000


def number(value: float, language: Language, *, digits: int = 0) -> str:
    """Return a number with its thousands apart: `12,345.6` in English and `12.345,6` in Spanish."""
    shown = f"{value:,.{digits}f}"
    return shown if language == "en" else shown.translate(str.maketrans(",.", ".,"))


def size(value: int, language: Language) -> str:
    """Return a number of bytes, such as `1.2 MB`."""
    for unit, one in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if value >= one:
            return f"{number(value / one, language, digits=1)} {unit}"
    return translate_count(language, "figure.bytes", value, shown=number(value, language))


def duration(value_us: int, language: Language) -> str:
    """Return a duration: `850 ms`, `12.4 s`, `3 min 5 s`, `2 h 10 min`."""
    shown = shown_duration(timedelta(microseconds=value_us))
    return shown if language == "en" else shown.replace(".", ",")


def time(moment: Moment, language: Language, *, now_us: int) -> Markup:
    """Return a `<time>` element: a relative time within seven days, else a date. Its title is the exact time."""
    exact = _aware(moment)
    seconds = now_us // _SECOND_US - int(exact.timestamp())
    return Markup('<time datetime="{}" title="{}">{}</time>').format(
        exact.strftime("%Y-%m-%dT%H:%M:%SZ"), exact_time(exact, language), _said(exact, seconds, language)
    )


def exact_time(moment: Moment, language: Language) -> str:
    """Return the exact time in UTC: `27 November 2026, 04:58:22 UTC`."""
    exact = _aware(moment)
    return f"{_date(exact, language)}, {exact:%H:%M:%S} UTC"


def _aware(moment: Moment) -> datetime:
    return datetime.fromtimestamp(moment / _SECOND_US, UTC) if isinstance(moment, int) else moment.astimezone(UTC)


def _said(exact: datetime, seconds: int, language: Language) -> str:
    ahead = seconds < 0
    for unit, one in _UNITS:
        if (count := abs(seconds) // one) >= 1:
            if unit == "day" and count > _RELATIVE_DAYS:
                return _date(exact, language)
            return translate_count(language, f"time.{'in' if ahead else 'ago'}.{unit}", count)
    return translate(language, "time.now")


def _date(exact: datetime, language: Language) -> str:
    month = translate(language, "time.months").split()[exact.month - 1]
    return translate(language, "time.date", day=exact.day, month=month, year=exact.year)
