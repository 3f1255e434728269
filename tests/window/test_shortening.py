"""A turn that is too long keeps its pairs; results of older turns are left out."""

from __future__ import annotations

import pytest

from recuerda import (
    ChatMessage,
    ContextWindow,
    FunctionCallContent,
    FunctionResultContent,
    InvalidInput,
    TokenCounter,
    Turn,
)
from recuerda.window.repair import is_sound
from recuerda.window.shortening import elided
from recuerda.window.window import turn_of
from tests.window.checks import Numbered
from tests.window.encodings import tiny


def round_of(id: str, result: object, *, arguments: str = "{}") -> list[ChatMessage]:
    return [
        ChatMessage("assistant", FunctionCallContent(id, "read", arguments)),
        ChatMessage("tool", FunctionResultContent(id, result)),
    ]


def said(messages: list[ChatMessage]) -> list[str]:
    return [str(part.result) for m in messages for part in m.contents if isinstance(part, FunctionResultContent)]


def turn(*rounds: list[ChatMessage]) -> Turn:
    return turn_of(
        [
            ChatMessage("user", "Read."),
            *(message for each in rounds for message in each),
            ChatMessage("assistant", "Done."),
        ]
    )


def test_the_longest_results_are_shortened_to_one_length_and_the_others_stay() -> None:
    short, text = "s" * 200, "".join(f"line {i}\n" for i in range(2_000))
    window = ContextWindow(max_tokens=1_000)
    sent = window.select([turn(round_of("a", text), round_of("b", short), round_of("c", text[:8_000]))])
    assert 700 <= window.tokens(sent) <= 1_000
    assert is_sound(sent)
    first, second, third = said(sent)
    assert second == short
    assert 0.8 < len(first) / len(third) < 1.25
    for result in (first, third):
        assert result.startswith("line 0\n")
        assert "characters left out …]" in result
    assert first.endswith(text[-100:])
    left_out = int(first.split("shortened: ")[1].split(" of ")[0].replace(",", ""))
    assert f"of {len(text):,} characters" in first
    head, tail = first.split("\n[… shortened")[0], first.split("left out …]\n")[1]
    assert len(head) + len(tail) + left_out == len(text)


def test_arguments_are_never_shortened() -> None:
    arguments = '{"text": "' + "x" * 8_000 + '"}'
    sent = ContextWindow(max_tokens=3_000).select([turn(round_of("a", "y" * 40_000, arguments=arguments))])
    assert sent[1].function_calls[0].arguments == arguments
    assert len(said(sent)[0]) < 4_000


def test_a_result_of_data_is_shortened_as_text() -> None:
    sent = ContextWindow(max_tokens=200).select([turn(round_of("a", {"rows": list(range(2_000))}))])
    assert said(sent)[0].startswith('{"rows":[0,1,2')


def test_where_marks_are_too_much_the_oldest_rounds_go_whole() -> None:
    window = ContextWindow(max_tokens=200)
    sent = window.select([turn(*(round_of(f"c{i}", "z" * 1_000) for i in range(50)))])
    assert window.tokens(sent) <= 200
    assert is_sound(sent)
    ids = [call.call_id for message in sent for call in message.function_calls]
    assert ids == [f"c{i}" for i in range(50 - len(ids), 50)]
    assert len(ids) >= 5
    assert [sent[0].text, sent[-1].text] == ["Read.", "Done."]


def test_what_the_user_and_the_model_said_always_stays() -> None:
    long = turn_of([ChatMessage("user", "x" * 9_000), *round_of("a", "y" * 9_000), ChatMessage("assistant", "z" * 900)])
    sent = ContextWindow(max_tokens=10).select([long])
    assert [message.text for message in sent] == ["x" * 9_000, "z" * 900]


def test_a_turn_that_fits_is_sent_as_it_is() -> None:
    fits = turn(round_of("a", "y" * 900))
    window = ContextWindow(max_tokens=1_000)
    assert window.select([fits]) == list(fits.messages)
    messages = list(fits.messages)
    assert window.fit(messages) is messages
    assert ContextWindow(max_messages=1).fit(messages) is messages
    assert window.tokens(window.fit(messages, overhead_tokens=850)) <= 150


def test_results_of_older_turns_are_left_out_and_calls_are_not() -> None:
    turns = [turn(round_of("a", f"{i} " * 100), round_of("b", "short")) for i in range(100)]
    sent = ContextWindow(keep_results=3).select(turns)
    assert len(sent) == sum(len(each.messages) for each in turns)
    assert is_sound(sent)
    kept = [text for text in said(sent) if text != "short" and "left out" not in text]
    assert 3 <= len(kept) <= 3 + 8
    assert kept == [f"{i} " * 100 for i in range(100 - len(kept), 100)]
    assert said(sent)[0] == "[… 200 characters left out …]"
    assert said(sent).count("short") == 100


def test_results_of_older_turns_are_left_out_also_where_they_would_fit() -> None:
    turns = [turn(round_of("a", "x" * 400)) for _ in range(50)]
    kept = [text for text in said(ContextWindow(max_tokens=100_000, keep_results=2).select(turns)) if "x" in text]
    assert 2 <= len(kept) <= 2 + 8


def test_the_newest_turns_keep_their_results_where_many_were_undone() -> None:
    turns = [Numbered(100 * i + 1, turn(round_of("a", "x" * 400))) for i in range(20)]
    window = ContextWindow(keep_results=3)
    kept = [text for text in said(window.plan(window.tally(turns))) if "x" in text]
    assert len(kept) == 3


def test_a_text_whose_tokens_are_spread_unevenly_is_cut_until_it_fits() -> None:
    """Its beginning has a token for every character, the rest one for every four."""
    counter = TokenCounter(tiny())
    sent = ContextWindow(max_tokens=2_000, counter=counter).select([turn(round_of("a", "x" * 5_000 + " the" * 20_000))])
    assert counter.count(sent) <= 2_000
    assert len(said(sent)[0]) > 1_000


def test_leaving_results_out_makes_room_for_older_turns() -> None:
    turns = [turn(round_of("a", "x" * 4_000)) for _ in range(100)]
    whole, lean = ContextWindow(max_tokens=8_000), ContextWindow(max_tokens=8_000, keep_results=2)
    assert len(whole.select(turns)) < 4 * 8
    assert len(lean.select(turns)) > 4 * 60
    assert lean.tokens(lean.select(turns)) <= 8_000


def test_results_that_are_many_are_kept_of_fewer_turns_and_always_of_the_newest() -> None:
    turns = [turn(round_of("a", "x" * 12_000)) for _ in range(30)]
    window = ContextWindow(max_tokens=8_000, keep_results=10)
    sent = window.select(turns)
    assert window.tokens(sent) <= 8_000
    assert [len(text) for text in said(sent)][-1] == 12_000
    huge = window.select([*turns, turn(round_of("a", "x" * 30_000))])
    assert window.tokens(huge) <= 8_000
    assert len(said(huge)[-1]) == 30_000


def test_leaving_out_nothing_gives_the_same_messages() -> None:
    messages = turn(round_of("a", "short")).messages
    assert elided(messages) is messages


def test_overhead_input_and_reserve_are_taken_from_the_budget() -> None:
    turns = [turn_of([ChatMessage("user", "x" * 384)]) for _ in range(100)]
    window = ContextWindow(max_tokens=2_000)
    assert len(window.select(turns)) * 100 <= 2_000
    assert len(ContextWindow(max_tokens=2_000, reserve_tokens=1_000).select(turns)) <= 10
    assert len(window.select(turns, overhead_tokens=1_500)) <= 5
    assert len(window.select(turns, overhead_tokens=9_999)) == 1
    assert len(window.select(turns, input_tokens=1_200)) <= 7
    sizes = {len(window.select(turns, input_tokens=tokens)) for tokens in (1, 50, 249)}
    assert len(sizes) == 1


@pytest.mark.parametrize(
    "bad",
    [
        {"keep_results": 0},
        {"reserve_tokens": -1, "max_tokens": 10},
        {"reserve_tokens": 10, "max_tokens": 10},
        {"reserve_tokens": 1},
    ],
    ids=str,
)
def test_a_window_that_makes_no_sense_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(InvalidInput):
        ContextWindow(**bad)  # pyright: ignore[reportArgumentType] - the names are those of numbers
