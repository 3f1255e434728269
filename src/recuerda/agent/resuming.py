"""The description of a turn that outlived its run, and the decisions about its waiting calls.

A call that was started and has no result is in doubt, because the tool may or may not have done its work. So the caller
gives the outcome, unless the tool may be run again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta

from recuerda.agent.decisions import CallDecision, decision_in, decision_of, given_outcome
from recuerda.agent.request import Decisions
from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.steps import RunningTurn, Step, decode_step
from recuerda.agent.tools import FunctionTool
from recuerda.errors import AlreadyDecided, InvalidInput, ToolOutcomeUnknown
from recuerda.ids import new_id
from recuerda.json_value import JsonObject, to_json
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.storage.contract import system_clock
from recuerda.storage.drafts import Draft
from recuerda.storage.records import from_microseconds

DENIED = "Error: the user did not allow this call"
"""The result of a call that was not approved."""


def running_turn(draft: Draft) -> RunningTurn:
    """Return the state that a run had reached, from its draft."""
    turn = RunningTurn()
    for saved in draft.steps:
        step = decode_step(saved.body)
        turn.apply(step, at_us=saved.created_us)
        if step.trace is not None:
            turn.traces.append(step.trace)
    return turn


def pending_turn(draft: Draft, thread_id: str, *, user_id: str | None = None) -> PendingTurn:
    """Return the description of a draft."""
    state = running_turn(draft)
    return PendingTurn(
        thread_id=thread_id,
        turn_id=draft.turn_id,
        revision=draft.revision,
        steps=len(draft.steps),
        age=draft_age(draft),
        input=state.input,
        messages=tuple(state.new),
        calls=pending_calls(state, list(state.waiting)),
        user_id=user_id,
    )


def draft_age(draft: Draft) -> timedelta:
    """Return the time since the last step of a draft was saved."""
    return timedelta(microseconds=max(0, system_clock() - draft.steps[-1].created_us))


def pending_calls(state: RunningTurn, positions: Sequence[int]) -> tuple[PendingCall, ...]:
    """Return the descriptions of the waiting calls at some positions."""
    calls, asked_us = state.calls, state.asked_us or system_clock()
    return tuple(
        PendingCall(
            call_id=calls[i].call_id,
            name=calls[i].name,
            arguments=calls[i].arguments,
            is_started=i in state.started,
            asked_at=from_microseconds(asked_us),
            expires_at=from_microseconds(asked_us + state.expires[i]) if i in state.expires else None,
            decision=state.decided.get(i),
        )
        for i in positions
    )


def expires_by_itself(draft: Draft, *, now_us: int) -> bool:
    """Return True if a turn waited for approvals, and all of them come too late now."""
    state = running_turn(draft)
    expired = state.expired(now_us)
    return bool(expired) and not state.started & state.waiting.keys() and len(expired) == len(state.undecided)


def limits(state: RunningTurn, tools: Mapping[str, FunctionTool], default: timedelta | None) -> dict[int, int]:
    """Return the times in microseconds after which approvals of a new answer's calls come too late, by position."""
    found = {
        i: tools[call.name].approval_expires or default
        for i, call in state.waiting.items()
        if _needs_approval(call, tools)
    }
    return {i: limit // timedelta(microseconds=1) for i, limit in found.items() if limit is not None}


def runnable(state: RunningTurn, tools: Mapping[str, FunctionTool]) -> list[int]:
    """Return the positions of the calls of a new answer that need no approval, and so may be started at once."""
    return [i for i, call in state.waiting.items() if not _needs_approval(call, tools)]


def decide(state: RunningTurn, decisions: Decisions, *, thread_id: str, now_us: int) -> dict[int, CallDecision]:
    """Return the caller's decisions about the calls of a turn, by position, and refusals for calls that expired.

    Raises:
        AlreadyDecided: another caller has decided about a call.
        InvalidInput: a decision names a call that does not wait for approval, or comes too late.
    """
    for call_id in decisions.approvals:
        if (known := decision_in(state.new, call_id)) is not None:
            raise already_decided(known, call_id, thread_id)
    expired = state.expired(now_us)
    decided: dict[int, CallDecision] = {}
    for i in _named(state, decisions.approvals, "approvals", started=False):
        call_id = state.calls[i].call_id
        if i in expired:
            raise InvalidInput(
                f"the approval of call {call_id!r} of thread {thread_id!r} comes too late: it was possible until "
                f"{from_microseconds(state.asked_us + state.expires[i]):%Y-%m-%d %H:%M:%S} UTC. The next run refuses "
                "the call and tells the model why"
            )
        decided[i] = decision_of(given=decisions.approvals[call_id], by=decisions.decided_by, at_us=now_us)
    return decided | {i: CallDecision(kind="expired", at_us=now_us) for i in expired}


def outcomes(state: RunningTurn, decisions: Decisions, *, now_us: int) -> dict[int, FunctionResultContent]:
    """Return the results that the caller gives for calls that were started, by position.

    Raises:
        InvalidInput: a result is for a call that was not started, or that has a result.
        EncodeError: a result has no JSON form.
    """
    found: dict[int, FunctionResultContent] = {}
    for i in _named(state, decisions.outcomes, "outcomes", started=True):
        call_id = state.calls[i].call_id
        result = to_json(decisions.outcomes[call_id], "the outcome")
        found[i] = given_outcome(call_id, result, by=decisions.decided_by, at_us=now_us)
    return found


def already_decided(decision: CallDecision, call_id: str, thread_id: str) -> AlreadyDecided:
    """Return the error for a second decision about a call."""
    return AlreadyDecided(
        thread_id, call_id=call_id, decision=decision.kind, decided_by=decision.by, decided_at=decision.at
    )


def settle(
    state: RunningTurn, decisions: Decisions, tools: Mapping[str, FunctionTool], *, thread_id: str, now_us: int
) -> Step | None:
    """Return the first step of a resumed run; None when calls wait for approval and nobody decided about a call.

    A call that was not started needed approval when the model made it. So it waits for a decision, even if its tool no
    longer needs approval now. A decision that was saved before is carried out like the caller's own. Its arguments are
    checked when the tool is called, because they cannot be changed any more: if they do not match, the model is told.

    Raises:
        InvalidInput: a decision names a call that does not wait for it, because the call was already settled or never
            made. Or the agent does not have the tool, the caller's arguments do not match it, or the approval comes
            too late. In each case nothing is settled.
        AlreadyDecided: another caller has decided about a call.
        ToolOutcomeUnknown: a call was started, the caller gives no outcome for it, and it may not run again.
    """
    results = outcomes(state, decisions, now_us=now_us)
    approved: list[int] = []
    edited: dict[int, JsonObject] = {}
    new = decide(state, decisions, thread_id=thread_id, now_us=now_us)
    undone = {i: decision for i, decision in state.decided.items() if i in state.waiting and i not in state.started}
    for i, decision in sorted((undone | new).items()):
        call = state.calls[i]
        if not decision.is_allowed:
            results[i] = FunctionResultContent(call.call_id, _refusal(decision, state.expires.get(i)), is_error=True)
            continue
        approved.append(i)
        tool = _known(call, tools)
        if decision.arguments is not None:
            edited[i] = decision.arguments
            if i in new:
                tool.check(decision.arguments)
    doubtful = [i for i in state.waiting if i in state.started and i not in results]
    again = [_repeatable(i, state, tools, thread_id) for i in doubtful]
    if state.calls and not (results or again or approved):
        return None
    return Step(
        results=results,
        approved=tuple(approved),
        edited=edited,
        decided=new,
        started=(*again, *approved),
        claim=new_id(),
    )


def _refusal(decision: CallDecision, limit_us: int | None) -> str:
    """Return the text that tells the model why its call was not run."""
    if decision.kind != "expired":
        return DENIED if decision.reason is None else f"{DENIED}: {decision.reason}"
    return f"Error: nobody allowed this call within {timedelta(microseconds=limit_us or 0)}, so it was not run"


def _known(call: FunctionCallContent, tools: Mapping[str, FunctionTool]) -> FunctionTool:
    if (tool := tools.get(call.name)) is None:
        raise InvalidInput(
            f"call {call.call_id!r} needs tool {call.name!r}, which this agent does not have: resume the turn with an "
            "agent that has it, or refuse the call"
        )
    return tool


def _repeatable(position: int, state: RunningTurn, tools: Mapping[str, FunctionTool], thread_id: str) -> int:
    call = state.calls[position]
    tool = tools.get(call.name)
    if tool is None or not tool.retry_safe:
        raise ToolOutcomeUnknown(thread_id, call_id=call.call_id, name=call.name, arguments=call.arguments)
    return position


def _named(state: RunningTurn, decisions: Mapping[str, object], what: str, *, started: bool) -> list[int]:
    """Return the positions of the calls that the decisions name."""
    waiting = {i: call.call_id for i, call in state.waiting.items() if (i in state.started) is started}
    for call_id in decisions:
        if call_id not in waiting.values():
            raise InvalidInput(
                f"{what} names call {call_id!r}, which is not waiting for that: it was already settled, or "
                f"there is no such call. Waiting: {', '.join(map(repr, waiting.values())) or 'none'}"
            )
    return [i for i, call_id in waiting.items() if call_id in decisions]


def _needs_approval(call: FunctionCallContent, tools: Mapping[str, FunctionTool]) -> bool:
    tool = tools.get(call.name)
    return tool is not None and tool.needs_approval
