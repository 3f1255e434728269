"""The output for an interrupted turn, as text for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import msgspec
from rich.text import Text

from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.resuming import draft_age, pending_turn
from recuerda.cli.messages import shown_message
from recuerda.cli.output import clean_line
from recuerda.errors import RecuerdaError
from recuerda.json_value import JsonObject
from recuerda.messages.codec import message_to_json
from recuerda.storage.records import SEAL, Draft


def read_pending(draft: Draft, thread_id: str) -> PendingTurn | None:
    """Return the interrupted turn in a draft, or None when it cannot be read or is encrypted."""
    try:
        return None if is_sealed(draft.steps[0].body) else pending_turn(draft, thread_id)
    except RecuerdaError:
        return None


def is_sealed(body: bytes) -> bool:
    """Return whether a body is encrypted."""
    return body.startswith(SEAL)


def shown_age(age: timedelta) -> str:
    """Return an age as text, such as "3 days", "5 min" or "12 s"."""
    seconds = int(age.total_seconds())
    for size, word in ((86_400, "days"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds // size} {word}"
    return f"{seconds} s"


def told_pending(draft: Draft, pending: PendingTurn | None) -> str:
    """Return a clause that says how far a turn got and since when it waits, with the calls that are open."""
    if pending is not None and pending.is_paused:
        return _told_paused(draft, pending)
    told = f"interrupted after step {len(draft.steps)}, {shown_age(draft_age(draft))} ago"
    if pending is None or not pending.calls:
        return told
    return f"{told}; open calls: {', '.join(map(_told_call, pending.calls))}"


def _told_paused(draft: Draft, pending: PendingTurn) -> str:
    waiting = [call for call in pending.calls if call.waits_for == "approval"]
    if not waiting:
        told = ", ".join(f"{clean_line(call.name)} {told_call(call)}" for call in pending.calls)
        return f"paused, and the next run continues it: {told}"
    names = ", ".join(clean_line(call.name) for call in waiting)
    since = min((call.asked_at for call in waiting if call.asked_at is not None), default=None)
    age = draft_age(draft) if since is None else max(timedelta(), datetime.now(UTC) - since)
    return f"waiting for approval of {names} for {shown_age(age)}"


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


def told_call(call: PendingCall) -> str:
    """Return in a few words what a call waits for."""
    if call.is_started:
        return "outcome not known"
    if call.decision is None:
        return "waits for approval"
    by = "" if call.decision.by is None else f" by {clean_line(call.decision.by)}"
    new = call.decision.arguments
    changed = "" if new is None else f" to {clean_line(msgspec.json.encode(new).decode())}"
    why = "" if call.decision.reason is None else f": {clean_line(call.decision.reason)}"
    return f"{call.decision.kind}{changed}{by}{why}"


def _told_call(call: PendingCall) -> str:
    return f"{clean_line(call.name)} ({told_call(call)})"
