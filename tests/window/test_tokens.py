"""Token counts: exact with an encoding, otherwise estimates that learn."""

from __future__ import annotations

from random import Random

import pytest

from recuerda import (
    ChatMessage,
    ConfigurationError,
    ContextWindow,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    UriContent,
    Usage,
)
from recuerda.agent.tools import FunctionTool
from recuerda.window.file_tokens import TOKENS_PER_FILE
from recuerda.window.tokens import TOKENS_PER_MESSAGE, Size, TokenCounter, estimate_tokens
from recuerda.window.window import turn_of
from tests.window.encodings import tiny

# Exact counts


def test_an_encoding_counts_texts_calls_and_results_exactly() -> None:
    counter = TokenCounter(tiny())
    assert counter.is_exact
    assert counter.measure_text("the the") == 2
    assert counter.measure_text("<|end|>") == 7
    messages = [
        ChatMessage("user", "the"),
        ChatMessage("assistant", [FunctionCallContent("c", "the", "{}"), FunctionCallContent("d", "ab", {"a": 1})]),
        ChatMessage("tool", [FunctionResultContent("c", "the the"), FunctionResultContent("d", [1, "é"])]),
    ]
    assert counter.measure(messages) == Size(4 * TOKENS_PER_MESSAGE, 1 + (1 + 2 + 2 + 7) + (2 + 8))
    assert counter.count(messages) == 16 + 23


def test_a_huge_text_and_half_a_character_are_counted() -> None:
    counter = TokenCounter(tiny())
    assert counter.measure_text("x" * 1_000_000) == 1_000_000
    assert counter.measure_text("\ud83d") == 3
    assert estimate_tokens(ChatMessage("user", "\ud83d")) == TOKENS_PER_MESSAGE + 1


def test_a_function_counts_texts_exactly() -> None:
    counter = TokenCounter(lambda text: len(text.split()))
    assert counter.is_exact
    assert counter.measure_text("one two three") == 3
    assert counter.count([ChatMessage("user", "one two")]) == TOKENS_PER_MESSAGE + 2


def test_an_encoding_counts_for_every_model() -> None:
    counter = TokenCounter(encoding=tiny())
    for model_id in ("gpt-4o", "llama-3", None):
        assert counter.for_model(model_id).is_exact


def test_a_name_is_no_encoding() -> None:
    with pytest.raises(ConfigurationError, match=r"not 'o200k_base': give tiktoken\.get_encoding"):
        TokenCounter("o200k_base")  # pyright: ignore[reportArgumentType] - what a caller without a checker may write


def test_without_an_encoding_every_model_is_estimated() -> None:
    assert not TokenCounter().is_exact
    assert not TokenCounter().for_model("gpt-4o").is_exact


# Estimates


def test_estimates_follow_the_bytes_of_a_text() -> None:
    assert estimate_tokens(ChatMessage("user", "")) == TOKENS_PER_MESSAGE
    assert estimate_tokens(ChatMessage("user", "x" * 400)) == TOKENS_PER_MESSAGE + 100
    assert estimate_tokens(ChatMessage("user", "你好" * 100)) == TOKENS_PER_MESSAGE + 150
    pdf = UriContent(uri="https://example.org/report.pdf", media_type="application/pdf")
    assert estimate_tokens(ChatMessage("user", [pdf])) == TOKENS_PER_MESSAGE + TOKENS_PER_FILE
    assert estimate_tokens(ChatMessage("user", [DataContent(b"", "image/png")])) == TOKENS_PER_MESSAGE + TOKENS_PER_FILE
    assert estimate_tokens(ChatMessage("tool", FunctionResultContent("c", {1j}))) == TOKENS_PER_MESSAGE + 1


def test_instructions_and_tools_are_counted() -> None:
    def add(first: int, second: int) -> int:
        """Add two numbers."""
        return first + second

    window = ContextWindow(max_tokens=1_000)
    assert window.tokens(instructions="x" * 40) == TOKENS_PER_MESSAGE + 10
    assert 20 < window.tokens(tools=[FunctionTool.of(add)]) < 100
    assert ContextWindow(max_messages=3).tokens([ChatMessage("user", "x")]) == 0


def reports(counter: TokenCounter, *ratios: float) -> None:
    for ratio in ratios:
        counter.observe(Size(40, 1_000), Usage(input_tokens=40 + int(1_000 * ratio)))


def test_estimates_learn_from_what_the_model_reports() -> None:
    counter = TokenCounter()
    reports(counter, 1.6, 1.62)
    assert counter.factor == 1.0
    reports(counter, 1.58)
    assert counter.factor == 1.625
    assert counter.count([ChatMessage("user", "x" * 4_000)]) == TOKENS_PER_MESSAGE + 1_625


def test_the_factor_stays_while_reports_vary_by_less_than_a_step() -> None:
    counter, random = TokenCounter(), Random(1)
    reports(counter, 1.6, 1.6, 1.6)
    for _ in range(200):
        reports(counter, random.uniform(1.4, 1.62))
        assert counter.factor == 1.625


def test_wrong_reports_do_no_harm() -> None:
    counter = TokenCounter()
    reports(counter, *[1.0] * 8)
    for wrong in (0, -5, 1, 10**9):
        counter.observe(Size(40, 1_000), wrong)
    reports(counter, 7.9, 0.3, 7.9)
    counter.observe(Size(40, 1_000), None)
    counter.observe(Size(40, 10), Usage(input_tokens=70))
    assert counter.factor == 1.0


def test_a_service_that_changed_its_tokens_is_followed() -> None:
    counter = TokenCounter()
    reports(counter, *[0.5] * 15)
    assert counter.factor == 0.5
    reports(counter, *[3.0] * 8)
    assert counter.factor == 3.0


def test_reports_around_the_edge_of_a_step_do_not_move_the_factor_to_and_fro() -> None:
    counter = TokenCounter()
    factors: list[float] = []
    for i in range(100):
        reports(counter, (1.495, 1.505)[i % 2])
        factors.append(counter.factor)
    assert len(set(factors[3:])) <= 2
    assert factors[3:] == sorted(factors[3:])


def test_later_only_some_requests_are_measured() -> None:
    counter = TokenCounter()
    assert all(counter.wants_report() for _ in range(30))
    reports(counter, *[1.0] * 15)
    assert sum(counter.wants_report() for _ in range(80)) == 10
    assert not TokenCounter(tiny()).wants_report()


def test_an_exact_counter_learns_nothing() -> None:
    counter = TokenCounter(tiny())
    reports(counter, 3.0, 3.0, 3.0)
    assert counter.factor == 1.0


def test_models_calibrate_apart_from_each_other() -> None:
    window = ContextWindow(max_tokens=10_000, counter=TokenCounter())
    one, other = window.for_model("one"), window.for_model("other")
    request = [ChatMessage("user", "x" * 4_000)]
    for _ in range(3):
        one.observe(request, Usage(input_tokens=2_000))
        other.observe([*request, ChatMessage("user", DataContent(b"", "image/png"))], Usage(input_tokens=9_000))
    assert one.tokens(request) == 2_004
    assert other.tokens(request) == 1_004
    assert window.for_model("one").tokens(request) == 2_004
    assert ContextWindow(max_messages=3).for_model("one") == ContextWindow(max_messages=3)


def test_a_window_holds_what_the_model_counts_once_it_is_calibrated() -> None:
    """The model takes a token for every two characters; the estimate says four."""
    window = ContextWindow(max_tokens=2_000).for_model("m")
    turns = [turn_of([ChatMessage("user", "x" * 396), ChatMessage("assistant", "")]) for _ in range(40)]
    for _ in range(3):
        sent = window.select(turns)
        window.observe(sent, Usage(input_tokens=sum(4 + len(message.text) // 2 for message in sent)))
    sent = window.select(turns)
    assert 1_500 <= sum(4 + len(message.text) // 2 for message in sent) <= 2_000
