"""The time that a response took stays with its turn."""

from __future__ import annotations

from recuerda import ChatMessage, Turn
from recuerda.messages import TurnRuns
from recuerda.server.turns import answered, response_of, without_response

RUNS = TurnRuns(took_ms=5)


def test_the_turn_of_a_response_keeps_its_time_when_the_response_is_deleted() -> None:
    asked = Turn(messages=(ChatMessage("user", "hi"),))
    turn = answered(asked, [], response={"status": "completed"}, runs=RUNS)
    assert (turn.runs, response_of(turn)) == (RUNS, {"status": "completed"})
    left = without_response(turn)
    assert (left.runs, response_of(left)) == (RUNS, None)
