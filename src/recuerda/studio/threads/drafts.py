"""An unfinished turn: its steps, the messages so far, and the calls that wait."""

from __future__ import annotations

from datetime import datetime
from typing import Literal, TypeAlias

import msgspec

from recuerda.agent.response import PendingCall
from recuerda.agent.resuming import pending_turn
from recuerda.agent.steps import Step, decode_step
from recuerda.errors import RecuerdaError
from recuerda.storage.drafts import Draft, DraftStep
from recuerda.storage.records import SEAL
from recuerda.studio.threads.parts import ShownMessage, shown_messages

DraftState: TypeAlias = Literal["waiting", "decided", "unfinished", "damaged", "sealed"]


class ShownStep(msgspec.Struct, frozen=True, kw_only=True):
    """A saved step of an unfinished turn.

    Attributes:
        number: 1, 2, 3 and so on.
        at_us: the time of saving, in microseconds since 1970 (UTC).
        kinds: words for the changes that the step made: "input", "answer", "started", "results", "decided" or
            "claimed".
    """

    number: int
    at_us: int
    kinds: tuple[str, ...]


class WaitingCall(msgspec.Struct, frozen=True, kw_only=True):
    """A call without a result.

    Attributes:
        call_id: the id of the call.
        name: the function's name.
        waits_for: "approval", "outcome" or "resume".
        asked_us: the time at which the answer with the call was saved.
        expires_us: the time after which the call is refused; None if it waits for ever.
        decision: the decision that the next run carries out: "approved", "refused", "edited", "expired" or "".
        by: the name of the person who decided.
    """

    call_id: str
    name: str
    waits_for: str
    asked_us: int | None
    expires_us: int | None
    decision: str
    by: str | None


class ShownDraft(msgspec.Struct, frozen=True, kw_only=True):
    """An unfinished turn.

    Attributes:
        state: "waiting" for an approval, "decided" when the next run carries the decisions out, "unfinished" when it
            broke off, "damaged" or "sealed" when it cannot be read.
        turn_id: the id of the turn.
        revision: the thread's revision when the turn began.
        steps: the saved steps.
        messages: the input and the messages so far.
        calls: the calls without a result.
    """

    state: DraftState
    turn_id: str = ""
    revision: int = 0
    steps: tuple[ShownStep, ...] = ()
    messages: tuple[ShownMessage, ...] = ()
    calls: tuple[WaitingCall, ...] = ()

    @property
    def key(self) -> str:
        """The key of the entry in the list of a page."""
        return "draft"


def shown_draft(draft: Draft, thread_id: str) -> ShownDraft:
    """Return an unfinished turn as a page shows it."""
    steps = tuple(map(_step, draft.steps))
    shown = ShownDraft(state="damaged", turn_id=draft.turn_id, revision=draft.revision, steps=steps)
    if draft.steps[0].body.startswith(SEAL):
        return msgspec.structs.replace(shown, state="sealed")
    try:
        turn = pending_turn(draft, thread_id)
    except RecuerdaError:
        return shown
    state: DraftState = "waiting" if turn.waits_for_approval else "decided" if turn.is_paused else "unfinished"
    waiting = [call.call_id for call in turn.calls]
    return msgspec.structs.replace(
        shown,
        state=state,
        messages=shown_messages((*turn.input, *turn.messages), files=None, waiting=waiting),
        calls=tuple(map(_call, turn.calls)),
    )


def _step(step: DraftStep) -> ShownStep:
    try:
        kinds = _kinds(decode_step(step.body))
    except RecuerdaError:
        kinds = ()
    return ShownStep(number=step.number, at_us=step.created_us, kinds=kinds)


def _kinds(step: Step) -> tuple[str, ...]:
    given = {
        "input": step.input,
        "answer": step.messages,
        "started": step.started,
        "results": step.results,
        "decided": step.decided or step.approved or step.edited,
    }
    return tuple(kind for kind, value in given.items() if value) or ("claimed",)


def _call(call: PendingCall) -> WaitingCall:
    return WaitingCall(
        call_id=call.call_id,
        name=call.name,
        waits_for=call.waits_for,
        asked_us=_us(call.asked_at),
        expires_us=_us(call.expires_at),
        decision="" if call.decision is None else call.decision.kind,
        by=call.decision and call.decision.by,
    )


def _us(moment: datetime | None) -> int | None:
    return None if moment is None else int(moment.timestamp() * 1_000_000)
