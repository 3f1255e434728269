"""The inbox of approvals: the turns that wait for a person, and the decisions about their calls.

A decision needs no agent: it is one more step of the turn's draft, and the next run of an agent that has the tool
carries it out. The storage accepts each step number once. So of two people who decide at once, one is first, and the
other is told who that was.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import msgspec

from recuerda.agent.decisions import decision_in
from recuerda.agent.journal import load_draft
from recuerda.agent.request import Decisions
from recuerda.agent.response import PendingPage, PendingTurn
from recuerda.agent.resuming import already_decided, decide, outcomes, pending_turn, running_turn
from recuerda.agent.steps import RunningTurn, Step, encode_step
from recuerda.agent.tools import FunctionTool
from recuerda.errors import (
    AlreadyDecided,
    DecryptionError,
    DraftConflict,
    InvalidInput,
    StateError,
    ThreadOwnershipError,
)
from recuerda.ids import new_id
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import Draft, DraftInfo, DraftStep
from recuerda.storage.records import SEAL
from recuerda.threads.thread import AgentThread

TRIES = 8
"""The number of tries to save a decision while other people decide about other calls of the same turn."""

NEWEST = 3
"""The number of the newest turns in which the decision about a call is looked for."""


SEALED = "sealed"
"""Stands for a turn that cannot be read without a key."""


async def list_pending(
    storage: Storage, *, user_id: str | None, limit: int, cursor: str | None, unknown_outcomes: bool = False
) -> PendingPage:
    """Return a page of the paused turns of a storage; see `Agent.list_pending`."""
    page = await storage.list_drafts(limit, user_id=user_id, cursor=cursor)
    found = await asyncio.gather(*(_unfinished(storage, draft) for draft in page.drafts))
    turns = [turn for turn in found if isinstance(turn, PendingTurn)]
    return PendingPage(
        turns=tuple(turn for turn in turns if turn.is_paused or (unknown_outcomes and turn.has_unknown_outcome)),
        cursor=page.cursor,
        sealed=found.count(SEALED),
    )


async def _unfinished(storage: Storage, draft: DraftInfo) -> PendingTurn | str | None:
    """Return the unfinished turn of a thread; None if it has ended since, or is not a turn of an agent."""
    try:
        loaded = await storage.load_draft(draft.thread_id, user_id=draft.user_id)
        if loaded is not None and is_sealed(loaded):
            return SEALED
        return None if loaded is None else pending_turn(loaded, draft.thread_id, user_id=draft.user_id)
    except DecryptionError:
        return SEALED
    except (StateError, ThreadOwnershipError):
        return None


def is_sealed(draft: Draft) -> bool:
    """Return whether a draft is encrypted."""
    return draft.steps[0].body.startswith(SEAL)


async def save_decisions(
    thread: AgentThread, decisions: Decisions, *, view: Storage, tools: Mapping[str, FunctionTool]
) -> PendingTurn:
    """Save decisions about calls, and return the turn with them. No tool is called.

    Args:
        thread: the thread.
        decisions: the decisions.
        view: the storage, as the thread's user sees it.
        tools: the known tools, which check new arguments.

    Raises:
        AlreadyDecided: another caller has decided about one of the calls.
        InvalidInput: there is no interrupted turn, it is encrypted, a call does not wait for the decision, new
            arguments do not match their tool, an approval comes too late, or a started call is left without an outcome.
        DraftConflict: other callers saved decisions about other calls of the turn, during each try.
    """
    for tries_left in reversed(range(TRIES)):
        if (draft := await view.load_draft(thread.id)) is None:
            raise await decided_before(thread, decisions) or _nothing_waits(thread.id)
        if is_sealed(draft):
            raise InvalidInput(
                f"thread {thread.id!r} is encrypted: call agent.decide(thread, approvals) in the program with the key"
            )
        now_us = view.clock()
        step = _step(running_turn(draft), decisions, tools, thread_id=thread.id, now_us=now_us)
        saved = _next(draft, encode_step(step), now_us)
        try:
            await view.save_draft(thread.id, saved)
        except DraftConflict:
            if not tries_left:
                raise
        else:
            return pending_turn(msgspec.structs.replace(draft, steps=(*draft.steps, saved)), thread.id)
    raise AssertionError("the last try returns or raises")


def _step(
    state: RunningTurn, decisions: Decisions, tools: Mapping[str, FunctionTool], *, thread_id: str, now_us: int
) -> Step:
    decided = decide(state, decisions, thread_id=thread_id, now_us=now_us)
    results = outcomes(state, decisions, now_us=now_us)
    if any(i in state.started and i not in results for i in state.waiting):
        raise InvalidInput(
            f"the turn of thread {thread_id!r} is still running, or it broke off while a tool was running: a decision "
            "cannot be saved. If it broke off, give the outcome of the tool too: agent.decide(thread, outcomes=…)"
        )
    for i, decision in decided.items():
        tool = tools.get(state.calls[i].name)
        if tool is not None and decision.arguments is not None:
            tool.check(decision.arguments)
    return Step(results=results, decided=decided, claim=new_id())


def _next(draft: Draft, body: bytes, now_us: int) -> DraftStep:
    return DraftStep(
        turn_id=draft.turn_id,
        revision=draft.revision,
        number=len(draft.steps) + 1,
        body=body,
        created_us=now_us,
        id=new_id(),
        previous=draft.steps[-1].id,
    )


def _nothing_waits(thread_id: str) -> InvalidInput:
    return InvalidInput(f"thread {thread_id!r} has no turn that waits for approval: it was resumed or dropped")


async def decided_before(thread: AgentThread, decisions: Decisions) -> AlreadyDecided | None:
    """Return the error that says who has decided about one of the calls, if that can be found.

    The decision stands in the thread's draft, or in one of its newest turns.
    """
    draft = await load_draft(thread)
    said = [] if draft is None else [*running_turn(draft).messages]
    if draft is None and thread.turn_store is not None:
        turns = await thread.list_turns(limit=NEWEST, skip_corrupt=True)
        said = [message for turn in turns for message in turn.messages]
    for call_id in decisions.approvals:
        if (decision := decision_in(said, call_id)) is not None:
            return already_decided(decision, call_id, thread.id)
    return None
