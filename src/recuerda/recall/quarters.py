"""Quarters of years that a question names: "in Q3", "the second quarter of 2023", "im letzten Quartal"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from datetime import datetime

from recuerda.recall.date_words import QUARTER_WORDS, QUARTERS
from recuerda.recall.periods import Period, dated

_PATTERNS = [(re.compile(pattern), quarter) for quarter, pattern in QUARTERS.items()]


def quarters_of(text: str, years: Collection[int], now: datetime) -> Iterator[Period]:
    """Yield the months of each quarter that a folded question names; without a year, of the last one that has begun."""
    this = now.year * 4 + (now.month - 1) // 3
    if not any(word in text for word in QUARTER_WORDS):
        return
    named = {quarter for pattern, quarter in _PATTERNS if pattern.search(text)}
    for quarter in named:
        if quarter <= 0:
            found = [this + quarter]
        else:
            last = now.year if quarter - 1 <= (now.month - 1) // 3 else now.year - 1
            found = [year * 4 + quarter - 1 for year in sorted(years) or [last]]
        for number in found:
            months = (dated(number // 4, number % 4 * 3 + month, None, now.tzinfo) for month in (1, 2, 3))
            yield from (period for period in months if period is not None)
