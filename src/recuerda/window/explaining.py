"""The report on a window: which messages are sent, in which form, and why the others are left out.

The report is made from the choice that planned the window and from the messages that were planned, so it cannot tell
another story than a run. A run that does not ask for a report does no work for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal, TypeAlias

import msgspec

from recuerda.messages.message import ChatMessage
from recuerda.window.choosing import Choice, LeftOut, Limits, why_left_out
from recuerda.window.shortening import elided, rounds_of
from recuerda.window.tally import Tally
from recuerda.window.tokens import Size, TokenCounter

Change: TypeAlias = Literal["result_left_out", "result_shortened", "file_named"]
"""How a message that is sent differs from the stored one.

"result_left_out": a mark stands in place of a tool's result, because the turn is old. "result_shortened": a result is
cut, because the turn alone is too long. "file_named": the name of a file stands in its place.
"""


class MessageReport(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a thread, and the form in which it is sent.

    Attributes:
        message: the message as it is stored.
        sent: the message as it is sent; None if it is left out.
        changes: the differences between the two; empty if the message is sent unchanged or not at all.
        left_out: why the message is not sent; None if it is sent.
    """

    message: ChatMessage
    sent: ChatMessage | None = None
    changes: tuple[Change, ...] = ()
    left_out: LeftOut | None = None


class TurnReport(msgspec.Struct, frozen=True, kw_only=True):
    """One turn of a thread, and the form in which it is sent.

    Attributes:
        number: the number of the turn.
        messages: the messages of the turn.
        tokens: the tokens of the messages that are sent. For a turn that is left out: the tokens that it would cost.
        left_out: why the whole turn is not sent; None if it is sent.
    """

    number: int
    messages: tuple[MessageReport, ...]
    tokens: int
    left_out: LeftOut | None = None


class WindowReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a window sends of the turns that it was given, and why it leaves the others out.

    Attributes:
        turns: the turns, the oldest first.
        max_messages: the largest number of messages; None for no limit.
        max_tokens: the largest number of tokens for the thread: the limit of the window without the reserve and without
            the tokens of everything else, in steps of an eighth; None for no limit.
        tokens: the tokens of the messages that are sent.
    """

    turns: tuple[TurnReport, ...] = ()
    max_messages: int | None = None
    max_tokens: int | None = None
    tokens: int = 0

    @property
    def sent(self) -> list[ChatMessage]:
        """The messages that are sent, the oldest first."""
        return [one.sent for turn in self.turns for one in turn.messages if one.sent is not None]

    @property
    def first_sent(self) -> int | None:
        """The number of the first turn that is sent; None if there is no turn."""
        return next((turn.number for turn in self.turns if turn.left_out is None), None)


class Planned(msgspec.Struct, frozen=True):
    """The plan of a window.

    Attributes:
        limits: the limits that were left for the thread and its texts.
        files_from: the index of the first turn with its files.
        choice: the turns to send.
        sent: the messages to send.
    """

    limits: Limits
    files_from: int
    choice: Choice
    sent: Sequence[ChatMessage]


def report_of(
    tally: Tally, planned: Planned, counter: TokenCounter, *, max_messages: int | None, max_tokens: int | None
) -> WindowReport:
    """Return the report on a plan for the turns of a tally."""
    front = planned.choice.front
    turns = [_left_out(tally, planned, counter, index) for index in range(front)]
    messages = iter(planned.sent)
    for index in range(front, len(tally.turns)):
        is_too_long = planned.choice.is_too_long and index == len(tally.turns) - 1
        reported = _fitted(tally, planned) if is_too_long else _sent(tally, planned, index, messages.__next__)
        tokens = counter.count([one.sent for one in reported if one.sent is not None])
        turns.append(TurnReport(number=tally.turns[index].number, messages=tuple(reported), tokens=tokens))
    return WindowReport(
        turns=tuple(turns), max_messages=max_messages, max_tokens=max_tokens, tokens=counter.count(planned.sent)
    )


def _left_out(tally: Tally, planned: Planned, counter: TokenCounter, index: int) -> TurnReport:
    turn = tally.turns[index]
    reason = why_left_out(tally, planned.limits, planned.choice, index)
    messages = tuple([MessageReport(message=message, left_out=reason) for message in turn.turn.messages])
    return TurnReport(number=turn.number, messages=messages, tokens=_tokens_of(tally, counter, index), left_out=reason)


def _tokens_of(tally: Tally, counter: TokenCounter, index: int) -> int:
    """Return the tokens of a turn. A tally with a counter has measured the turns that might be sent."""
    if tally.counter is None or index < tally.measured_from:
        return counter.count(tally.named(index))
    whole, rest = tally.sums_from(index), tally.sums_from(index + 1)
    return counter.tokens(Size(whole.fixed - rest.fixed, whole.text - rest.text))


def _sent(tally: Tally, planned: Planned, index: int, take: Callable[[], ChatMessage]) -> list[MessageReport]:
    """Return the messages of a turn that is sent whole, except for results and files. `take` returns the next one."""
    messages = tally.turns[index].turn.messages
    given = tally.named(index) if index < planned.files_from else messages
    is_lean = index < planned.choice.whole_from
    return [
        MessageReport(message=message, sent=take(), changes=_changes(message, form, is_lean=is_lean))
        for message, form in zip(messages, given, strict=True)
    ]


def _changes(message: ChatMessage, form: ChatMessage, *, is_lean: bool) -> tuple[Change, ...]:
    """Return the changes of a message of which `form` has the names of files."""
    found: list[Change] = ["file_named"] if form is not message else []
    if is_lean and elided((form,))[0] is not form:
        found.append("result_left_out")
    return tuple(found)


def _fitted(tally: Tally, planned: Planned) -> list[MessageReport]:
    """Return the messages of a turn that alone is too long. Its oldest rounds of calls may be left out."""
    last = len(tally.turns) - 1
    messages = tally.turns[last].turn.messages
    given = tally.named(last) if last < planned.files_from else messages
    return shortened_reports(messages, given, planned.sent)


def shortened_reports(
    messages: Sequence[ChatMessage], given: Sequence[ChatMessage], sent: Sequence[ChatMessage]
) -> list[MessageReport]:
    """Return the reports on the messages of a turn that was shortened.

    Args:
        messages: the messages as they are stored.
        given: the messages before they were shortened. They may have the names of files.
        sent: the messages that are left, as `fitted` returned them.
    """
    gone: set[int] = set()
    for start, end in rounds_of(messages):
        if len(messages) - len(gone) == len(sent):
            break
        gone.update(range(start, end))
    reports: list[MessageReport] = []
    left = iter(sent)
    for index, message in enumerate(messages):
        if index in gone:
            reports.append(MessageReport(message=message, left_out="long_turn"))
            continue
        form = next(left)
        changes: list[Change] = []
        if given[index] is not message:
            changes.append("file_named")
        if form.content != given[index].content:
            changes.append("result_shortened")
        reports.append(MessageReport(message=message, sent=form, changes=tuple(changes)))
    return reports
