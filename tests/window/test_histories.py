"""Whatever a thread holds, what is sent of it is accepted.

The suite tries 4,000 histories, `make chaos-tests` 20,000, and `python -m bench --only windows` 100,000.
"""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recuerda import ChatMessage, ContextWindow, Turn, UriContent
from recuerda.testing import strategies
from recuerda.testing.openai_wire import BadRequest
from recuerda.window.repair import mend
from tests.damaged_histories import damaged_history
from tests.window.checks import QUESTION, any_window, check_accepted, check_history, plainly_wired


@pytest.mark.chaos
@pytest.mark.parametrize("seed", range(4))
def test_thousands_of_damaged_histories_are_sent_in_a_form_that_is_accepted(seed: int, *, is_long: bool) -> None:
    random = Random(seed)
    for _ in range(5_000 if is_long else 1_000):
        check_accepted(mend([*any_window(random).select(damaged_history(random)), QUESTION]))


@pytest.mark.chaos
def test_every_promise_of_a_window_holds_for_damaged_histories(*, is_long: bool) -> None:
    random = Random(4)
    for _ in range(1_500 if is_long else 300):
        check_history(random, damaged_history(random), any_window(random))


@given(st.lists(strategies.turns(), max_size=5), st.randoms(use_true_random=False))
def test_every_promise_of_a_window_holds_for_anything_that_can_be_stored(turns: list[Turn], random: Random) -> None:
    check_history(random, turns, any_window(random))


@pytest.mark.parametrize("text", ["", "Look:"])
@pytest.mark.parametrize("keep_files", [0, 1, None])
def test_every_promise_of_a_window_holds_for_a_text_beside_a_picture(text: str, keep_files: int | None) -> None:
    picture = UriContent("https://example.com/a.png", "image/png")
    turns = [
        Turn(messages=(ChatMessage("user", [text, picture]), ChatMessage("assistant", "A cat."))) for _ in range(3)
    ]
    check_history(Random(1), turns, ContextWindow(keep_files=keep_files))


def test_most_of_the_damaged_histories_would_be_refused_as_they_are() -> None:
    random = Random(5)
    histories = [damaged_history(random) for _ in range(500)]
    assert sum(_is_refused(history) for history in histories) > 200


def _is_refused(history: list[Turn]) -> bool:
    messages = [message for turn in history for message in turn.messages]
    try:
        plainly_wired(messages)
        check_accepted([*messages, QUESTION])
    except (AssertionError, BadRequest):
        return True
    return False
