"""At which turn a window starts, and from which turn on it has the results of tools.

A service caches what a request has in common with the one before, from the start on, at a tenth of the price. A window
that always starts at the oldest turn that just fits starts elsewhere after every turn, and nothing is ever cached. So a
window uses between three quarters and all of its budget, and among the turns at which it could start then it starts at
the roundest number: the one that is divisible by the highest power of two, counted from 0. That one stays the roundest
until the budget has passed it. It follows from the thread alone: no state is kept, and every process chooses the same.

For that, what a turn is counted for must not fall as it ages, or the window would creep back. Where results of older
turns are left out, it would: so half of the budget is for turns without their results, and half for the results of the
newest ones. A thread with few results is counted whole, if it gets further back that way.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

from recuerda.window.tally import Tally
from recuerda.window.tokens import Size

LEAST_STEP = 8
"""Results of older turns are left out in steps of about so many turns at least."""


class Limits(NamedTuple):
    """How much may be sent: messages and tokens, and of how many turns the results are kept; None for all."""

    messages: int | None = None
    tokens: int | None = None
    keep_results: int | None = None


class Choice(NamedTuple):
    """What is sent: the turns from index `front` on, and their results from index `whole_from` on.

    `is_too_long` says that the newest turn alone has too many tokens.
    """

    front: int
    whole_from: int
    is_too_long: bool = False


Budget: TypeAlias = tuple[Callable[[int], int], int]
"""What the turns from an index on cost, which falls as the index grows, and how much they may cost."""


def choose(tally: Tally, limits: Limits, *, is_rest: bool = False) -> Choice:
    """Choose the turns to send: at least the newest.

    `is_rest` says that the turns are all that a summary leaves: where they fit, none is left out for the sake of steps.
    """
    if not tally.turns:
        return Choice(0, 0)
    costs = _Costs(tally)
    messages = _budget(costs.messages, limits.messages)
    whole = [*messages, *_budget(costs.whole, limits.tokens)]
    front = 0 if is_rest and _oldest(whole, tally=tally) == 0 else _stepped(tally, whole)
    whole_from = max(front, _kept_from(tally, limits.keep_results))
    if limits.tokens is None:
        return Choice(front, whole_from)
    if limits.keep_results is not None:
        half = limits.tokens // 2
        if front:
            front = min(front, _stepped(tally, [*messages, (costs.lean, limits.tokens - half)]))
        whole_from = _stepped(tally, [(costs.results, half)], first=front)
        whole_from = max(whole_from, _kept_from(tally, limits.keep_results))
        # The newest turn keeps its results, and they may be more than half.
        front = _oldest([(lambda index: costs.mixed(index, whole_from), limits.tokens)], first=front, tally=tally)
    return Choice(front, whole_from, is_too_long=costs.whole(len(tally.turns) - 1) > limits.tokens)


def count_fitting(tally: Tally, limits: Limits) -> int:
    """Return how many of the newest turns fit at most; 1 when not even the newest does."""
    costs = _Costs(tally)
    budgets = [*_budget(costs.messages, limits.messages), *_budget(costs.whole, limits.tokens)]
    return len(tally.turns) - _oldest(budgets, tally=tally) if tally.turns else 0


def roundest(first: int, last: int) -> int:
    """Return the roundest of some turn numbers: less 1, it is divisible by the highest power of two."""
    if first <= 1:
        return first
    bit = ((first - 2) ^ (last - 1)).bit_length() - 1
    return ((last - 1) >> bit << bit) + 1


class _Costs:
    """What the turns from an index on cost."""

    def __init__(self, tally: Tally) -> None:
        self._sums = tally.sums_from
        self._counter = tally.counter

    def messages(self, index: int) -> int:
        return self._sums(index).messages

    def whole(self, index: int) -> int:
        sums = self._sums(index)
        return self._tokens(sums.fixed, sums.text)

    def lean(self, index: int) -> int:
        sums = self._sums(index)
        return self._tokens(sums.fixed, sums.lean)

    def results(self, index: int) -> int:
        sums = self._sums(index)
        return self._tokens(0, sums.text - sums.lean)

    def mixed(self, index: int, whole_from: int) -> int:
        sums, whole = self._sums(index), self._sums(max(index, whole_from))
        return self._tokens(sums.fixed, sums.lean + whole.text - whole.lean)

    def _tokens(self, fixed: int, text: int) -> int:
        return 0 if self._counter is None else self._counter.tokens(Size(fixed, text))


def _budget(cost: Callable[[int], int], limit: int | None) -> list[Budget]:
    return [] if limit is None else [(cost, limit)]


def _stepped(tally: Tally, budgets: Sequence[Budget], *, first: int = 0) -> int:
    """Return the index of the turn at which to start: the roundest of those that leave the budgets well used."""
    oldest = _oldest(budgets, tally=tally, first=first)

    def is_little(index: int) -> bool:
        return all(4 * cost(index) < 3 * limit for cost, limit in budgets)

    newest = max(oldest, _first(is_little, oldest, len(tally.turns)) - 1) if budgets else oldest
    return _index(tally, roundest(tally.turns[oldest].number, tally.turns[newest].number), oldest, newest)


def _oldest(budgets: Sequence[Budget], *, tally: Tally, first: int = 0) -> int:
    """Return the index of the first turn from which on all fit the budgets; the last one when not even that fits."""

    def fits(index: int) -> bool:
        return all(cost(index) <= limit for cost, limit in budgets)

    if not budgets:
        return first
    last = len(tally.turns) - 1
    low = max(first, min(tally.measured_from, last))
    while low > first and fits(low):
        low -= 1
    return _first(fits, low, last)


def _kept_from(tally: Tally, keep_results: int | None) -> int:
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
