"""A window stays where it starts for many turns, so that a service finds what it has cached."""

from __future__ import annotations

from random import Random

import pytest

from recuerda import ChatMessage, ChatMessageStore, ContextWindow, Storage, StoredTurn, Turn
from recuerda.window.choosing import FEW_MESSAGES, Limits, choose, roundest
from tests.conversation import exchange
from tests.damaged_histories import damaged_history
from tests.window.checks import Numbered


def talk(random: Random, turns: int) -> list[Turn]:
    """Return turns of a question and an answer, of 30 to 60 tokens in all."""
    return [
        Turn(messages=(ChatMessage("user", "x" * random.randint(40, 80)), ChatMessage("assistant", "y" * 80)))
        for _ in range(turns)
    ]


def fronts(window: ContextWindow, turns: list[Turn]) -> list[int]:
    """Return where the window starts after each turn of a growing thread."""
    held: list[StoredTurn] = []
    tally = None
    found: list[int] = []
    for number, turn in enumerate(turns, start=1):
        held.append(StoredTurn(number, str(number), 0, turn))
        tally = window.tally(held, tally)
        found.append(len(held) - len(window.plan(tally)) // 2)
    return found


@pytest.mark.parametrize(
    "window",
    [
        ContextWindow(max_messages=128),
        ContextWindow(max_tokens=3_000),
        ContextWindow(max_messages=128, max_tokens=3_000),
    ],
    ids=["messages", "tokens", "both"],
)
def test_the_front_of_a_growing_thread_moves_seldom_and_never_back(window: ContextWindow) -> None:
    found = fronts(window, talk(Random(1), 1_000))
    assert found == sorted(found)
    assert len(set(found)) < 1_000 / 8
    exact = [turn_count - ContextWindow.count(window, talk(Random(1), turn_count)) for turn_count in (100, 500, 1_000)]
    for turn_count, front in zip((100, 500, 1_000), exact, strict=True):
        assert front <= found[turn_count - 1] <= front + (turn_count - front) / 4 + 1


def test_a_thread_that_fits_is_sent_from_its_beginning() -> None:
    assert set(fronts(ContextWindow(max_messages=200), talk(Random(1), 100))) == {0}


def test_results_of_older_turns_are_left_out_in_steps_and_the_front_never_moves_back() -> None:
    random = Random(2)
    window = ContextWindow(max_tokens=20_000, keep_results=4)
    turns = [turn for turn in (turn for _ in range(300) for turn in damaged_history(random)) if len(turn.messages) > 1]
    held: list[Numbered] = []
    choices: list[tuple[int, int]] = []
    tally = None
    for number, turn in enumerate(turns[:600], start=1):
        held.append(Numbered(number, turn))
        tally = window.tally(held, tally)
        choice = choose(tally, window.limits())
        choices.append((choice.front, choice.whole_from))
        assert number - choice.whole_from >= min(4, number - choice.front)
    assert [front for front, _ in choices] == sorted(front for front, _ in choices)
    assert [start for _, start in choices] == sorted(start for _, start in choices)
    assert len({front for front, _ in choices}) < 600 / 4
    assert len({start for _, start in choices}) < 600 / 3


def test_the_turns_of_a_small_window_are_chosen_as_those_of_a_large_one() -> None:
    """A limit of tokens that nothing reaches leads to the search in the sums, which large windows need."""
    random = Random(4)
    window = ContextWindow(max_messages=1)
    for _ in range(2_000):
        numbers = sorted(random.sample(range(1, 120), random.randint(1, 60)))
        messages = (ChatMessage("user", "x"),) * 8
        held = [Numbered(number, Turn(messages=messages[: random.randint(0, 8)])) for number in numbers]
        limit, is_rest = random.randint(1, FEW_MESSAGES), random.random() < 0.3
        few = choose(window.tally(held), Limits(messages=limit), is_rest=is_rest)
        many = choose(window.tally(held), Limits(messages=limit, tokens=10**9), is_rest=is_rest)
        assert few == many


def test_the_messages_of_a_small_window_are_put_together_from_its_turns() -> None:
    turns = talk(Random(5), 100)
    for limit in (1, 2, 30, FEW_MESSAGES, FEW_MESSAGES + 1, 150):
        sent = ContextWindow(max_messages=limit, keep_files=None).select(turns)
        assert sent == [message for turn in turns for message in turn.messages][-len(sent) :]
        assert len(sent) <= max(2, limit)


@pytest.mark.parametrize(("first", "last", "found"), [(1, 9, 1), (2, 9, 9), (6, 8, 7), (5, 8, 5), (7, 7, 7), (2, 2, 2)])
def test_the_roundest_number_is_the_one_that_stays_longest(first: int, last: int, found: int) -> None:
    assert roundest(first, last) == found


@pytest.mark.parametrize(
    "window",
    [
        ContextWindow(max_messages=12),
        ContextWindow(max_tokens=120),
        ContextWindow(max_tokens=200, reserve_tokens=50, keep_results=2),
    ],
    ids=["messages", "tokens", "results"],
)
async def test_a_cold_handle_and_a_warm_one_send_the_same(
    storage: Storage, another: Storage, window: ContextWindow
) -> None:
    """Turns are undone now and then, so numbers are missing, and the warm handle reads what others wrote."""
    random = Random(3)
    warm = ChatMessageStore(storage=storage, thread_id="t")
    other = ChatMessageStore(storage=another, thread_id="t")
    whole = ChatMessageStore(storage=storage, thread_id="t")
    for i in range(60):
        await random.choice((warm, other)).add_messages(exchange("x" * random.randint(1, 60)))
        if random.random() < 0.2:
            await other.undo()
        cold = ChatMessageStore(storage=storage, thread_id="t")
        for store in (warm, cold):
            await store.refresh(window)
        await whole.refresh()
        sent = whole.history.window(window)
        assert warm.history.window(window) == sent, i
        assert cold.history.window(window) == sent, i


async def test_a_window_after_a_trim_and_of_a_thread_made_anew_is_of_what_is_there(storage: Storage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="t")
    window = ContextWindow(max_messages=4)
    for name in "abcdef":
        await store.add_messages(exchange(name))
    await store.refresh()
    assert [message.text for message in store.history.window(window)][-2:] == ["f", "f!"]
    await store.trim(keep_turns=1)
    await store.refresh(window)
    assert [message.text for message in store.history.window(window)] == ["f", "f!"]
    await store.clear()
    await store.refresh(window)
    assert store.history.window(window) == []


@pytest.mark.parametrize("window", [ContextWindow(max_messages=50), ContextWindow(max_tokens=300)], ids=str)
async def test_no_turn_is_lost_between_a_summary_and_the_window(storage: Storage, window: ContextWindow) -> None:
    """What a summary does not cover is left out only where it does not fit, and not for the sake of steps."""
    store = ChatMessageStore(storage=storage, thread_id="t")
    for i in range(30):
        await store.add_messages(exchange(str(i)))
    await store.summarize(b"{}", through=5)
    await store.refresh(window, with_summary=True)
    sent = [message.text for message in store.history.window(window)]
    assert window.count([turn.turn for turn in store.turns]) == 25
    assert sent[::2] == [str(i) for i in range(5, 30)]
