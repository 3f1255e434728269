"""Times of other programs (numbers of seconds or milliseconds, and ISO 8601), and durations for people."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from recuerda.storage.records import from_microseconds, to_microseconds

_MILLISECONDS = 100_000_000_000
"""The number from which a number is milliseconds: as seconds, it would be after the year 5000."""

_END_US = 253_402_300_800_000_000  # the year 10000


def to_us(value: object) -> int | None:
    """Return a time in microseconds since 1970 (UTC); None if the value is no time that recuerda can keep.

    A text without a time zone is UTC.
    """
    if isinstance(value, str):
        found = _parsed(value)
    elif isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < _END_US:  # no NaN, no infinity
        found = round(value * (1_000 if abs(value) >= _MILLISECONDS else 1_000_000))
    else:
        return None
    return found if found is not None and 0 <= found < _END_US else None


def _parsed(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return to_microseconds(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def to_iso(created_us: int | None) -> str | None:
    """Return a time in microseconds since 1970 (UTC) as ISO 8601; None for None."""
    if created_us is None:
        return None
    return from_microseconds(created_us).isoformat(timespec="microseconds").replace("+00:00", "Z")


def shown_duration(value: timedelta) -> str:
    """Return a duration for people: `850 ms`, `12.4 s`, `3 min 5 s`, `2 h 10 min`."""
    milliseconds = value // timedelta(milliseconds=1)
    if milliseconds < 1000:
        return f"{milliseconds} ms"
    if milliseconds < 60_000:
        return f"{milliseconds // 100 / 10} s"
    minutes, rest_ms = divmod(milliseconds, 60_000)
    return f"{minutes} min {rest_ms // 1000} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
