"""The output for an interrupted turn, as text for people and as JSON for scripts."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

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
    if pending is not None and pending.waits_for_approval:
        names = ", ".join(clean_line(call.name) for call in pending.calls)
        return f"waiting for approval of {names} for {shown_age(draft_age(draft))}"
    told = f"interrupted after step {len(draft.steps)}, {shown_age(draft_age(draft))} ago"
    if pending is None or not pending.calls:
        return told
    return f"{told}; open calls: {', '.join(map(_told_call, pending.calls))}"


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
        "calls": [_call_json(call) for call in pending.calls] if pending else None,
    }


def _call_json(call: PendingCall) -> JsonObject:
    return {**msgspec.to_builtins(call), "waits_for": call.waits_for}


def arguments_shown(call: PendingCall) -> str:
    """Return the arguments of a call as text."""
    return call.arguments if isinstance(call.arguments, str) else msgspec.json.encode(call.arguments).decode()


def _told_call(call: PendingCall) -> str:
    return f"{clean_line(call.name)} ({'outcome not known' if call.is_started else 'waits for approval'})"
