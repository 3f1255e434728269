"""An unfinished turn in words: how far it got, since when it waits, and for what.

The words contain the names of calls and people as they are stored. A command cleans them for a terminal, and a page
escapes them.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.resuming import draft_age, pending_turn
from recuerda.errors import RecuerdaError
from recuerda.storage.drafts import Draft
from recuerda.storage.records import SEAL


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
        told = ", ".join(f"{call.name} {told_call(call)}" for call in pending.calls)
        return f"paused, and the next run continues it: {told}"
    names = ", ".join(call.name for call in waiting)
    since = min((call.asked_at for call in waiting if call.asked_at is not None), default=None)
    age = draft_age(draft) if since is None else max(timedelta(), datetime.now(UTC) - since)
    return f"waiting for approval of {names} for {shown_age(age)}"


def told_call(call: PendingCall) -> str:
    """Return in a few words what a call waits for."""
    if call.is_started:
        return "outcome not known"
    if call.decision is None:
        return "waits for approval"
    by = "" if call.decision.by is None else f" by {call.decision.by}"
    new = call.decision.arguments
    changed = "" if new is None else f" to {msgspec.json.encode(new).decode()}"
    why = "" if call.decision.reason is None else f": {call.decision.reason}"
    return f"{call.decision.kind}{changed}{by}{why}"


def _told_call(call: PendingCall) -> str:
    return f"{call.name} ({told_call(call)})"
