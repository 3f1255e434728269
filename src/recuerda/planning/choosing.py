"""At which turn a window starts.

A service caches what a request has in common with the one before, from the start on, at a tenth of the price. A window
that always starts at the oldest turn that just fits starts elsewhere after every turn, and nothing is ever cached. So a
window uses between three quarters and all of its budget, and among the turns at which it could start then it starts at
the roundest number: the one that is divisible by the highest power of two, counted from 0. That one stays the roundest
until the budget has passed it. It follows from the thread alone: no state is kept, and every process chooses the same.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from typing import NamedTuple

from recuerda.planning.tally import Tally
from recuerda.tokens import Size

LEAST_STEP = 8
"""Results of older turns are left out in steps of about so many turns at least."""


class Limits(NamedTuple):
    """How much may be sent: messages and tokens, and of how many turns at least the results are kept; None for all."""

    messages: int | None = None
    tokens: int | None = None
    keep_results: int | None = None


class Choice(NamedTuple):
    """What is sent: the turns from index `front` on, and their results from index `whole_from` on."""

    front: int
    whole_from: int
    is_too_long: bool


def choose(tally: Tally, limits: Limits) -> Choice:
    """Choose the turns to send: at least the newest, and `is_too_long` when that one alone has too many tokens."""
    if not tally.turns:
        return Choice(0, 0, is_too_long=False)
    whole_from = _whole_from(tally, limits.keep_results)
    if limits.messages is None and limits.tokens is None:
        return Choice(0, whole_from, is_too_long=False)
    use = _Use(tally, limits, whole_from)
    oldest = use.oldest()
    newest = use.newest(oldest)
    start = roundest(tally.turns[oldest].number, tally.turns[newest].number)
    return Choice(_index(tally, start, oldest, newest), whole_from, is_too_long=use.is_too_long())


def count_fitting(tally: Tally, limits: Limits) -> int:
    """Return how many of the newest turns fit at most; 1 when not even the newest does."""
    if not tally.turns or (limits.messages is None and limits.tokens is None):
        return len(tally.turns)
    return len(tally.turns) - _Use(tally, limits, 0).oldest()


def roundest(first: int, last: int) -> int:
    """Return the roundest of some turn numbers: less 1, it is divisible by the highest power of two."""
    if first <= 1:
        return first
    bit = ((first - 2) ^ (last - 1)).bit_length() - 1
    return ((last - 1) >> bit << bit) + 1


class _Use:
    """How much of the limits is used by the turns from an index on."""

    def __init__(self, tally: Tally, limits: Limits, whole_from: int) -> None:
        self._tally = tally
        self._limits = limits
        self._whole_from = whole_from

    def oldest(self) -> int:
        """Return the index of the oldest turn at which a window may start."""
        last = len(self._tally.turns) - 1
        low = min(self._tally.measured_from, last)
        while low > 0 and self._fits(low):
            low -= 1
        return _first(self._fits, low, last)

    def newest(self, oldest: int) -> int:
        """Return the index of the newest turn at which a window may start: it still uses three quarters."""
        last = len(self._tally.turns) - 1
        return max(oldest, _first(lambda index: not self._is_enough(index), oldest, last + 1) - 1)

    def is_too_long(self) -> bool:
        """Say whether the newest turn alone has too many tokens."""
        limit = self._limits.tokens
        return limit is not None and self._of(len(self._tally.turns) - 1)[1] > limit

    def _fits(self, index: int) -> bool:
        messages, tokens = self._of(index)
        return not (_is_over(messages, self._limits.messages) or _is_over(tokens, self._limits.tokens))

    def _is_enough(self, index: int) -> bool:
        messages, tokens = self._of(index)
        return _is_over(4 * messages + 1, _thrice(self._limits.messages)) or _is_over(
            4 * tokens + 1, _thrice(self._limits.tokens)
        )

    def _of(self, index: int) -> tuple[int, int]:
        sums = self._tally.sums_from(index)
        if self._tally.counter is None:
            return sums.messages, 0
        text = sums.text
        if index < self._whole_from:
            whole = self._tally.sums_from(self._whole_from)
            text = whole.text + sums.lean - whole.lean
        return sums.messages, self._tally.counter.tokens(Size(sums.fixed, text))


def _whole_from(tally: Tally, keep_results: int | None) -> int:
    """Return the index from which on results are kept; it moves in steps, too, and looks at the newest number only."""
    if keep_results is None or len(tally.turns) <= keep_results:
        return 0
    latest = tally.turns[-1].number - keep_results + 1
    start = roundest(max(1, latest - max(keep_results, LEAST_STEP)), max(1, latest))
    # Where turns were undone, numbers are missing: the newest so many turns keep their results all the same.
    return _index(tally, start, 0, len(tally.turns) - keep_results)


def _index(tally: Tally, number: int, low: int, high: int) -> int:
    """Return the index of the first turn with at least that number, from `low` up to `high`."""
    return _first(lambda index: tally.turns[index].number >= number, low, high)


def _first(is_so: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first index from `low` on of which something is so, if it stays so from there on; else `high`."""
    return low + bisect_left(range(low, high), True, key=is_so)  # noqa: FBT003 - the value that is searched


def _is_over(value: int, limit: int | None) -> bool:
    return limit is not None and value > limit


def _thrice(limit: int | None) -> int | None:
    return None if limit is None else 3 * limit
