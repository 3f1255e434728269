"""One attempt at a turn: from the providers' context to the commit.

The order keeps the thread safe. The providers come first, before anything is paid for; then the model and its
tools, until it answers; then one write of everything, checked against the revision that was read; then the providers
again. A failure before the write leaves the thread unchanged. A failure after the write cannot take the turn back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any

import msgspec

from recuerda._events import fields
from recuerda.agent.beginning import Beginning
from recuerda.agent.exchange import Exchange
from recuerda.agent.failed import failure_text, is_lost_race
from recuerda.agent.inbox import decided_before
from recuerda.agent.journal import Journal, durable_store
from recuerda.agent.prompt import Prompt, least_overhead_of, prompt_of, show_thread
from recuerda.agent.queue import QueueTicket
from recuerda.agent.reading import Reading
from recuerda.agent.request import RunRequest
from recuerda.agent.response import AgentResponse, AgentResponseUpdate, replayed
from recuerda.agent.resuming import pending_calls, settle
from recuerda.agent.settings import AgentSettings, check_context
from recuerda.agent.steps import RunningTurn
from recuerda.agent.tool_output import answering_model
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError, DraftConflict, ThreadConflict
from recuerda.ids import new_turn_id
from recuerda.messages.message import ChatMessage, Turn, TurnRuns
from recuerda.providers.context import ContextProvider
from recuerda.providers.gathering import gather, tell
from recuerda.storage.finishing import finished
from recuerda.storage.operations import Appended
from recuerda.threads.history import stored_turn

_logger = logging.getLogger("recuerda.agent")


class Attempt:
    """One attempt at a turn; `updates` carries it out, and then `response` is set.

    Args:
        settings: the agent's settings.
        request: the caller's request.
        reading: the result of reading the thread.
        beginning: the turn to carry on.
        ticket: the run's place in the queue of the thread.
    """

    def __init__(
        self,
        settings: AgentSettings,
        request: RunRequest,
        *,
        reading: Reading,
        beginning: Beginning,
        ticket: QueueTicket,
    ) -> None:
        self.response: AgentResponse[Any] | None = None
        self._settings = settings
        self._request = request
        self._reading = reading
        self._turn_id = beginning.turn_id
        self._ticket = ticket
        self._watch = beginning.watch
        model = settings.model
        self._exchange = Exchange(
            model if request.form is None else answering_model(model, is_kept=request.thread.is_kept_by_service),
            settings,
            request,
            turn=beginning.turn,
            journal=beginning.journal,
            inside=ticket.inside,
        )
        self._warnings = list(reading.warnings)
        self._is_committing = False

    @property
    def _turn(self) -> RunningTurn:
        return self._exchange.turn

    async def updates(self) -> AsyncGenerator[AgentResponseUpdate]:
        """Carry the attempt out. The turn is committed after the last update; closing the generator cancels it."""
        appended, cancelled = None, None
        try:
            prompt = await self._invoking()
            if (started := await self._settle(prompt.tools)) is not None:
                try:
                    async with aclosing(
                        self._exchange.updates(prompt, started=started, renewed=self._renewed)
                    ) as updates:
                        async for update in updates:
                            yield update
                except ThreadConflict:
                    if (appended := await self._committed_elsewhere()) is None:
                        raise
            if appended is None:
                if not self._turn.is_answered:
                    self.response = await self._pending()
                    return
                self._is_committing = True
                appended, cancelled = await self._commit(self._turn.turn(self._runs))
        except BaseException as error:
            await self._failed(error)
            raise
        # The turn stands, so its providers hear of it even if the run is cancelled now.
        again = None
        if self._has_listeners:
            self.response, again = await finished(self._learn(appended, prompt))
        else:
            # Nothing in it waits, so a cancellation cannot interrupt it: it needs no task of its own.
            self.response = await self._learn(appended, prompt)
        if (interruption := cancelled or again) is not None:
            raise interruption

    # -- before the model ----------------------------------------------------------------------------------------------

    async def _invoking(self) -> Prompt:
        """Ask the providers, and return the prompt with their contexts."""
        thread, said = self._request.thread, self._turn.input
        if tools := self._settings.context_tools:
            check_context(tools, self._request.context)
        form = self._request.form
        least_overhead = least_overhead_of(self._settings, self._reading, form)
        if self._settings.providers:
            show_thread(thread, self._settings, self._reading, said, least_overhead=least_overhead)
            thread.replaced = self._turn.replaces
        given = await gather(
            self._settings.providers, lambda provider: self._ticket.inside(provider.invoking(said, thread=thread))
        )
        self._warnings += given.warnings
        return prompt_of(
            self._settings,
            given,
            self._reading,
            is_kept=self._exchange.is_kept,
            least_overhead=least_overhead,
            form=form,
        )

    async def _renewed(self, prompt: Prompt, said: Sequence[ChatMessage]) -> Prompt:
        """Return the prompt for the turn so far.

        If the turn has grown, the window may send fewer turns of the thread than the providers were told. Then they are
        asked again, so that they can recall the turns that are left out. If that fails, their earlier context stays.
        """
        thread, providers = self._request.thread, self._settings.providers
        has_grown = len(said) > len(self._turn.input)
        if prompt.window is None or not (providers and has_grown) or thread.sent_from is None:
            return prompt
        _, overhead, input_tokens = prompt.fitted(said)
        first = self._reading.loaded.first_sent(prompt.window, overhead_tokens=overhead, input_tokens=input_tokens)
        if first == thread.sent_from:
            return prompt
        thread.sent_from = first
        asked = self._turn.input
        try:
            given = await gather(
                providers, lambda provider: self._ticket.inside(provider.preview(asked, thread=thread))
            )
        except Exception as error:  # noqa: BLE001 - the run has been paid for, and has a context
            _logger.warning(
                "the providers could not be asked again for a growing turn: %s",
                type(error).__name__,
                extra=fields("context_not_renewed", error=type(error).__name__),
            )
            return prompt
        self._warnings += given.warnings
        return msgspec.structs.replace(prompt, context=given.messages)

    async def _settle(self, tools: Mapping[str, FunctionTool]) -> Sequence[int] | None:
        """Record the caller's decisions; return the calls to run first, or None when the turn waits for a decision."""
        if self._request.decisions is None:
            return ()
        thread, decisions = self._request.thread, self._request.decisions
        now_us = durable_store(thread).view.clock()
        step = settle(self._turn, decisions, tools, thread_id=thread.id, now_us=now_us)
        try:
            return None if step is None else await self._exchange.record(step)
        except DraftConflict as conflict:
            raise (await decided_before(thread, decisions) or conflict) from None

    # -- the end -------------------------------------------------------------------------------------------------------

    async def _pending(self) -> AgentResponse[Any]:
        """End the run and save its turn, because some calls of the turn wait for approval."""
        if self._request.is_temporary:
            names = ", ".join(sorted({call.name for call in self._turn.waiting.values()}))
            raise ConfigurationError(
                f"{names} needs approval first, and this run has no thread on which to wait: use run(…, thread=…)"
            )
        if self._exchange.journal is None:
            store, version = durable_store(self._request.thread), self._reading.loaded.version
            self._turn_id = self._turn_id or new_turn_id()
            self._exchange.journal = Journal(store, turn_id=self._turn_id, version=version or 0, watch=self._watch)
            await self._exchange.journal.save(self._turn.whole())
        calls = pending_calls(self._turn, list(self._turn.waiting))
        return self._responded(self._turn_id, pending=calls, warnings=tuple(self._warnings))

    async def _committed_elsewhere(self) -> Appended | None:
        """Return this turn if another process has committed it before this run saved its first step."""
        journal, store = self._exchange.journal, self._request.thread.turn_store
        if journal is None or journal.number or store is None or self._turn_id is None:
            return None
        found = (await store.view.read(store.thread_id, last_turns=0, turn_id=self._turn_id)).found
        return None if found is None else Appended(revision=found.number, replayed=True, record=found)

    async def _commit(self, turn: Turn) -> tuple[Appended | None, asyncio.CancelledError | None]:
        """Write the turn.

        A cancellation during the write does not leave the outcome in doubt: if the turn was written, the cancellation
        is returned.
        """
        journal = self._exchange.journal
        return await finished(
            self._request.thread.commit(
                turn,
                turn_id=self._turn_id,
                expected=self._reading.loaded.version,
                service_thread_id=self._exchange.service_thread_id,
                replaces=self._turn.replaces,
                last_step=None if journal is None else journal.last_id,
            )
        )

    @property
    def _runs(self) -> TurnRuns:
        """The runs of the turn until now."""
        return self._turn.runs(self._watch.elapsed_us)

    @property
    def _has_listeners(self) -> bool:
        """True if a provider, a summarizer, a titler or the service that keeps the thread hears of a committed turn."""
        settings = self._settings
        return bool(settings.providers or settings.summarizer or settings.titler or self._exchange.is_kept)

    async def _learn(self, appended: Appended | None, prompt: Prompt) -> AgentResponse[Any]:
        """Tell the providers, the summarizer and the titler about the committed turn, and return the response."""
        await self._exchange.forget_context()
        thread, said = self._request.thread, self._turn.input
        if appended is not None and appended.replayed:
            # Another process committed this turn while ours was running, so its answer counts.
            store = thread.turn_store
            record = appended.record
            turn = stored_turn(record, thread.id) if store is None else await store.whole(record)
            response = replayed(turn, thread.id, self._request.form)
        else:
            response = self._responded(None if appended is None else appended.record.id)
        if appended.created if appended is not None else self._reading.loaded.is_new:
            await self._tell("thread_created", lambda provider: provider.thread_created(thread))
        await self._tell("invoked", lambda provider: provider.invoked(said, response.messages, thread=thread))
        summarizer, store = self._settings.summarizer, thread.turn_store
        if summarizer is not None and store is not None:
            self._warnings += summarizer.take_failures()
            await summarizer.after_turn(store, prompt.window_beside(said))
        limits = self._settings.usage_limits
        if limits is not None and limits.counts_tokens and self._turn.usage is None:
            self._warnings.append("the service reports no token usage, so the limits of tokens were not checked")
        if (titler := self._settings.titler) is not None and appended is not None:
            self._warnings += titler.take_failures()
            if (kept := store or thread.mirror) is not None:
                await titler.after_turn(kept, appended)
        return msgspec.structs.replace(response, warnings=tuple(self._warnings))

    async def _failed(self, error: BaseException) -> None:
        """Clean up after a turn that was not committed, however often the run is cancelled meanwhile."""
        _, again = await finished(self._clean_up(error))
        if again is not None:
            raise again

    async def _clean_up(self, error: BaseException) -> None:
        """Take the turn back from the service, and tell the providers.

        If the caller asked for it, commit the messages so far as an interrupted turn.
        """
        thread, said = self._request.thread, self._turn.input
        await self._exchange.retract()
        if self._keeps(error) and not self._exchange.is_kept:
            await self._keep(error)
        await self._tell("invoked", lambda provider: provider.invoked(said, thread=thread, invoke_exception=error))

    def _keeps(self, error: BaseException) -> bool:
        """Return True if the caller wants to keep a turn that ended with this error.

        A turn with a whole answer is not replaced by a turn without one.
        """
        replaced = self._reading.loaded.replaced
        if replaced is not None and not replaced.turn.is_interrupted:
            return False
        if isinstance(error, GeneratorExit | asyncio.CancelledError):
            return self._request.keep_partial or self._request.keep_failed
        # Whether a commit that failed has written the turn is not known here, and a retry with its id finds out.
        is_failure = isinstance(error, Exception) and not self._is_committing and not is_lost_race(error)
        return self._request.keep_failed and is_failure

    async def _keep(self, error: BaseException) -> None:
        text = failure_text(error) if isinstance(error, Exception) else None
        try:
            await self._commit(self._turn.interrupted(self._exchange.partial, error=text, runs=self._runs))
        except Exception as failure:  # noqa: BLE001 - the caller is told of the interruption, not of this
            _logger.warning(
                "the interrupted turn could not be kept: %s: %s",
                type(failure).__name__,
                failure,
                extra=fields("turn_not_kept", thread_id=self._request.thread.id, error=type(failure).__name__),
            )

    async def _tell(self, hook: str, call: Callable[[ContextProvider], Coroutine[Any, Any, None]]) -> None:
        self._warnings += await tell(
            self._settings.providers, hook, lambda provider: self._ticket.inside(call(provider))
        )

    def _responded(self, turn_id: str | None, **more: Any) -> AgentResponse[Any]:
        return AgentResponse(
            messages=tuple(self._turn.new),
            usage=self._turn.usage,
            thread_id=self._request.thread.id,
            turn_id=turn_id,
            _value=self._exchange.value,
            **more,
        )
