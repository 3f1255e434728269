"""The description of a turn that outlived its run, and the decisions about its waiting calls.

A call that was started and has no result is in doubt, because the tool may or may not have done its work. So the caller
gives the outcome, unless the tool may be run again.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

from recuerda.agent.request import Decisions
from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.steps import RunningTurn, Step, decode_step
from recuerda.agent.tools import FunctionTool
from recuerda.errors import InvalidInput, ToolOutcomeUnknown
from recuerda.ids import new_id
from recuerda.json_value import JsonObject, to_json
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.storage.records import Draft

DENIED = "Error: the user did not allow this call"
"""The result of a call that was not approved."""


def running_turn(draft: Draft) -> RunningTurn:
    """Return the state that a run had reached, from its draft."""
    return RunningTurn(decode_step(step.body) for step in draft.steps)


def pending_turn(draft: Draft, thread_id: str) -> PendingTurn:
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
    )


def draft_age(draft: Draft) -> timedelta:
    """Return the time since the last step of a draft was saved."""
    return timedelta(microseconds=max(0, time.time_ns() // 1000 - draft.steps[-1].created_us))


def pending_calls(state: RunningTurn, positions: Sequence[int]) -> tuple[PendingCall, ...]:
    """Return the descriptions of the waiting calls at some positions."""
    calls = state.calls
    return tuple(
        PendingCall(
            call_id=calls[i].call_id, name=calls[i].name, arguments=calls[i].arguments, is_started=i in state.started
        )
        for i in positions
    )


def calls_to_allow(draft: Draft) -> tuple[str, ...]:
    """Return the ids of a draft's calls that wait for approval."""
    state = running_turn(draft)
    return tuple(call.call_id for call in pending_calls(state, list(state.waiting)) if not call.is_started)


def runnable(state: RunningTurn, tools: Mapping[str, FunctionTool]) -> list[int]:
    """Return the positions of the calls of a new answer that need no approval, and so may be started at once."""
    return [i for i, call in state.waiting.items() if not _needs_approval(call, tools)]


def settle(
    state: RunningTurn, decisions: Decisions, tools: Mapping[str, FunctionTool], *, thread_id: str
) -> Step | None:
    """Return the first step of a resumed run; None when calls wait for approval and the caller decided about no call.

    A call that was not started needed approval when the model made it. So it waits for a decision, even if its tool no
    longer needs approval now.

    Raises:
        InvalidInput: a decision names a call that does not wait for it, because the call was already settled or never
            made. Or the agent does not have the tool, or the caller's arguments do not match it. In each case
            nothing is settled.
        ToolOutcomeUnknown: a call was started, the caller gives no outcome for it, and it may not run again.
    """
    results: dict[int, FunctionResultContent] = {}
    approved: list[int] = []
    edited: dict[int, JsonObject] = {}
    for i in _named(state, decisions.outcomes, "outcomes", started=True):
        call = state.calls[i]
        results[i] = FunctionResultContent(call.call_id, to_json(decisions.outcomes[call.call_id], "the outcome"))
    for i in _named(state, decisions.approvals, "approvals", started=False):
        call = state.calls[i]
        decision = decisions.approvals[call.call_id]
        if decision is False:
            results[i] = FunctionResultContent(call.call_id, DENIED, is_error=True)
            continue
        approved.append(i)
        tool = _known(call, tools)
        if decision is not True:
            tool.check(decision)
            edited[i] = decision
    doubtful = [i for i in state.waiting if i in state.started and i not in results]
    again = [_repeatable(i, state, tools, thread_id) for i in doubtful]
    if state.calls and not (results or again or approved):
        return None
    return Step(results=results, approved=tuple(approved), edited=edited, started=(*again, *approved), claim=new_id())


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
