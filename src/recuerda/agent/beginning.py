"""The beginning of a turn: a new one from its input, or an interrupted one from its last saved step."""

from __future__ import annotations

import msgspec

from recuerda.agent import observing
from recuerda.agent.inbox import decided_before
from recuerda.agent.journal import Journal, durable_store, load_draft, version_after
from recuerda.agent.request import RunRequest
from recuerda.agent.resuming import draft_age, pending_turn, running_turn
from recuerda.agent.settings import AgentSettings
from recuerda.agent.steps import RunningTurn, Step
from recuerda.errors import InvalidInput, ThreadConflict, TurnPending
from recuerda.ids import new_turn_id
from recuerda.storage.drafts import Draft
from recuerda.threads.loading import LoadedThread
from recuerda.threads.stopwatch import Stopwatch


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """A turn that is about to run.

    Attributes:
        turn: the turn's state so far.
        turn_id: the id under which the turn is committed; None for a random id.
        journal: saves the turn's steps; None when the turn is only saved at its end.
        watch: measures the time of the run.
    """

    turn: RunningTurn
    turn_id: str | None
    journal: Journal | None
    watch: Stopwatch


async def begin_new(
    request: RunRequest, loaded: LoadedThread, settings: AgentSettings, *, watch: Stopwatch
) -> Beginning:
    """Begin a new turn.

    Raises:
        TurnPending: the thread has an interrupted turn.
        ConfigurationError: the turn may have to be saved before it ends, and the thread's store cannot hold an
            unfinished turn.
    """
    draft = await load_draft(request.thread) if loaded.has_draft else None
    if draft is not None:
        raise _pending(draft, request.thread.id)
    replaces = None if loaded.replaced is None else loaded.replaced.number
    first = Step(input=request.messages, replaces=replaces, metadata=request.metadata)
    turn, turn_id = RunningTurn([first]), request.turn_id
    if request.keep_partial or request.keep_failed:
        # A commit can fail although the turn was written. The partial turn that is then kept must not become a second
        # turn.
        turn_id = turn_id or new_turn_id()
    if request.durability == "steps":
        turn_id = turn_id or new_turn_id()
        journal = Journal(durable_store(request.thread), turn_id=turn_id, version=loaded.version or 0, watch=watch)
        return Beginning(turn=turn, turn_id=turn_id, journal=journal, watch=watch)
    if any(tool.needs_approval for tool in settings.tools):
        durable_store(request.thread)
    return Beginning(turn=turn, turn_id=turn_id, journal=None, watch=watch)


def _pending(draft: Draft, thread_id: str) -> TurnPending:
    turn = pending_turn(draft, thread_id)
    return TurnPending(
        thread_id,
        turn_id=draft.turn_id,
        step=len(draft.steps),
        age=draft_age(draft),
        waiting=[call.call_id for call in turn.calls if call.waits_for == "approval"],
        is_decided=turn.is_paused and not turn.waits_for_approval,
    )


async def begin_again(request: RunRequest, loaded: LoadedThread, *, watch: Stopwatch) -> Beginning:
    """Begin where the thread's interrupted turn stopped.

    Raises:
        InvalidInput: there is no interrupted turn.
        AlreadyDecided: there is none any more, because another caller has decided about its calls.
        ThreadConflict: the thread has changed since the turn began.
        ConfigurationError: the thread's store cannot hold an unfinished turn.
    """
    thread = request.thread
    if (draft := await load_draft(thread)) is None:
        if request.decisions is not None and (decided := await decided_before(thread, request.decisions)) is not None:
            raise decided
        raise InvalidInput(
            f"thread {thread.id!r} has no interrupted turn: it was already resumed or dropped, or never begun"
        )
    store = durable_store(thread)
    if loaded.revision != draft.revision and await version_after(store, draft.revision) != loaded.version:
        raise ThreadConflict(thread.id, expected=draft.revision, actual=loaded.revision)
    journal = Journal(
        store,
        turn_id=draft.turn_id,
        version=loaded.version or draft.revision,
        watch=watch,
        number=len(draft.steps),
        last_id=draft.steps[-1].id,
        revision=draft.revision,
    )
    turn = running_turn(draft)
    if observing.observer is not None:
        observing.observer.continued(turn.traces)
    return Beginning(turn=turn, turn_id=draft.turn_id, journal=journal, watch=watch)
