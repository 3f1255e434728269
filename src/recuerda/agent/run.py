"""One run of an agent: from the input to the committed turn.

The order is what makes a thread safe. The thread's queue first; then one read; then the providers, before anything is
paid for; then the model and its tools, until it answers; then one write of everything, checked against the revision
that was read; then the providers again. Whatever fails before the write leaves the thread as it was, and what fails
after it cannot take it back. A run is one asynchronous generator of updates: `run` drains it, `run_stream` hands it
out.

A durable run saves each step besides, as the thread's draft. A resumed run starts with those steps instead of an input,
and goes on from there.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import partial
from typing import Any, Literal, TypeAlias, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from recuerda.agent.chat import ChatModel
from recuerda.agent.exchange import Exchange, settled
from recuerda.agent.prompt import Prompt
from recuerda.agent.response import AgentResponse, AgentResponseUpdate, replayed
from recuerda.agent.resuming import (
    Decisions,
    Journal,
    draft_age,
    durable_store,
    load_draft,
    pending_calls,
    revision_after,
    running_turn,
    settle,
)
from recuerda.agent.steps import RunningTurn, Step
from recuerda.agent.summarizer import Summarizer
from recuerda.agent.tools import FunctionTool, tools_by_name
from recuerda.errors import ConfigurationError, InvalidInput, StateError, ThreadConflict, TurnPending
from recuerda.ids import new_id
from recuerda.json_value import Json
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, Turn
from recuerda.providers.context import ContextProvider
from recuerda.providers.gathering import gather, tell
from recuerda.storage.records import Appended, Draft
from recuerda.threads.history import stored_turn
from recuerda.threads.loading import LoadedThread, ThreadQuery
from recuerda.threads.thread import AgentThread
from recuerda.window.summary import Summary, decode_summary
from recuerda.window.window import ContextWindow

T = TypeVar("T")

Durability: TypeAlias = Literal["turn", "steps"]
"""What is saved of a run: the turn when it is whole ("turn"), or each of its steps as it happens besides ("steps")."""

_logger = logging.getLogger("recuerda")
_holders: WeakKeyDictionary[asyncio.Lock, Run] = WeakKeyDictionary()
_outer_runs: ContextVar[tuple[Run, ...]] = ContextVar("recuerda_outer_runs", default=())


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What an agent brings to each of its runs."""

    model: ChatModel
    instructions: str | None
    tools: tuple[FunctionTool, ...]
    providers: tuple[ContextProvider, ...]
    window: ContextWindow | None
    options: Mapping[str, Json]
    max_tool_rounds: int
    lease: timedelta | None
    durability: Durability = "turn"
    keep_partial: bool = False
    summarizer: Summarizer | None = None


class Run:
    """One run; `updates` carries it out, and then `response` is set.

    Args:
        settings: the agent's.
        thread: where the turn goes.
        messages: the input; none when a turn is resumed.
        turn_id: the caller's name for the turn.
        is_streamed: whether the model is asked to answer piece by piece.
        resume: what the caller decides about the calls of the interrupted turn that is to be resumed.
        before: awaited before the turn begins, when it is this run's turn; says whether it changed the thread.
        is_queued: False for a run that is a part of another one on the same thread.
        is_temporary: True when the thread is forgotten after the run.
    """

    def __init__(
        self,
        settings: RunSettings,
        thread: AgentThread,
        messages: tuple[ChatMessage, ...] = (),
        *,
        turn_id: str | None = None,
        is_streamed: bool,
        resume: Decisions | None = None,
        before: Callable[[], Coroutine[Any, Any, bool]] | None = None,
        is_queued: bool = True,
        is_temporary: bool = False,
    ) -> None:
        self.response: AgentResponse | None = None
        self.is_abandoned = False
        self._settings = settings
        self._thread = thread
        self._turn_id = turn_id
        self._resume = resume
        self._before = before
        self._is_queued = is_queued
        self._is_temporary = is_temporary
        self._exchange = Exchange(settings.model, thread, RunningTurn([Step(input=messages)]), is_streamed=is_streamed)
        self._summary: Summary | None = None
        self._warnings: list[str] = []
        self._task: asyncio.Task[Any] | None = None

    @property
    def _turn(self) -> RunningTurn:
        return self._exchange.turn

    async def updates(self) -> AsyncGenerator[AgentResponseUpdate]:
        """Carry the run out. The turn is committed after the last update; closing the generator early cancels it."""
        # What cannot be stored is refused before anything is paid for.
        encode_turn(self._turn.turn())
        async with self._queue():
            loaded = await self._load()
            if self._before is not None and loaded.committed is None and await self._before():
                loaded = await self._load()
            if loaded.committed is not None:
                self.response = replayed(loaded.committed, self._thread.id)
                for message in self.response.messages:
                    yield AgentResponseUpdate(role=message.role, contents=message.contents)
                return
            await self._begin(loaded)
            try:
                prompt = await self._invoking(loaded)
                if (started := await self._settle(prompt.tools)) is not None:
                    async with aclosing(self._exchange.updates(prompt, self._inside, started=started)) as updates:
                        async for update in updates:
                            yield update
                if not self._turn.is_answered:
                    self.response = await self._pending(loaded)
                    return
                appended, cancelled = await self._commit(self._turn.turn(), loaded)
            except BaseException as error:
                await self._failed(error, loaded)
                raise
            response = self._responded(appended)
            await self._learn(response, prompt, is_new=appended.created if appended else loaded.is_new)
            self.response = msgspec.structs.replace(response, warnings=tuple(self._warnings))
            if cancelled is not None:
                raise cancelled

    async def _load(self) -> LoadedThread:
        window, summarizer = self._settings.window, self._settings.summarizer
        query = ThreadQuery(window=window, turn_id=self._turn_id, service=self._exchange.service)
        reach = None if summarizer is None else summarizer.reach(window)
        loaded = await self._thread.load(msgspec.structs.replace(query, reach=reach))
        if loaded.summary is not None:
            try:
                self._summary = decode_summary(loaded.summary.body)
            except StateError as error:
                # The turns are there: the summary only stood in their place. One that a trim has emptied is no fault.
                if loaded.summary.body:
                    self._warnings.append(f"thread {self._thread.id!r}: {error}; its turns are sent instead")
                return await self._thread.load(query)
        return loaded

    @asynccontextmanager
    async def _queue(self) -> AsyncGenerator[None]:
        """Wait for the thread's other runs; refuse to wait for one that waits for this one."""
        self._task = asyncio.current_task()
        if not self._is_queued:
            yield
            return
        lock = self._thread.run_lock()
        holder = _holders.get(lock)
        is_in_loop_body = holder is not None and holder._task is self._task and not holder.is_abandoned
        if is_in_loop_body or any(
            run._task and run._thread.identity == self._thread.identity for run in _outer_runs.get()
        ):
            raise ConfigurationError(
                f"this run on thread {self._thread.id!r} was started inside another run of the same thread, which "
                "waits for it: use another thread, or finish the stream first"
            )
        async with lock, self._thread.lease(self._settings.lease):
            _holders[lock] = self
            try:
                yield
            finally:
                _holders.pop(lock, None)
                self._task = None

    # -- an interrupted turn -------------------------------------------------------------------------------------------

    async def _begin(self, loaded: LoadedThread) -> None:
        """Take up the interrupted turn that is to be resumed, or make sure that there is none."""
        draft = await self._draft(loaded)
        if self._resume is None:
            if draft is not None:
                steps = len(draft.steps)
                raise TurnPending(self._thread.id, turn_id=draft.turn_id, step=steps, age=draft_age(draft))
            if self._settings.durability == "steps":
                self._exchange.journal = self._journal(loaded)
            elif any(tool.needs_approval for tool in self._settings.tools):
                durable_store(self._thread)
            if self._settings.keep_partial:
                # What is kept after a commit of which nobody knows whether it was written must not be a second turn.
                self._turn_id = self._turn_id or new_id()
            return
        if draft is None:
            raise InvalidInput(
                f"thread {self._thread.id!r} has no interrupted turn: it was resumed or dropped already, or never begun"
            )
        store = durable_store(self._thread)
        if loaded.revision != draft.revision and await revision_after(store, draft.revision) != loaded.revision:
            raise ThreadConflict(self._thread.id, expected=draft.revision, actual=loaded.revision or 0)
        self._exchange.turn, self._turn_id = running_turn(draft), draft.turn_id
        number = len(draft.steps)
        self._exchange.journal = Journal(store, turn_id=draft.turn_id, revision=draft.revision, number=number)

    async def _draft(self, loaded: LoadedThread) -> Draft | None:
        return await load_draft(self._thread) if loaded.has_draft or self._resume is not None else None

    def _journal(self, loaded: LoadedThread) -> Journal:
        store = durable_store(self._thread)
        self._turn_id = self._turn_id or new_id()
        return Journal(store, turn_id=self._turn_id, revision=loaded.revision or 0)

    async def _settle(self, tools: Mapping[str, FunctionTool]) -> Sequence[int] | None:
        """Let the caller's decisions count; None when the turn still waits for one."""
        if self._resume is None:
            return ()
        step = settle(self._turn, self._resume, tools, thread_id=self._thread.id)
        return None if step is None else await self._exchange.record(step)

    async def _pending(self, loaded: LoadedThread) -> AgentResponse:
        """End the run before its turn: some calls wait to be allowed, and the turn is saved until then."""
        if self._is_temporary:
            names = ", ".join(sorted({call.name for call in self._turn.waiting.values()}))
            raise ConfigurationError(
                f"{names} has to be allowed first, and this run has no thread on which it could wait: run(…, thread=…)"
            )
        if self._exchange.journal is None:
            self._exchange.journal = self._journal(loaded)
            await self._exchange.journal.save(self._turn.whole())
        return AgentResponse(
            messages=tuple(self._turn.new),
            usage=self._turn.usage,
            thread_id=self._thread.id,
            turn_id=self._turn_id,
            pending=pending_calls(self._turn, list(self._turn.waiting)),
            warnings=tuple(self._warnings),
        )

    # -- providers -----------------------------------------------------------------------------------------------------

    async def _inside(self, work: Coroutine[Any, Any, T]) -> T:
        """Await what this run waits for, in a task of its own, so that a run started inside can tell."""
        _outer_runs.set((*_outer_runs.get(), self))
        return await work

    async def _invoking(self, loaded: LoadedThread) -> Prompt:
        settings = self._settings
        given = await gather(
            settings.providers,
            lambda provider: self._inside(provider.invoking(self._turn.input, thread=self._thread)),
        )
        self._warnings += given.warnings
        texts = [text for text in (settings.instructions, *given.instructions) if text]
        if self._exchange.is_kept:
            # A message would be kept by the service, as if it had been said; instructions are not.
            texts += [message.text for message in given.messages if message.text]
        pinned: Sequence[ChatMessage] = ()
        if self._summary is not None:
            texts.append(self._summary.instructions)
            pinned = self._summary.pinned
        return Prompt(
            instructions="\n\n".join(texts) or None,
            pinned=pinned,
            history=partial(loaded.select, settings.window),
            context=given.messages,
            window=settings.window,
            tools=tools_by_name([*settings.tools, *given.tools]),
            options=settings.options,
            max_tool_rounds=settings.max_tool_rounds,
        )

    async def _learn(self, response: AgentResponse, prompt: Prompt, *, is_new: bool) -> None:
        if is_new:
            await self._tell("thread_created", lambda provider: provider.thread_created(self._thread))
        await self._tell(
            "invoked", lambda provider: provider.invoked(self._turn.input, response.messages, thread=self._thread)
        )
        summarizer, store = self._settings.summarizer, self._thread.turn_store
        if summarizer is not None and store is not None:
            self._warnings += summarizer.take_failures()
            await summarizer.after_turn(store, prompt.window_beside(self._turn.input))

    async def _tell(self, hook: str, call: Callable[[ContextProvider], Coroutine[Any, Any, None]]) -> None:
        self._warnings += await tell(self._settings.providers, hook, lambda provider: self._inside(call(provider)))

    # -- the end -------------------------------------------------------------------------------------------------------

    async def _commit(self, turn: Turn, loaded: LoadedThread) -> tuple[Appended | None, asyncio.CancelledError | None]:
        """Write the turn; a cancellation meanwhile does not leave it in doubt, and is returned if it was written."""
        return await settled(
            self._thread.commit(
                turn,
                turn_id=self._turn_id,
                expected=loaded.revision,
                service_thread_id=self._exchange.service_thread_id,
            )
        )

    async def _failed(self, error: BaseException, loaded: LoadedThread) -> None:
        """Clear up after a turn that was not committed; keep what was said, if that was asked for."""
        await self._exchange.retract()
        is_interrupted = isinstance(error, GeneratorExit | asyncio.CancelledError)
        again: asyncio.CancelledError | None = None
        if self._settings.keep_partial and is_interrupted and not self._exchange.is_kept:
            _, again = await settled(self._keep_partial(loaded))
        await self._tell(
            "invoked",
            lambda provider: provider.invoked(self._turn.input, thread=self._thread, invoke_exception=error),
        )
        if again is not None:
            raise again

    async def _keep_partial(self, loaded: LoadedThread) -> None:
        try:
            await self._commit(self._turn.interrupted(self._exchange.partial), loaded)
        except Exception as failure:  # noqa: BLE001 - the interruption is what the caller has to hear of
            _logger.warning("the interrupted turn could not be kept: %s: %s", type(failure).__name__, failure)

    def _responded(self, appended: Appended | None) -> AgentResponse:
        if appended is not None and appended.replayed:
            # Another process committed this turn while ours was running: its answer is the one that stands.
            return replayed(stored_turn(appended.record, self._thread.id), self._thread.id)
        return AgentResponse(
            messages=tuple(self._turn.new),
            usage=self._turn.usage,
            thread_id=self._thread.id,
            turn_id=None if appended is None else appended.record.id,
        )
