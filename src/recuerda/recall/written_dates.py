"""Dates that a question names in words or numbers: "8 May 2023", "from the 3rd to the 9th of June", "am 6.9.".

A question may name only the year, or a month without a year. A word that is a month and something else, such as "may",
is a month only beside a number, or after a word that introduces a time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from recuerda.recall.date_words import (
    AMBIGUOUS_MONTHS,
    BEFORE_TIMES,
    BESIDE_DAYS,
    PARTS_OF_MONTHS,
    RANGE_STARTS,
    RANGES,
    TIME_WORD,
)
from recuerda.recall.further_date_words import MONTH_NAMES
from recuerda.recall.languages import ENGLISH, languages_of
from recuerda.recall.numeric_dates import numeric_dates
from recuerda.recall.periods import Period, dated, newest

_WORD = re.compile(TIME_WORD)


def named_dates(words: Sequence[str]) -> tuple[set[int], set[int], set[int]]:
    """Return the years, the months and the days of months that the words of a folded question name."""
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


def dates_in_numbers(text: str, now: datetime) -> Iterator[Period]:
    """Yield the days that a folded question names in numbers, such as "6.9."; without a year, the last one."""
    is_english = languages_of(_WORD.findall(text), text)[:1] in ([], [ENGLISH])
    for year, month, day in numeric_dates(text, is_english=is_english):
        if year is None:
            yield from newest({month}, {day}, now)
        elif (period := dated(year, month, day, now.tzinfo)) is not None:
            yield period


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
