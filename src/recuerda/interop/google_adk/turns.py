"""Which events make one turn: the events of one invocation, until an agent has answered and no call is open."""

from __future__ import annotations

from collections.abc import Sequence

from google.adk.events.event import Event

from recuerda.agent.steps import RunningTurn, Step
from recuerda.interop.calls import call_ids, result_ids
from recuerda.interop.google_adk.form import fields_of, says_something
from recuerda.messages.message import ChatMessage


def added(turn: RunningTurn, messages: Sequence[ChatMessage]) -> Step:
    """Return the step that adds messages. A user's messages before the first answer are the turn's input."""
    count = 0
    while not turn.new and count < len(messages) and messages[count].role == "user":
        count += 1
    return Step(input=tuple(messages[:count]), messages=tuple(messages[count:]))


def belongs(event: Event, messages: Sequence[ChatMessage], turn: RunningTurn) -> bool:
    """Return whether an event continues a turn: it is of the same invocation, or it answers an open call."""
    known = turn.messages
    if _open_calls(known).intersection(result_ids(messages)):
        return True
    last = next((fields for message in reversed(known) if (fields := fields_of(message)) is not None), None)
    return last is not None and last.get("invocation_id", "") == event.invocation_id


def is_complete(event: Event, turn: RunningTurn) -> bool:
    """Return whether a turn is whole after an event.

    An event without content, such as a change of state before the answer, does not end a turn in which something was
    said. It is a turn of its own if nothing else is under way.
    """
    messages = turn.messages
    if _open_calls(messages):
        return False
    said = [message for message in messages if says_something(message)]
    if not said or event.error_code:
        return True
    return is_answered(turn) and event.author != "user" and event.is_final_response()


def is_answered(turn: RunningTurn) -> bool:
    """Return whether the last thing that was said in a turn is not a user's message, and no call is open."""
    messages = turn.messages
    last = next((message for message in reversed(messages) if says_something(message)), None)
    return last is None or (last.role != "user" and not _open_calls(messages))


def _open_calls(messages: Sequence[ChatMessage]) -> set[str]:
    return call_ids(messages) - result_ids(messages)
