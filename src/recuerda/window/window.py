"""The part of a thread that is sent to the model.

A window is cut between turns only, so a tool result never loses its call. The newest turn is always sent. If it alone
is too long, its tool results are shortened. A window starts at the same turn for many runs and then moves by many turns
at once, so that the service can use its cache: see `choosing.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_count, check_limit
from recuerda.messages.files import has_files
from recuerda.messages.message import ChatMessage, Turn, Usage
from recuerda.window.choosing import Limits, choose, count_fitting
from recuerda.window.explaining import Planned, WindowReport, report_of
from recuerda.window.shortening import fitted
from recuerda.window.tally import NumberedTurn, Tally
from recuerda.window.tokens import ESTIMATES, TokenCounter, ToolSchema, estimate_tokens

_STEPS = 8
"""The tokens of everything except the thread are rounded up to a multiple of the budget divided by this number."""


class ContextWindow(msgspec.Struct, frozen=True, kw_only=True):
    """A limit for the part of the thread that is sent with each run. The run's own input is sent in addition.

    Between three quarters and all of a limit are used, because the window moves in steps.

    Attributes:
        max_messages: the largest number of messages, in whole turns; None for no limit.
        max_tokens: the largest number of tokens, in whole turns; None for no limit.
        reserve_tokens: the part of `max_tokens` that is kept free for the answer.
        keep_results: the number of the newest turns that keep the results of their tools. For older turns, the model
            sees the calls and a mark that the results were left out. This boundary moves in steps too, so up to twice
            as many turns (or eight more) keep their results. If None, all results are kept.
        keep_files: the number of the newest turns whose images and files are sent. In older turns, the model sees the
            name of each file in its place. The files take at most half of `max_tokens`. If None, all files are sent.
        counter: the counter for tokens; None for estimates that calibrate themselves for the agent's model.

    Raises:
        InvalidInput: a number is out of range, or `reserve_tokens` is not below `max_tokens`.
    """

    max_messages: int | None = None
    max_tokens: int | None = None
    reserve_tokens: int = 0
    keep_results: int | None = None
    keep_files: int | None = 2
    counter: TokenCounter | None = None

    def __post_init__(self) -> None:
        for name in ("max_messages", "max_tokens", "keep_results"):
            if (value := getattr(self, name)) is not None:
                check_limit(value, name)
        check_count(self.reserve_tokens, "reserve_tokens")
        if self.keep_files is not None:
            check_count(self.keep_files, "keep_files")
        if self.reserve_tokens and self.reserve_tokens >= (self.max_tokens or 0):
            raise InvalidInput(
                f"reserve_tokens is a part of max_tokens, so it must be less than {self.max_tokens}, not "
                f"{self.reserve_tokens}"
            )

    @property
    def last_messages(self) -> int | None:
        """The largest number of messages that this window can hold; a storage need not read more. None for no limit."""
        by_tokens = None
        if self.max_tokens is not None:
            by_tokens = max(1, (self.max_tokens - self.reserve_tokens) // ESTIMATES.count([ChatMessage("user", "")]))
        limits = [limit for limit in (self.max_messages, by_tokens) if limit is not None]
        return min(limits, default=None)

    def for_model(self, model_id: str | None) -> Self:
        """Return this window with a counter for a model. Estimates are calibrated separately for each model."""
        if self.max_tokens is None:
            return self
        return msgspec.structs.replace(self, counter=(self.counter or TokenCounter()).for_model(model_id))

    # -- messages to send ----------------------------------------------------------------------------------------------

    def select(self, turns: Sequence[Turn], *, overhead_tokens: int = 0, input_tokens: int = 0) -> list[ChatMessage]:
        """Return the messages to send, in order: the newest whole turns that fit, but at least the newest turn.

        Both numbers of tokens are subtracted from the limit. Their sum is rounded up to eighths of the limit, so that
        the window does not move when they grow a little.

        Args:
            turns: the whole thread, the oldest turn first. The positions of the turns keep the window in its place.
            overhead_tokens: the number of tokens that are sent with every run besides the thread: instructions, tools
                and context.
            input_tokens: the number of tokens that are sent with this run besides the thread: the turn so far.
        """
        numbered = [_Numbered(number, turn) for number, turn in enumerate(turns, start=1)]
        return self.plan(self.tally(numbered), overhead_tokens=overhead_tokens, input_tokens=input_tokens)

    def plan(
        self, tally: Tally, *, overhead_tokens: int = 0, input_tokens: int = 0, is_rest: bool = False
    ) -> list[ChatMessage]:
        """Return the messages to send, as `select` does, for a tally of a stored thread's turns.

        The turns have numbers, so they need not be the whole thread. They must hold at least its `last_messages` newest
        messages. `is_rest` means the same as in `choose`.
        """
        limits, files_from = self._beside_files(tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        choice = choose(tally, limits, is_rest=is_rest)
        if choice.is_too_long and limits.tokens is not None:
            last = len(tally.turns) - 1
            newest = tally.named(last) if last < files_from else tally.turns[last].turn.messages
            left = limits.tokens + tally.files_cost(max(last, files_from))
            return list(fitted(newest, self.counter or ESTIMATES, max_tokens=left))
        return tally.messages_from(choice.front, choice.whole_from, files_from=files_from)

    def explain(self, turns: Sequence[Turn], *, overhead_tokens: int = 0, input_tokens: int = 0) -> WindowReport:
        """Return which messages `select` returns for the same arguments, in which form, and why others are left out."""
        numbered = [_Numbered(number, turn) for number, turn in enumerate(turns, start=1)]
        tally = self.tally(numbered)
        sent = self.plan(tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        return self.report(tally, sent, overhead_tokens=overhead_tokens, input_tokens=input_tokens)

    def report(
        self,
        tally: Tally,
        sent: Sequence[ChatMessage],
        *,
        overhead_tokens: int = 0,
        input_tokens: int = 0,
        is_rest: bool = False,
    ) -> WindowReport:
        """Return the report on `sent`, which `plan` returned for the other arguments."""
        limits, files_from = self._beside_files(tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        planned = Planned(limits, files_from, choose(tally, limits, is_rest=is_rest), sent)
        left = self.limits(overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        return report_of(tally, planned, self.counter or ESTIMATES, max_messages=left.messages, max_tokens=left.tokens)

    def first_sent(self, tally: Tally, *, overhead_tokens: int, input_tokens: int, is_rest: bool) -> int:
        """Return the number of the first turn that `plan` sends; 0 if there is no turn. The arguments are the same."""
        limits, _ = self._beside_files(tally, overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        choice = choose(tally, limits, is_rest=is_rest)
        return tally.turns[choice.front].number if tally.turns else 0

    def tally(self, turns: Sequence[NumberedTurn], known: Tally | None = None) -> Tally:
        """Return the tally of turns for `plan`. If `known` is a tally of these turns for this window, return it."""
        counter = None if self.max_tokens is None else self.counter or ESTIMATES
        leaves_out, names_files = self.keep_results is not None, self.keep_files is not None
        wanted = (counter, leaves_out, names_files)
        if known is not None and known.turns is turns and known.settings == wanted:
            return known
        return Tally(turns, counter, leaves_out=leaves_out, names_files=names_files)

    def latest(self, turns: Sequence[Turn]) -> list[ChatMessage]:
        """Return the messages of all newest whole turns that fit, without steps. Use it for people, not for a model."""
        return [message for turn in turns[len(turns) - self.count(turns) :] for message in turn.messages]

    def count(self, turns: Sequence[Turn]) -> int:
        """Return the number of the newest turns that fit; 1 if not even the newest turn fits."""
        if self.max_tokens is None:
            return _count_messages(turns, self.max_messages)
        limits = Limits(self.max_messages, self.limits().tokens)
        size = _LOOK_TURNS
        while True:
            newest = turns[max(0, len(turns) - size) :]
            tally = self.tally([_Numbered(number, turn) for number, turn in enumerate(newest, start=1)])
            fitting = count_fitting(tally, limits)
            if fitting < len(newest) or len(newest) == len(turns):
                return fitting
            size *= 4

    def fit(self, messages: Sequence[ChatMessage], *, overhead_tokens: int = 0) -> Sequence[ChatMessage]:
        """Return one turn's messages with results shortened until they fit. If they fit, return the same object."""
        if self.max_tokens is None:
            return messages
        limit = max(1, self.max_tokens - self.reserve_tokens - overhead_tokens)
        return fitted(messages, self.counter or ESTIMATES, max_tokens=limit)

    # -- tokens --------------------------------------------------------------------------------------------------------

    def tokens(
        self, messages: Iterable[ChatMessage] = (), *, instructions: str | None = None, tools: Iterable[ToolSchema] = ()
    ) -> int:
        """Return the tokens of parts of a request, for `overhead_tokens` and `input_tokens`; 0 without `max_tokens`."""
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
        """Calibrate the estimates with the usage that a model reported for a request; see `TokenCounter.observe`."""
        counter = self.counter
        if counter is None or usage is None or not counter.wants_report() or has_files(messages):
            return
        counter.observe(counter.measure(messages, instructions=instructions, tools=tools), usage)

    def limits(self, *, overhead_tokens: int = 0, input_tokens: int = 0) -> Limits:
        """Return the limits that are left for the thread."""
        if self.max_tokens is None:
            return Limits(self.max_messages, None, self.keep_results)
        budget = self.max_tokens - self.reserve_tokens
        step = max(1, budget // _STEPS)
        used = -(-(overhead_tokens + input_tokens) // step) * step
        return Limits(self.max_messages, max(1, budget - used), self.keep_results)

    def _beside_files(self, tally: Tally, *, overhead_tokens: int, input_tokens: int) -> tuple[Limits, int]:
        """Return the limits that the files of the newest turns leave, and the index of the first turn with its files.

        The files are counted apart from their turns, so that the cost of a turn does not fall when it gets old.
        """
        limits = self.limits(overhead_tokens=overhead_tokens, input_tokens=input_tokens)
        if self.keep_files is None:
            return limits, 0
        end = len(tally.turns)
        first = max(0, end - self.keep_files)
        if limits.tokens is None or not tally.has_files_from(first):
            return limits, first
        while tally.files_cost(first) > limits.tokens // 2:
            first += 1
        files = tally.files_cost(first)
        return self.limits(overhead_tokens=overhead_tokens + files, input_tokens=input_tokens), first

    def beside(self, *, overhead_tokens: int, input_tokens: int) -> Self:
        """Return the window that is left for the thread. The arguments mean the same as in `select`."""
        if self.max_tokens is None:
            return self
        left = self.limits(overhead_tokens=overhead_tokens, input_tokens=input_tokens).tokens
        return msgspec.structs.replace(self, max_tokens=left, reserve_tokens=0)


def _count_messages(turns: Sequence[Turn], limit: int | None) -> int:
    """Return the number of the newest turns that together have at most `limit` messages; 1 if the newest has more."""
    if limit is None:
        return len(turns)
    count = messages = 0
    for turn in reversed(turns):
        messages += len(turn.messages)
        if messages > limit:
            break
        count += 1
    return count or min(1, len(turns))


_LOOK_TURNS = 16
"""The number of turns with which a count begins. Far more turns may be held than fit."""


class _Numbered(msgspec.Struct, frozen=True):
    number: int
    turn: Turn


def turn_of(messages: Sequence[ChatMessage]) -> Turn:
    """Return a turn of plain messages. The messages before the first answer or tool result are its input."""
    answered = (i for i, message in enumerate(messages) if message.role in ("assistant", "tool"))
    return Turn(messages=tuple(messages), input_count=next(answered, len(messages)))


def group_turns(messages: Iterable[ChatMessage]) -> list[Turn]:
    """Return a plain list of messages as turns. A turn starts at a user's message that follows another role's message.

    Use it for histories that were not written as turns, such as histories of an application's own store or of another
    framework.
    """
    groups: list[list[ChatMessage]] = []
    for message in messages:
        starts = message.role == "user" and bool(groups) and groups[-1][-1].role != "user"
        if not groups or starts:
            groups.append([])
        groups[-1].append(message)
    return [turn_of(group) for group in groups]


__all__ = ["ContextWindow", "estimate_tokens", "group_turns", "turn_of"]
