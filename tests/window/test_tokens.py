"""Token counts: exact where that is possible offline, else estimates that learn."""

from __future__ import annotations

import hashlib
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
import tiktoken
import tiktoken.load
import tiktoken.registry

from recuerda import (
    ChatMessage,
    ConfigurationError,
    ContextWindow,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    Usage,
)
from recuerda.agent.tools import FunctionTool
from recuerda.window.tokens import TOKENS_PER_FILE, TOKENS_PER_MESSAGE, Size, TokenCounter, estimate_tokens
from recuerda.window.window import turn_of
from tests.window.encodings import RANKS, tiny


def ranks_file() -> bytes:
    """Return the file of an encoding, as tiktoken writes it."""
    return b"".join(b64encode(token) + b" " + str(rank).encode() + b"\n" for token, rank in RANKS.items())


HASH = hashlib.sha256(ranks_file()).hexdigest()


def constructor() -> Callable[[], dict[str, Any]]:
    """Return a constructor of the kind that tiktoken has, with an address and a hash in its code."""
    code = (
        "def local():\n"
        f"    ranks = load('https://encodings.invalid/local.tiktoken', expected_hash='{HASH}')\n"
        "    return {'name': 'local', 'pat_str': r' ?\\S+|\\s+', 'mergeable_ranks': ranks, 'special_tokens': {}}\n"
    )
    namespace: dict[str, Any] = {"load": tiktoken.load.load_tiktoken_bpe}
    exec(code, namespace)
    return namespace["local"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the path of the file of an encoding named "local", in a cache folder of this test's own."""
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(folder))
    tiktoken.list_encoding_names()
    constructors = tiktoken.registry.ENCODING_CONSTRUCTORS
    assert constructors is not None
    monkeypatch.setitem(constructors, "local", constructor())
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "loaded", tiny())
    # What a test loads is unloaded behind it.
    monkeypatch.setattr(tiktoken.registry, "ENCODINGS", dict(tiktoken.registry.ENCODINGS))
    return folder / hashlib.sha1(b"https://encodings.invalid/local.tiktoken", usedforsecurity=False).hexdigest()


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


def test_an_encoding_that_is_loaded_is_found_by_name(cache: Path) -> None:
    assert TokenCounter("loaded").measure_text("the the") == 2


def test_an_encoding_whose_file_lies_in_the_cache_is_used(cache: Path) -> None:
    cache.write_bytes(ranks_file())
    counter = TokenCounter("local")
    assert counter.is_exact
    assert counter.measure_text("the the") == 2


@pytest.mark.parametrize("damage", [None, b"", b"half of a file"], ids=["missing", "empty", "damaged"])
def test_an_encoding_that_would_be_downloaded_is_not_used(
    cache: Path, damage: bytes | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A damaged file stays where it is: tiktoken would delete it and ask the network."""

    def refuse(address: str) -> bytes:
        raise AssertionError(address)

    monkeypatch.setattr(tiktoken.load, "read_file", refuse)
    if damage is not None:
        cache.write_bytes(damage)
    counter = TokenCounter("local")
    assert not counter.is_exact
    assert counter.measure_text("the the ") == 2
    assert (cache.read_bytes() if cache.exists() else None) == damage


@pytest.mark.parametrize("model_id", ["gpt-4o", "gpt-5-mini", "gpt-oss-20b", "o3", "llama-3", ""])
def test_a_model_whose_encoding_is_not_here_is_estimated(cache: Path, model_id: str) -> None:
    assert not TokenCounter(model_id=model_id).is_exact


def test_a_model_of_openai_is_counted_with_its_encoding(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiktoken.registry.ENCODINGS, "o200k_base", tiny())
    for model_id in ("gpt-4o", "gpt-oss-20b"):
        assert TokenCounter(model_id=model_id).measure_text("the the") == 2


def test_no_cache_folder_is_no_cache(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.write_bytes(ranks_file())
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert not TokenCounter("local").is_exact


def test_an_encoding_that_nobody_knows_is_refused(cache: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"no encoding 'o200k_bass'; it has .*o200k_base"):
        TokenCounter("o200k_bass")


def test_without_tiktoken_everything_is_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tiktoken", None)
    assert not TokenCounter("o200k_base").is_exact
    assert not TokenCounter(model_id="gpt-4o").is_exact


# Estimates


def test_estimates_follow_the_bytes_of_a_text() -> None:
    assert estimate_tokens(ChatMessage("user", "")) == TOKENS_PER_MESSAGE
    assert estimate_tokens(ChatMessage("user", "x" * 400)) == TOKENS_PER_MESSAGE + 100
    assert estimate_tokens(ChatMessage("user", "你好" * 100)) == TOKENS_PER_MESSAGE + 150
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
