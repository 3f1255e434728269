"""The choice of the turn at which a window starts, and of the first turn that keeps the results of tools.

A service caches the common beginning of two requests and charges a tenth of the price for it. A window that always
starts at the oldest turn that fits would start at another turn after every run, and nothing would be cached. Therefore
a window may use between three quarters and all of its budget. Among the turns at which it can then start, it starts at
the turn with the roundest number: counted from 0, the number that the highest power of two divides. That turn remains
the roundest until it no longer fits. The choice depends only on the thread, so no state is kept, and every process
chooses the same turn.

This works only if the cost of a turn does not fall as the turn ages; otherwise the window would move back. When results
of older turns are left out, the cost of these turns does fall. Then half of the budget is for turns without results,
and half is for the results of the newest turns. A window on a thread with few results may reach further back if turns
are counted with their results; then it starts there.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.window.tally import Tally
from recuerda.window.tokens import Size

LEAST_STEP = 8
"""The smallest step, in turns, by which the boundary of the turns that keep their results moves."""


FEW_MESSAGES = 100
"""The largest limit of messages for which the turns are counted one by one. A search in the sums would cost more."""

LeftOut: TypeAlias = Literal["message_limit", "token_limit", "step", "long_turn"]
"""Why a turn or a message is not sent.

"message_limit" and "token_limit": with it, the messages would be more than the limit allows. "step": it would fit, but
the window starts at a later turn so that it can start there for many runs. "long_turn": it is a round of calls of a
turn that alone is too long.
"""


class Limits(msgspec.Struct, frozen=True, gc=False):
    """The largest numbers of messages and tokens to send, and of turns that keep their results. None means no limit."""

    messages: int | None = None
    tokens: int | None = None
    keep_results: int | None = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """The turns to send.

    Attributes:
        front: the index of the first turn to send.
        whole_from: the index of the first turn that keeps its results.
        is_too_long: True when the newest turn alone has too many tokens.
    """

    front: int
    whole_from: int
    is_too_long: bool = False


Budget: TypeAlias = tuple[Callable[[int], int], int]
"""A function that returns the cost of the turns from an index on, and the limit for this cost.

The cost falls as the index grows.
"""


def choose(tally: Tally, limits: Limits, *, is_rest: bool = False) -> Choice:
    """Return the turns to send, at least the newest.

    With `is_rest`, `turns` are the turns that a summary does not cover. If all of them fit, all are sent, even if the
    steps would leave some out.
    """
    if not tally.turns:
        return Choice(0, 0)
    few = limits.messages
    if few is not None and few <= FEW_MESSAGES and limits.tokens is None and limits.keep_results is None:
        front = _front_of_few(tally, few, is_rest=is_rest)
        return Choice(front, front)
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
        # The newest turn keeps its results, and they may take more than half of the budget.
        front = _oldest([(lambda index: costs.mixed(index, whole_from), limits.tokens)], first=front, tally=tally)
    return Choice(front, whole_from, is_too_long=costs.whole(len(tally.turns) - 1) > limits.tokens)


def why_left_out(tally: Tally, limits: Limits, choice: Choice, index: int) -> LeftOut:
    """Return why a turn before `choice.front` is not sent. The limits and the choice are those of `choose`."""
    costs = _Costs(tally)
    if limits.messages is not None and costs.messages(index) > limits.messages:
        return "message_limit"
    if limits.tokens is None or costs.whole(index) <= limits.tokens:
        return "step"
    if limits.keep_results is None:
        return "token_limit"
    half = limits.tokens // 2
    is_lean = costs.lean(index) <= limits.tokens - half
    return "step" if is_lean and costs.mixed(index, choice.whole_from) <= limits.tokens else "token_limit"


def count_fitting(tally: Tally, limits: Limits) -> int:
    """Return the number of the newest turns that fit; 1 if not even the newest turn fits."""
    costs = _Costs(tally)
    budgets = [*_budget(costs.messages, limits.messages), *_budget(costs.whole, limits.tokens)]
    return len(tally.turns) - _oldest(budgets, tally=tally) if tally.turns else 0


def roundest(first: int, last: int) -> int:
    """Return the roundest turn number from `first` to `last`: the highest power of two divides the number minus 1."""
    if first <= 1:
        return first
    bit = ((first - 2) ^ (last - 1)).bit_length() - 1
    return ((last - 1) >> bit << bit) + 1


class _Costs:
    """The costs of the turns from an index on."""

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


def _front_of_few(tally: Tally, limit: int, *, is_rest: bool) -> int:
    """Return what `choose` returns for a limit of messages alone, without the sums of the tally."""
    turns = tally.turns
    oldest = newest = index = len(turns)
    messages = 0
    while index:
        index -= 1
        messages += len(turns[index].turn.messages)
        if messages > limit:
            break
        oldest = index
        if newest == len(turns) and 4 * messages >= 3 * limit:
            newest = index
    oldest = min(oldest, len(turns) - 1)
    if is_rest and oldest == 0:
        return 0
    if newest == len(turns):
        newest = oldest
    return _index(tally, roundest(turns[oldest].number, turns[newest].number), oldest, newest)


def _stepped(tally: Tally, budgets: Sequence[Budget], *, first: int = 0) -> int:
    """Return the index of the first turn to send, which has the roundest number that still uses the budgets well."""
    oldest = _oldest(budgets, tally=tally, first=first)

    def is_little(index: int) -> bool:
        return all(4 * cost(index) < 3 * limit for cost, limit in budgets)

    newest = max(oldest, _first(is_little, oldest, len(tally.turns)) - 1) if budgets else oldest
    return _index(tally, roundest(tally.turns[oldest].number, tally.turns[newest].number), oldest, newest)


def _oldest(budgets: Sequence[Budget], *, tally: Tally, first: int = 0) -> int:
    """Return the index of the oldest turn from which all turns fit the budgets, or of the last turn if none fits."""

    def fits(index: int) -> bool:
        for cost, limit in budgets:  # noqa: SIM110 - this runs for each turn, and a generator would double its cost
            if cost(index) > limit:
                return False
        return True

    if not budgets:
        return first
    last = len(tally.turns) - 1
    low = max(first, min(tally.measured_from, last))
    while low > first and fits(low):
        low -= 1
    return _first(fits, low, last)


def _kept_from(tally: Tally, keep_results: int | None) -> int:
    """Return the index from which on results are kept. It moves in steps and depends only on the newest number."""
    if keep_results is None or len(tally.turns) <= keep_results:
        return 0
    latest = tally.turns[-1].number - keep_results + 1
    start = roundest(max(1, latest - max(keep_results, LEAST_STEP)), max(1, latest))
    # After an undo, numbers are missing. The newest `keep_results` turns still keep their results.
    return _index(tally, start, 0, len(tally.turns) - keep_results)


def _index(tally: Tally, number: int, low: int, high: int) -> int:
    """Return the index, from `low` to `high`, of the first turn whose number is at least `number`."""
    return _first(lambda index: tally.turns[index].number >= number, low, high)


def _first(is_so: Callable[[int], bool], low: int, high: int) -> int:
    """Return the first index from `low` on for which `is_so` is true and stays true, or `high` when there is none."""
    return low + bisect_left(range(low, high), True, key=is_so)  # noqa: FBT003 - the value that is searched
