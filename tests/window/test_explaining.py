"""What a report on a window says is what the window does."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from recuerda import ChatMessage, ContextWindow, DataContent, FunctionCallContent, FunctionResultContent, Turn
from recuerda.window import MessageReport, WindowReport
from recuerda.window.window import turn_of
from tests.damaged_histories import damaged_history
from tests.window.checks import any_window

HISTORIES = 150


def said(number: int, text: str = "") -> Turn:
    return turn_of([ChatMessage("user", f"question {number} {text}"), ChatMessage("assistant", f"answer {number}")])


def looked_up(number: int, size: int) -> Turn:
    call = FunctionCallContent(f"call_{number}", "look_up", {})
    result = FunctionResultContent(f"call_{number}", "x" * size)
    question = ChatMessage("user", [DataContent(b"picture", "image/png")] if number % 2 else "look")
    return turn_of([question, ChatMessage("assistant", call), ChatMessage("tool", result)])


def reasons(report: WindowReport) -> list[str | None]:
    return [turn.left_out for turn in report.turns]


def check(turns: Sequence[Turn], window: ContextWindow, report: WindowReport, sent: Sequence[ChatMessage]) -> None:
    """Check every sentence of a report against the messages that are sent."""
    assert report.sent == sent
    assert [tuple(one.message for one in turn.messages) for turn in report.turns] == [turn.messages for turn in turns]
    for turn in report.turns:
        for one in turn.messages:
            check_message(one)
        assert (turn.left_out is None) == (turn.number >= (report.first_sent or 0))
        assert turn.tokens == 0 or any(one.sent for one in turn.messages) or turn.left_out
    for turn in report.turns:
        if turn.left_out == "message_limit":
            limit = report.max_messages
            assert limit is not None
            assert sum(len(one.messages) for one in report.turns if one.number >= turn.number) > limit
        elif turn.left_out == "token_limit":
            assert window.max_tokens is not None
        elif turn.left_out == "step":
            limit = report.max_messages
            assert limit is None or sum(len(o.messages) for o in report.turns if o.number >= turn.number) <= limit


def check_message(one: MessageReport) -> None:
    assert (one.sent is None) == (one.left_out is not None)
    if one.sent is not None:
        assert bool(one.changes) == (one.sent.content != one.message.content)
        assert one.sent.role == one.message.role
    else:
        assert one.changes == ()


def test_a_report_lists_the_messages_that_are_sent_and_no_other() -> None:
    random = Random(17)
    for _ in range(HISTORIES):
        turns = damaged_history(random)
        window = any_window(random)
        beside = {"overhead_tokens": random.choice((0, 30, 500)), "input_tokens": random.choice((0, 10))}
        check(turns, window, window.explain(turns, **beside), window.select(turns, **beside))


def test_a_report_lists_files_and_results_that_are_not_sent() -> None:
    random = Random(18)
    seen: set[str] = set()
    for _ in range(HISTORIES):
        turns = [looked_up(number, random.choice((10, 400, 3000))) for number in range(random.randint(1, 30))]
        window = any_window(random)
        report = window.explain(turns)
        check(turns, window, report, window.select(turns))
        seen.update(change for turn in report.turns for one in turn.messages for change in one.changes)
        seen.update(one.left_out for turn in report.turns for one in turn.messages if one.left_out)
    assert seen >= {"file_named", "result_left_out", "result_shortened", "message_limit", "token_limit", "step"}


def test_the_reason_is_the_limit_that_a_turn_would_exceed() -> None:
    turns = [said(number) for number in range(12)]
    assert reasons(ContextWindow(max_messages=8).explain(turns)) == [*["message_limit"] * 8, *[None] * 4]
    by_tokens = reasons(ContextWindow(max_tokens=60).explain(turns))
    assert by_tokens[0] == "token_limit"
    assert by_tokens[-1] is None


def test_a_turn_that_would_fit_is_left_out_for_the_step() -> None:
    turns = [said(number) for number in range(19)]
    found = reasons(ContextWindow(max_messages=32).explain(turns))
    assert found.count("step") == 16 - (len(turns) - found.index(None))
    assert found.count("step") > 0


def test_a_round_that_a_long_turn_loses_is_named() -> None:
    messages = [ChatMessage("user", "go")]
    for number in range(9):
        messages.append(ChatMessage("assistant", FunctionCallContent(f"c{number}", "f", {"text": "y" * 300})))
        messages.append(ChatMessage("tool", FunctionResultContent(f"c{number}", "x" * 5_000)))
    turns = [said(1), turn_of([*messages, ChatMessage("assistant", "done")])]
    window = ContextWindow(max_tokens=600)
    report = window.explain(turns)
    check(turns, window, report, window.select(turns))
    newest = report.turns[-1].messages
    assert [one.left_out for one in newest[:3]] == [None, "long_turn", "long_turn"]
    assert newest[-2].changes == ("result_shortened",)
    assert report.turns[0].left_out == "token_limit"


def test_a_report_on_an_empty_thread_is_empty() -> None:
    report = ContextWindow(max_tokens=100).explain([])
    assert (report.turns, report.sent, report.first_sent, report.tokens) == ((), [], None, 0)
