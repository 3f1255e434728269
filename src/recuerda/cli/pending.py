"""The output for an interrupted turn, as text for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
from rich.text import Text

from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.resuming import draft_age
from recuerda.cli.messages import shown_message
from recuerda.cli.output import clean_line
from recuerda.examination import unfinished
from recuerda.json_value import JsonObject
from recuerda.messages.codec import message_to_json
from recuerda.storage.drafts import Draft


def told_pending(draft: Draft, pending: PendingTurn | None) -> str:
    """Return how far a turn got and since when it waits, for a terminal."""
    return clean_line(unfinished.told_pending(draft, pending))


def told_call(call: PendingCall) -> str:
    """Return in a few words what a call waits for, for a terminal."""
    return clean_line(unfinished.told_call(call))


def state_of(pending: PendingTurn | None) -> str:
    """Return in a few words what an unfinished turn waits for."""
    if pending is None or not pending.is_paused:
        return "unfinished turn"
    return "waits for approval" if pending.waits_for_approval else "decided, waits for a run"


def shown_pending(draft: Draft, pending: PendingTurn | None) -> Iterator[Text]:
    """Yield an interrupted turn's heading, and its messages if they can be read."""
    yield Text(f"unfinished turn: {told_pending(draft, pending)}", style="bold yellow")
    for message in (*pending.input, *pending.messages) if pending else ():
        yield shown_message(message)


def pending_json(draft: Draft, pending: PendingTurn | None) -> JsonObject:
    """Return an interrupted turn as JSON. `messages` and `calls` are null when it cannot be read."""
    return {
        "turn_id": draft.turn_id,
        "revision": draft.revision,
        "steps": len(draft.steps),
        "age_s": round(draft_age(draft).total_seconds(), 3),
        "messages": [message_to_json(message) for message in (*pending.input, *pending.messages)] if pending else None,
        "calls": [call_json(call) for call in pending.calls] if pending else None,
    }


def turn_json(turn: PendingTurn) -> JsonObject:
    """Return a paused turn as JSON."""
    return {
        "thread_id": turn.thread_id,
        "user_id": turn.user_id,
        "turn_id": turn.turn_id,
        "revision": turn.revision,
        "steps": turn.steps,
        "age_s": round(turn.age.total_seconds(), 3),
        "messages": [message_to_json(message) for message in (*turn.input, *turn.messages)],
        "calls": [call_json(call) for call in turn.calls],
    }


def call_json(call: PendingCall) -> JsonObject:
    """Return a call without a result as JSON."""
    decision = call.decision
    return {
        "call_id": call.call_id,
        "name": call.name,
        "arguments": msgspec.to_builtins(call.arguments),
        "is_started": call.is_started,
        "waits_for": call.waits_for,
        "asked_at": call.asked_at and call.asked_at.isoformat(),
        "expires_at": call.expires_at and call.expires_at.isoformat(),
        "decision": decision
        and {
            "kind": decision.kind,
            "by": decision.by,
            "at": decision.at.isoformat(),
            "reason": decision.reason,
            "arguments": msgspec.to_builtins(decision.arguments),
        },
    }


def arguments_shown(call: PendingCall) -> str:
    """Return the arguments of a call as text."""
    return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()
