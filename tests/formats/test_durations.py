"""How long a turn took, in exports."""

from __future__ import annotations

from datetime import timedelta

import pytest

from recuerda import ChatMessage
from recuerda.formats import MovedThread, MovedTurn
from recuerda.formats.facts import facts_of
from recuerda.formats.supplement import supplement_of
from recuerda.formats.times import shown_duration
from recuerda.messages import Turn, TurnRuns
from tests.formats.native import written

RUNS = TurnRuns(took_ms=4230, count=2, began_us=1_750_000_000_000_000)
SAID = Turn(messages=(ChatMessage("user", "hi"), ChatMessage("assistant", "hello")))


def thread_of(runs: TurnRuns | None) -> MovedThread:
    turn = Turn(messages=SAID.messages, runs=runs)
    return MovedThread(id="x", turns=(MovedTurn(id="t", turn=turn, created_us=1_750_000_000_000_000),))


@pytest.mark.parametrize("format", ["markdown", "html"])
def test_a_page_for_people_shows_it_behind_the_time_of_the_turn(format: str) -> None:
    assert " · took 4.2 s" in written([thread_of(RUNS)], format)[0]
    assert "took" not in written([thread_of(None)], format)[0]


def test_the_supplement_of_a_format_keeps_it() -> None:
    (mark,) = supplement_of(thread_of(RUNS), [2]).turns
    assert mark.applied_to(SAID).runs == RUNS


def test_it_counts_as_lost_where_a_format_has_no_place_for_it() -> None:
    assert facts_of(thread_of(RUNS))["duration"] == 1
    assert "duration" not in facts_of(thread_of(RUNS), ("duration",))
    assert "duration" not in facts_of(thread_of(None))


@pytest.mark.parametrize(
    ("milliseconds", "shown"),
    [
        (0, "0 ms"),
        (999, "999 ms"),
        (1000, "1.0 s"),
        (59_999, "59.9 s"),
        (60_000, "1 min 0 s"),
        (3_599_999, "59 min 59 s"),
        (7_800_000, "2 h 10 min"),
    ],
)
def test_a_duration_is_short(milliseconds: int, shown: str) -> None:
    assert shown_duration(timedelta(milliseconds=milliseconds)) == shown
