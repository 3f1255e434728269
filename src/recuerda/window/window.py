"""The part of a thread that is sent to the model.

Windows are cut between turns only, so a tool result never loses its call. The newest turn is always sent; if it alone
is too long, its tool results are shortened. A window starts at the same turn for many runs and then moves by many turns
at once, so that the service finds what it has cached: `planning` tells how.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_count, check_limit
from recuerda.messages.message import ChatMessage, Turn, Usage
from recuerda.window.choosing import Limits, choose, count_fitting
from recuerda.window.shortening import fitted
from recuerda.window.tally import NumberedTurn, Tally
from recuerda.window.tokens import ESTIMATES, TokenCounter, ToolSchema, estimate_tokens, has_files

_STEPS = 8
"""What else is sent is counted in so many steps of the budget."""


class ContextWindow(msgspec.Struct, frozen=True, kw_only=True):
    """Limit what of the thread is sent with each run. The input of the run itself is sent besides.

    What is used of a limit lies between three quarters and all of it, because the window moves in steps.

    Attributes:
        max_messages: at most so many messages, as whole turns; None for no limit.
        max_tokens: at most so many tokens, as whole turns; None for no limit.
        reserve_tokens: what of `max_tokens` is kept free, for the answer.
        keep_results: the newest turns that keep the results of their tools; of older ones the model is told the calls,
            and that their results were left out. At least so many turns keep them, and up to twice as many (or eight
            more), because this moves in steps as well. None keeps all.
        counter: counts the tokens; None for the best that there is for the agent's model.
    """

    max_messages: int | None = None
    max_tokens: int | None = None
    reserve_tokens: int = 0
    keep_results: int | None = None
    counter: TokenCounter | None = None

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_tokens", "keep_results"):
            if (value := getattr(self, name)) is not None:
                check_limit(value, name)
        check_count(self.reserve_tokens, "reserve_tokens")
        if self.reserve_tokens and self.reserve_tokens >= (self.max_tokens or 0):
            raise InvalidInput(
                f"reserve_tokens is kept free of max_tokens, so it has to be less: {self.reserve_tokens} is not less "
                f"than {self.max_tokens}"
            )

    @property
    def last_messages(self) -> int | None:
        """How many of the newest messages can matter at most: what a storage need not read beyond."""
        by_tokens = None
        if self.max_tokens is not None:
            by_tokens = max(1, (self.max_tokens - self.reserve_tokens) // ESTIMATES.count([ChatMessage("user", "")]))
        limits = [limit for limit in (self.max_messages, by_tokens) if limit is not None]
        return min(limits, default=None)

    def for_model(self, model_id: str | None) -> Self:
        """Return this window with the counter for a model: exact, or with a calibration of that model's own."""
        if self.max_tokens is None:
            return self
        return msgspec.structs.replace(self, counter=(self.counter or TokenCounter()).for_model(model_id))

    # -- what is sent --------------------------------------------------------------------------------------------------

    def select(self, turns: Sequence[Turn], *, overhead_tokens: int = 0, input_tokens: int = 0) -> list[ChatMessage]:
        """Return the messages to send, in order: those of the newest whole turns that fit, at least of the newest.

        Args:
            turns: the whole thread, the oldest first: the window stays in place by their positions. A part of a stored
                thread goes to `select_stored`, which knows their numbers.
            overhead_tokens: what is sent besides with many runs: instructions, tools, context.
            input_tokens: what is sent besides with this one: the turn so far. Both are taken from the limit, together
                and in eighths of it, so that the window stays where it is when they are a little more than before.
        """
        numbered = [_Numbered(number, turn) for number, turn in enumerate(turns, start=1)]
        return self.plan(self.tally(numbered), overhead_tokens=overhead_tokens, input_tokens=input_tokens)

    def select_stored(
        self, turns: Sequence[NumberedTurn], *, overhead_tokens: int = 0, input_tokens: int = 0
    ) -> list[ChatMessage]:
        """Do what `select` does with turns that have numbers: the end of a thread, at least `last_messages` of it."""
        return self.plan(self.tally(turns), overhead_tokens=overhead_tokens, input_tokens=input_tokens)

    def plan(
        self, tally: Tally, *, overhead_tokens: int = 0, input_tokens: int = 0, is_rest: bool = False
    ) -> list[ChatMessage]:
        """Do what `select_stored` does with turns that are tallied already; `is_rest` as for `planning.choose`."""
        limits = self.limits(overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        choice = choose(tally, limits, is_rest=is_rest)
        if choice.is_too_long and limits.tokens is not None:
            newest = tally.turns[-1].turn.messages
            return list(fitted(newest, self.counter or ESTIMATES, max_tokens=limits.tokens))
        return tally.messages_from(choice.front, choice.whole_from)

    def tally(self, turns: Sequence[NumberedTurn], known: Tally | None = None) -> Tally:
        """Return what turns cost, for `plan`: `known` again, if it is of these turns and fits this window."""
        counter = None if self.max_tokens is None else self.counter or ESTIMATES
        leaves_out = self.keep_results is not None
        if known is not None and (known.turns is turns, known.counter, known.leaves_out) == (True, counter, leaves_out):
            return known
        return Tally(turns, counter, leaves_out=leaves_out)

    def latest(self, turns: Sequence[Turn]) -> list[ChatMessage]:
        """Return the messages of the newest whole turns that fit, as many as there are: for people, not for a model."""
        return [message for turn in turns[len(turns) - self.count(turns) :] for message in turn.messages]

    def count(self, turns: Sequence[Turn]) -> int:
        """Return how many of the newest turns fit at most; 1 when not even the newest does."""
        tally = self.tally([_Numbered(number, turn) for number, turn in enumerate(turns, start=1)])
        return count_fitting(tally, Limits(self.max_messages, self.limits().tokens))

    def fit(self, messages: Sequence[ChatMessage], *, overhead_tokens: int = 0) -> Sequence[ChatMessage]:
        """Return one turn's messages, with results shortened if they have too many tokens; the same object if not."""
        if self.max_tokens is None:
            return messages
        limit = max(1, self.max_tokens - self.reserve_tokens - overhead_tokens)
        return fitted(messages, self.counter or ESTIMATES, max_tokens=limit)

    # -- tokens --------------------------------------------------------------------------------------------------------

    def tokens(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> int:
        """Return what parts of a request cost, for `overhead_tokens` and `input_tokens`; 0 if tokens don't matter."""
        if self.max_tokens is None:
            return 0
        return (self.counter or ESTIMATES).count(messages, instructions=instructions, tools=tools)

    def observe(
        self,
        messages: Sequence[ChatMessage],
        usage: Usage | None,
        *,
        instructions: str | None = None,
        tools: Iterable[ToolSchema] = (),
    ) -> None:
        """Learn from the usage that a model reported for a request; see `TokenCounter.observe`."""
        counter = self.counter
        if counter is None or usage is None or not counter.wants_report() or has_files(messages):
            return
        counter.observe(counter.measure(messages, instructions=instructions, tools=tools), usage)

    def limits(self, *, overhead_tokens: int = 0, input_tokens: int = 0) -> Limits:
        """Return what is left for the thread."""
        if self.max_tokens is None:
            return Limits(self.max_messages, None, self.keep_results)
        budget = self.max_tokens - self.reserve_tokens
        step = max(1, budget // _STEPS)
        used = -(-(overhead_tokens + input_tokens) // step) * step
        return Limits(self.max_messages, max(1, budget - used), self.keep_results)

    def beside(self, *, overhead_tokens: int, input_tokens: int) -> Self:
        """Return the window that is left for the thread; the arguments are those of `select`."""
        if self.max_tokens is None:
            return self
        left = self.limits(overhead_tokens=overhead_tokens, input_tokens=input_tokens).tokens
        return msgspec.structs.replace(self, max_tokens=left, reserve_tokens=0)


class _Numbered(msgspec.Struct, frozen=True):
    number: int
    turn: Turn


def turn_of(messages: Sequence[ChatMessage]) -> Turn:
    """Return a turn of plain messages: what comes before the first answer or tool result is its input."""
    answered = (i for i, message in enumerate(messages) if message.role in ("assistant", "tool"))
    return Turn(messages=tuple(messages), input_count=next(answered, len(messages)))


def group_turns(messages: Iterable[ChatMessage]) -> list[Turn]:
    """Cut a plain list of messages into turns: a new one starts at a user message that follows another role's.

    For histories that were not written as turns: a store of the application's own, or another framework's state.
    """
    groups: list[list[ChatMessage]] = []
    for message in messages:
        starts = message.role == "user" and bool(groups) and groups[-1][-1].role != "user"
        if not groups or starts:
            groups.append([])
        groups[-1].append(message)
    return [turn_of(group) for group in groups]


__all__ = ["ContextWindow", "estimate_tokens", "group_turns", "turn_of"]
