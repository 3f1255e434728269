"""Periods of the calendar: a day, some days, a week, a month or a year in a time zone.

Days begin at midnight in the user's time zone. The calendar ends somewhere, so a period may be empty.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import product
from typing import TypeAlias

from recuerda.storage.records import to_microseconds

Period: TypeAlias = tuple[datetime, datetime]
"""The start of a period and its end, which does not belong to it."""

UNIT_DAYS = {"day": 1.0, "week": 7.0, "month": 30.4, "year": 365.0, "decade": 3652.0}
"""Maps a unit to the number of its days on average."""

NEARLY = {"day": (0, 1), "week": (2, 4), "month": (15, 30), "year": (182, 365), "decade": (550, 1100)}
"""Maps a unit to the number of days before the exact day that also count, and to the number of days of the period."""

_EARLIEST = datetime(1970, 1, 1, tzinfo=UTC)


def midnight(now: datetime) -> datetime:
    """Return the beginning of a day."""
    return now.replace(hour=0, minute=0, second=0, microsecond=0)


def days_of(unit: str, count: int = 1) -> int:
    """Return the number of days of some units."""
    return round(count * UNIT_DAYS[unit])


def span(today: datetime, back: int, length: int) -> Period:
    """Return a number of days, from a number of days before a day on. The period is empty before the calendar."""
    try:
        start = today - timedelta(days=back)
        return start, start + timedelta(days=length)
    except OverflowError:
        return _EARLIEST, _EARLIEST


def whole_unit(today: datetime, unit: str, *, back: int) -> Period:
    """Return the day, the week from Monday on, the month or the year that has this day, or the one before it.

    A fortnight ends with this day, or before it.
    """
    if unit == "fortnight":
        return span(today, 14 if back else 13, 14)
    if unit == "day":
        return span(today, back, 1)
    if unit == "week":
        return span(today, today.weekday() + 7 * back, 7)
    if unit == "decade":
        start = today.replace(year=today.year // 10 * 10 - 10 * back, month=1, day=1)
        return start, start.replace(year=start.year + 10)
    if unit == "year":
        start = today.replace(year=max(1, today.year - back), month=1, day=1)
        return start, start.replace(year=start.year + 1)
    months = today.year * 12 + today.month - 1 - back
    start = today.replace(year=months // 12, month=months % 12 + 1, day=1)
    return start, start + timedelta(days=monthrange(start.year, start.month)[1])


def dated(year: int, month: int, day: int | None, zone: tzinfo | None) -> Period | None:
    """Return a day or, if `day` is None, a whole month. Return None if the calendar has no such day."""
    length = monthrange(year, month)[1] if 1 <= month <= 12 else 0
    if not 1 <= (1 if day is None else day) <= length:
        return None
    start = datetime(year, month, day or 1, tzinfo=zone)
    return start, start + timedelta(days=length if day is None else 1)


def whole_year(year: int, zone: tzinfo | None) -> Period:
    """Return a year."""
    return datetime(year, 1, 1, tzinfo=zone), datetime(year + 1, 1, 1, tzinfo=zone)


def newest(months: set[int], days: set[int], now: datetime) -> Iterator[Period]:
    """Yield the newest period that has begun of each month, or of each day of the months."""
    for month, day in product(months, days or {None}):
        # 29 February was at most eight years ago.
        for year in range(now.year, max(0, now.year - 9), -1):
            if (period := dated(year, month, day, now.tzinfo)) is not None and period[0] <= now:
                yield period
                break


def in_microseconds(period: Period) -> tuple[int, int]:
    """Return the start and the end of a period in microseconds since 1970."""
    return to_microseconds(max(period[0], _EARLIEST)), to_microseconds(max(period[1], _EARLIEST))
