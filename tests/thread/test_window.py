"""Windows are cut between turns."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda import (
    ChatMessage,
    ContextWindow,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    InvalidInput,
    TokenCounter,
    Turn,
)
from recuerda.window.window import estimate_tokens, group_turns


def turn_of(count: int, text: str = "") -> Turn:
    return Turn(messages=tuple(ChatMessage("user", text) for _ in range(count)))


@given(st.lists(st.integers(1, 6), max_size=12), st.integers(1, 15))
def test_a_window_is_the_longest_tail_of_whole_turns_that_fits(sizes: list[int], limit: int) -> None:
    turns = [turn_of(size) for size in sizes]
    count = ContextWindow(max_messages=limit).count(turns)
    chosen = sizes[len(sizes) - count :]
    assert sum(chosen) <= limit or count == 1
    assert count == len(sizes) or sum(sizes[len(sizes) - count - 1 :]) > limit


@given(st.lists(st.integers(0, 60), max_size=10), st.integers(1, 60))
def test_tokens_limit_a_window_in_whole_turns_too(lengths: list[int], limit: int) -> None:
    turns = [turn_of(1, "x" * length) for length in lengths]
    window = ContextWindow(max_tokens=limit)
    count = window.count(turns)
    costs = [estimate_tokens(turn.messages[0]) for turn in turns]
    assert sum(costs[len(costs) - count :]) <= limit or count == 1
    assert count == len(costs) or sum(costs[len(costs) - count - 1 :]) > limit
    assert window.last_messages is not None
    assert count <= window.last_messages


def test_both_limits_hold() -> None:
    turns = [turn_of(1, "x" * 40) for _ in range(10)]
    assert ContextWindow(max_messages=3, max_tokens=1000).count(turns) == 3
    assert ContextWindow(max_messages=9, max_tokens=30).count(turns) == 2
    assert ContextWindow(max_messages=9, max_tokens=30).last_messages == 7
    assert ContextWindow().count(turns) == 10
    assert ContextWindow().last_messages is None


def test_a_count_measures_only_the_newest_turns_of_a_long_thread() -> None:
    measured: list[str] = []

    def count_text(text: str) -> int:
        measured.append(text)
        return len(text)

    turns = [turn_of(1, f"{number:06}") for number in range(5_000)]
    window = ContextWindow(max_tokens=400, counter=TokenCounter(count_text))
    count = window.count(turns)
    assert count == 40
    assert len(measured) < 200
    assert ContextWindow(max_messages=100).count(turns) == 100


@pytest.mark.parametrize("bad", [0, -1, True, 1.5, "3"])
def test_a_window_of_nothing_is_refused(bad: int) -> None:
    with pytest.raises(InvalidInput):
        ContextWindow(max_messages=bad)
    with pytest.raises(InvalidInput):
        ContextWindow(max_tokens=bad)


def test_tokens_count_calls_results_and_files() -> None:
    plain = estimate_tokens(ChatMessage("user", ""))
    assert estimate_tokens(ChatMessage("assistant", [FunctionCallContent("c", "f", "x" * 400)])) >= plain + 100
    assert estimate_tokens(ChatMessage("tool", [FunctionResultContent("c", ["x" * 400])])) >= plain + 100
    assert estimate_tokens(ChatMessage("user", [DataContent(b"x", "image/png")])) >= plain + 1000


def test_a_plain_list_of_messages_is_grouped_at_the_users_messages() -> None:
    roles = ["system", "user", "user", "assistant", "tool", "assistant", "user", "assistant"]
    turns = group_turns([ChatMessage(role, role) for role in roles])
    assert [[message.role for message in turn.messages] for turn in turns] == [
        ["system"],
        ["user", "user", "assistant", "tool", "assistant"],
        ["user", "assistant"],
    ]
    assert [turn.input_count for turn in turns] == [1, 2, 1]
    assert group_turns([]) == []
