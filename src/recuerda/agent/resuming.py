"""A turn that outlived its run: how it is saved, found again, and gone on with.

Every step of a durable run is saved as its thread's draft, outside of the thread. The storage takes each number once:
so two processes cannot go on with one turn, and the first to save a step after an interruption has it.

A call that was started and has no result is the one thing that nobody can know: its tool did its work, or did not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta

import msgspec

from recuerda.agent.response import PendingCall, PendingTurn
from recuerda.agent.steps import RunningTurn, Step, decode_step, encode_step
from recuerda.agent.tools import FunctionTool
from recuerda.errors import (
    ConfigurationError,
    DraftConflict,
    InvalidInput,
    StorageError,
    ThreadConflict,
    ToolOutcomeUnknown,
)
from recuerda.ids import new_id
from recuerda.json_value import Json, JsonObject, to_json
from recuerda.messages.message import FunctionCallContent, FunctionResultContent
from recuerda.storage.records import Draft, DraftStep
from recuerda.threads.conflicts import revision_after_summaries
from recuerda.threads.history import History
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

DENIED = "Error: the user did not allow this call"
"""The result of a call that was not approved."""

ATTEMPTS = 3
"""How often a step is written: a result that cannot be saved leaves a call in doubt."""

PAUSE_S = 0.05
"""Before the second attempt; four times as long before each further one."""


class Decisions(msgspec.Struct, frozen=True, kw_only=True):
    """What the caller says about an interrupted turn's calls, by call id.

    Attributes:
        outcomes: what came of calls that were started; it is taken as their results.
        approvals: True to run a call, False to refuse it, an object to run it with these arguments.
    """

    outcomes: Mapping[str, Json] = msgspec.field(default_factory=dict[str, Json])
    approvals: Mapping[str, bool | JsonObject] = msgspec.field(default_factory=dict[str, bool | JsonObject])


class Journal:
    """Save a running turn's steps as its thread's draft, one write each.

    Args:
        store: of the thread.
        turn_id: of the turn.
        revision: of the thread when the turn began.
        number: of the last step that is saved.
    """

    def __init__(self, store: ChatMessageStore, *, turn_id: str, revision: int, number: int = 0) -> None:
        self._store = store
        self._turn_id = turn_id
        self._revision = revision
        self.number = number
        self._order = asyncio.Lock()

    async def save(self, step: Step) -> None:
        """Save the next step.

        Raises:
            EncodeError: it has no JSON form.
            DraftConflict: somebody else has begun a turn on the thread, or goes on with this one, or it was committed
                or dropped.
            ThreadConflict: the thread has moved on since the turn began.
            StorageError: it could not be written, not in several attempts either.
        """
        # Two processes may begin one turn at once, with the same input and answer: only their claims tell them apart.
        body = encode_step(step if self.number else msgspec.structs.replace(step, claim=new_id()))
        async with self._order:
            draft = DraftStep(turn_id=self._turn_id, revision=self._revision, number=self.number + 1, body=body)
            await self._begin(draft) if draft.number == 1 else await self._write(draft)
            self.number += 1

    async def _begin(self, step: DraftStep) -> None:
        # A summary may be appended behind the last answer, while this turn begins: it does not matter to it.
        for _ in range(ATTEMPTS):
            try:
                return await self._write(step)
            except ThreadConflict:
                revision = await revision_after(self._store, step.revision)
                if revision is None:
                    raise
                await self._check_alone(step)
                self._revision = revision
                step = msgspec.structs.replace(step, revision=revision)
        return await self._write(step)

    async def _check_alone(self, step: DraftStep) -> None:
        # A turn that began before the summary can go on after it: the storage, which knows revisions only, takes its
        # draft for one that is over.
        draft = await self._store.storage.load_draft(self._store.thread_id)
        if draft is not None and draft.turn_id != step.turn_id:
            raise DraftConflict(self._store.thread_id, turn_id=step.turn_id, number=step.number)

    async def _write(self, step: DraftStep) -> None:
        # Writing a step again changes nothing, so an attempt that failed half-way may simply be repeated.
        for attempt in range(ATTEMPTS):
            try:
                return await self._store.storage.save_draft(self._store.thread_id, step)
            except StorageError:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(PAUSE_S * 4**attempt)
        return None


async def revision_after(store: ChatMessageStore, revision: int) -> int | None:
    """Return the revision to which a thread has moved on, if by nothing but summaries, and else None."""
    return await revision_after_summaries(store.storage, History(store.thread_id), revision)


async def load_draft(thread: AgentThread) -> Draft | None:
    """Return the thread's draft, or None; only a thread of a `ChatMessageStore` can have one."""
    store = thread.turn_store
    return None if store is None else await store.storage.load_draft(store.thread_id)


def running_turn(draft: Draft) -> RunningTurn:
    """Return the state in which a draft's run was."""
    return RunningTurn(decode_step(step.body) for step in draft.steps)


def pending_turn(draft: Draft, thread_id: str) -> PendingTurn:
    """Describe a draft for people and programs."""
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
    """Return how long ago a draft's last step was saved."""
    return timedelta(microseconds=max(0, time.time_ns() // 1000 - draft.steps[-1].created_us))


def pending_calls(state: RunningTurn, positions: Sequence[int]) -> tuple[PendingCall, ...]:
    """Describe some of the calls that wait for something."""
    calls = state.calls
    return tuple(
        PendingCall(
            call_id=calls[i].call_id, name=calls[i].name, arguments=calls[i].arguments, is_started=i in state.started
        )
        for i in positions
    )


def runnable(state: RunningTurn, tools: Mapping[str, FunctionTool]) -> list[int]:
    """Return the positions of the calls of a new answer that may be started at once; the others wait to be allowed."""
    return [i for i, call in state.waiting.items() if not _needs_approval(call, tools)]


def settle(
    state: RunningTurn, decisions: Decisions, tools: Mapping[str, FunctionTool], *, thread_id: str
) -> Step | None:
    """Return the step with which a resumed run begins; None when it waits for approvals and none is given.

    A call that was not started was held back when the model made it. So it waits for a decision, whatever the tools
    at hand say of themselves by now.

    Raises:
        InvalidInput: a decision is about a call that does not wait for it; it was settled already, or never made. Or
            its tool is not there, or the caller's arguments do not fit it. Nothing is settled then.
        ToolOutcomeUnknown: a call was started, and neither says the caller what came of it nor may it run again.
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
            f"call {call.call_id!r} is of tool {call.name!r}, which this agent does not have: resume the turn with an "
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
    """Return the positions of the calls that decisions name."""
    waiting = {i: call.call_id for i, call in state.waiting.items() if (i in state.started) is started}
    for call_id in decisions:
        if call_id not in waiting.values():
            raise InvalidInput(
                f"{what} names call {call_id!r}, which does not wait for that: it was settled already, or there is "
                f"no such call. Waiting: {', '.join(map(repr, waiting.values())) or 'none'}"
            )
    return [i for i, call_id in waiting.items() if call_id in decisions]


def _needs_approval(call: FunctionCallContent, tools: Mapping[str, FunctionTool]) -> bool:
    tool = tools.get(call.name)
    return tool is not None and tool.needs_approval


def durable_store(thread: AgentThread) -> ChatMessageStore:
    """Return the store on which a thread's steps can be saved.

    Raises:
        ConfigurationError: the thread is kept by a service, or by a store that knows no turns.
    """
    if (store := thread.turn_store) is None:
        kept = "a service" if thread.message_store is None else type(thread.message_store).__name__
        raise ConfigurationError(
            f"thread {thread.id!r} is kept by {kept}, which cannot hold an unfinished turn: durability='steps' and "
            "tools that need approval work on a ChatMessageStore"
        )
    return store
