"""Dates in numbers that a question names: "on 9/6", "am 6.9.", "25/12/2025".

In English, 9/6 is a day in June or in September, so it is read as both. In other languages, the day comes first, and so
it does before a dot. Other numbers have these forms too, so a date without a year needs a word that introduces it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_BEFORE = (
    r"(?:(on|since|before|after|until|till|by|from|to|of|the|el|al|del|desde|hasta|dia|le|du|au|depuis|il|dal|em|no|de|op|"
    r"sinds|am|vom|bis|seit|ab|zum|den|der|dem) )?"
)
_YEAR = r"(?:19|20)\d\d"
_SLASHED = re.compile(rf"(?<![\w/.,-]){_BEFORE}\b(\d\d?)/(\d\d?)(?:/({_YEAR}|\d\d))?(?![\w/-]|[.,]\d)")
_DOTTED = re.compile(rf"(?<![\w/.,-]){_BEFORE}\b(\d\d?)\. ?(\d\d?)\.(?: ?({_YEAR})\b)?(?![\w/])")
_YEAR_FIRST = 2000


def numeric_dates(text: str, *, is_english: bool) -> Iterator[tuple[int | None, int, int]]:
    """Yield the year, the month and the day of each date in numbers. The year is None if the date has none.

    Args:
        text: the folded question.
        is_english: True if the month may come first.
    """
    for pattern in (_SLASHED, _DOTTED):
        for match in pattern.finditer(text):
            introduced, first, second, year = match.groups()
            if introduced is None and year is None:
                continue
            day, month = int(first), int(second)
            of_year = None if year is None else int(year) + _YEAR_FIRST * (len(year) == 2)
            if 1 <= month <= 12 and 1 <= day <= 31:
                yield of_year, month, day
            if is_english and pattern is _SLASHED and 1 <= day <= 12 and 1 <= month <= 31 and day != month:
                yield of_year, day, month
