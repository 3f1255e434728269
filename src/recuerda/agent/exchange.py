"""The exchange between a model and its tools within one run.

The loop works on a `RunningTurn` and adds steps to it. It does not know whether the turn is new or resumed: a new turn
has only its input, and a resumed turn may begin in the middle of its calls.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Protocol, TypeVar

import msgspec

from recuerda._events import fields
from recuerda._observing import carried_out
from recuerda.agent import observing
from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, join_updates
from recuerda.agent.hooks import call_each
from recuerda.agent.journal import Journal
from recuerda.agent.observing import asked, streamed
from recuerda.agent.output import Correction, OutputForm
from recuerda.agent.prompt import Prompt
from recuerda.agent.request import RunRequest
from recuerda.agent.response import AgentResponseUpdate, no_value
from recuerda.agent.resuming import limits, runnable
from recuerda.agent.run_context import RunContext
from recuerda.agent.settings import AgentSettings
from recuerda.agent.steps import RunningTurn, Step, with_undecided_ids
from recuerda.agent.tools import FunctionTool, too_many_calls, unknown_tool
from recuerda.agent.usage_limits import UsageLimits
from recuerda.errors import OutputError, OutputRefused, RunLimitError
from recuerda.messages.message import ChatMessage, FunctionCallContent, FunctionResultContent, signed
from recuerda.providers.gathering import all_of
from recuerda.storage.finishing import finished
from recuerda.threads.service_context import quoted

T = TypeVar("T")

TIDY_TIMEOUT_S = 10
"""The seconds that a run waits for its service to remove the messages of a failed turn, or the context of a turn."""

_logger = logging.getLogger("recuerda.agent")

Renewed = Callable[[Prompt, Sequence[ChatMessage]], Awaitable[Prompt]]
"""Returns a prompt with the contexts that the providers have for the turn so far."""


class Inside(Protocol):
    """Awaits a piece of work as part of the run."""

    async def __call__(self, work: Coroutine[Any, Any, T], /) -> T: ...


class Exchange:
    """The conversation of one run. `updates` continues it until the model has answered or a call waits for approval.

    Args:
        model: the model.
        settings: the settings of the agent and the run.
        request: the caller's request.
        turn: the turn so far.
        journal: saves each step; None if no steps are saved.
        inside: awaits a tool as part of the run.

    Attributes:
        value: the value of the answer; None for text, and an error until the model has answered.
    """

    value: Any = None
    _correction: Correction | None = None
    _rejected: str | None = None

    def __init__(
        self,
        model: ChatModel,
        settings: AgentSettings,
        request: RunRequest,
        *,
        turn: RunningTurn,
        journal: Journal | None,
        inside: Inside,
    ) -> None:
        self.turn = turn
        self.journal = journal
        self._model = model
        self._settings = settings
        self._run = request
        self._name = settings.name
        self._inside = inside
        self._said: list[ChatUpdate] = []
        thread = request.thread
        self._is_kept = thread.is_kept_by_service
        self._sent = 0
        self._service_thread_id = thread.service_thread_id
        self._answers: list[tuple[ChatRequest, ChatResponse]] = []
        if request.form is not None:
            self.value = no_value()

    @property
    def is_kept(self) -> bool:
        """True when the service keeps the thread; then only messages that the service does not have are sent."""
        return self._is_kept

    @property
    def service_thread_id(self) -> str | None:
        """The service's id of the thread from now on; None when no service keeps it."""
        return self._service_thread_id if self._is_kept else None

    @property
    def partial(self) -> ChatMessage | None:
        """The part of an unfinished answer that has arrived so far; None if no answer is unfinished."""
        return signed(join_updates(self._said).message, self._name) if self._said else None

    async def record(self, step: Step) -> Sequence[int]:
        """Save a step if the run is durable, then apply it to the turn; return the calls that it starts."""
        if self.journal is not None:
            is_first = self.journal.number == 0
            turn = self.turn
            begun = _first(step, turn) if is_first else step
            await self.journal.save(begun)
        self.turn.apply(step)
        return step.started

    async def updates(
        self, prompt: Prompt, *, renewed: Renewed, started: Sequence[int] = ()
    ) -> AsyncGenerator[AgentResponseUpdate]:
        """Let the model and its tools take turns until the model has answered or a call waits for approval.

        Args:
            prompt: the instructions, history and tools of each request.
            renewed: returns the prompt for the turn so far, before each request.
            started: the calls of a resumed turn that are run first.
        """
        turn = self.turn
        while not turn.is_answered:
            if not turn.calls:
                if (limits := self._settings.usage_limits) is not None:
                    limits.check_request(self._requests, self.turn.usage)
                if not self._is_kept:
                    prompt = await renewed(prompt, self._messages)
                request = self._request(prompt)
                ask = self._ask_between_hooks if self._settings.hooks else self._ask
                async with aclosing(ask(request)) as answer:
                    async for update in answer:
                        if update.contents:
                            yield AgentResponseUpdate(
                                role="assistant", contents=tuple(update.contents), author_name=self._name
                            )
                prompt.learn(request, self._answers[-1][1].usage)
                started = await self._take_answer(prompt)
                if self._rejected is not None:
                    yield AgentResponseUpdate(role="assistant", contents=(), rejected=self._rejected)
                    self._rejected = None
            if turn.calls:
                await self._run_calls(started, prompt.tools)
                if turn.calls:
                    return
                yield AgentResponseUpdate(role="tool", contents=turn.new[-1].contents)

    @property
    def _messages(self) -> Sequence[ChatMessage]:
        """The messages of the turn so far, as the next request says them."""
        said = self.turn.messages
        return said if self._correction is None else self._correction.added_to(said)

    def _request(self, prompt: Prompt) -> ChatRequest:
        said, rounds = self._messages, self.turn.rounds
        if not self._is_kept:
            return prompt.request(said, rounds=rounds)
        new, context = map(quoted, said[self._sent :]), prompt.context if self._sent == 0 else ()
        return prompt.continued(
            [*context, *new], rounds=rounds, service_thread_id=self.service_thread_id, context_count=len(context)
        )

    async def _ask(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        self._said = []
        if self._run.is_streamed:
            async with aclosing(streamed(self._model, request, thread_id=self._run.thread.id)) as stream:
                async for update in stream:
                    self._said.append(update)
                    yield update
            response = join_updates(self._said)
        else:
            response = await asked(self._model, request, thread_id=self._run.thread.id)
            self._said = [ChatUpdate(contents=response.message.contents)]
            yield self._said[0]
        self._answers.append((request, response))
        self._sent = len(self.turn.input) + len(self.turn.new) + 1
        self._service_thread_id = response.service_thread_id or self._service_thread_id

    async def _ask_between_hooks(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        hooks, run = self._settings.hooks, self._run_context()
        await self._tell(call_each(hooks, lambda hook: hook.on_model_start(request, run=run)))
        try:
            async with aclosing(self._ask(request)) as answer:
                async for update in answer:
                    yield update
        except Exception as failure:
            error = failure
            await self._tell(call_each(hooks, lambda hook: hook.on_model_error(request, error, run=run)))
            raise
        response = self._answers[-1][1]
        await self._tell(call_each(hooks, lambda hook: hook.on_model_end(request, response, run=run)))

    async def _tell(self, told: Coroutine[Any, Any, None]) -> None:
        """Call hooks as part of the run, in a task of their own."""
        await all_of([self._inside(told)])

    def _run_context(self, call_id: str = "") -> RunContext[object]:
        return RunContext(context=self._run.context, thread=self._run.thread, call_id=call_id)

    @property
    def _requests(self) -> int:
        """The number of calls of the model in this turn that were answered."""
        unsaid = self._correction is not None and bool(self._correction.sent)
        return sum(message.role == "assistant" for message in self.turn.new) + unsaid

    def _check_limits(self, response: ChatResponse, limits: UsageLimits) -> None:
        """Check that the calls of an answer may be run, and that the model may be told their results.

        Raises:
            UsageLimitExceeded: a limit is reached.
        """
        before = sum(len(message.function_calls) for message in self.turn.new)
        limits.check_tool_calls(before + len(response.message.function_calls))
        usage = RunningTurn([Step(usage=self.turn.usage), Step(usage=response.usage)]).usage
        limits.check_request(self._requests + 1, usage)

    async def _take_answer(self, prompt: Prompt) -> Sequence[int]:
        """Apply the model's answer to the turn, and return its calls that can run at once."""
        request, response = self._answers[-1]
        calls = response.message.function_calls
        if calls and not request.may_call_tools:
            raise RunLimitError(prompt.max_tool_rounds)
        if calls and self._settings.usage_limits is not None:
            self._check_limits(response, self._settings.usage_limits)
        message = signed(response.message, self._name)
        if calls and not self._is_kept:  # a service that keeps the thread knows its calls by their ids
            message = with_undecided_ids(message, self.turn.new)
        step = Step(messages=(message,), usage=response.usage, results=too_many_calls(calls))
        started: Sequence[int] = ()
        if calls:
            answer = RunningTurn([step])
            started = tuple(runnable(answer, prompt.tools))
            expires = limits(answer, prompt.tools, self._settings.approval_expires)
            await self.record(msgspec.structs.replace(step, started=started, expires=expires))
        elif (form := self._run.form) is not None:
            self._take_output(step, form)
        else:
            # The turn is committed next, which saves the answer.
            self.turn.apply(step)
        self._said = []
        return started

    def _take_output(self, step: Step, form: OutputForm) -> None:
        """Apply an answer that has the form; otherwise ask once for another one.

        Raises:
            OutputError: the answer does not have the form, and was already asked for again, or the model refuses.
        """
        (answer,) = step.messages
        try:
            self.value = form.value(answer)
        except OutputRefused:
            raise
        except OutputError as error:
            if self._correction is not None:
                raise
            self._correction = Correction.of(answer, error, position=len(self.turn.messages), is_kept=self._is_kept)
            self._rejected = error.reason
            step = msgspec.structs.replace(step, messages=self._correction.stored)
        self.turn.apply(step)

    async def _run_calls(self, positions: Sequence[int], tools: Mapping[str, FunctionTool]) -> None:
        calls, hooks = self.turn.calls, self._settings.hooks

        async def run_one(position: int) -> None:
            call = calls[position]
            if hooks:
                await call_each(hooks, lambda hook: hook.on_tool_start(call, run=self._run_context(call.call_id)))
            result = await self._call(call, tools)
            # The tool has done its work, so its result is saved even if the run is cancelled now.
            _, cancelled = await finished(self.record(Step(results={position: result})))
            if cancelled is not None:
                raise cancelled
            if hooks:
                await call_each(hooks, lambda hook: hook.on_tool_end(call, result, run=self._run_context(call.call_id)))

        await all_of(self._inside(run_one(position)) for position in positions)

    async def _call(self, call: FunctionCallContent, tools: Mapping[str, FunctionTool]) -> FunctionResultContent:
        if observing.observer is None:
            return await self._called(call, tools)
        tool = tools.get(call.name)
        work = observing.observer.tool(call, thread_id=self._run.thread.id, description=tool and tool.description)
        return await carried_out(work, lambda: self._called(call, tools), work.answered)

    async def _called(self, call: FunctionCallContent, tools: Mapping[str, FunctionTool]) -> FunctionResultContent:
        if call.name not in tools:
            return unknown_tool(call, list(tools))
        return await tools[call.name].call(call, thread=self._run.thread, context=self._run.context)

    async def retract(self) -> None:
        """Ask a service that keeps the thread to remove the messages of this turn. A failure is only logged."""
        await self._tidy("retract", "the service may still hold part of a turn that failed")

    async def forget_context(self) -> None:
        """Ask a service that keeps the thread to remove the context of this turn. A failure is only logged."""
        if self._answers and self._answers[0][0].context_count:
            await self._tidy("forget_context", "the service may still hold the context of a turn")

    async def _tidy(self, name: str, failed: str) -> None:
        tidy = getattr(self._model, name, None)
        if tidy is None or not self._is_kept or not self._answers:
            return
        responses = [response for _, response in self._answers]
        try:
            async with asyncio.timeout(TIDY_TIMEOUT_S):
                await finished(tidy(self._answers[0][0], responses))
        except Exception as error:  # noqa: BLE001 - the turn has failed or is committed; neither depends on this
            _logger.warning(
                "%s: %s",
                failed,
                type(error).__name__,
                extra=fields("service_not_tidied", thread_id=self._run.thread.id, error=type(error).__name__),
            )


def _first(step: Step, turn: RunningTurn) -> Step:
    """Return the first step of a turn, which holds what the caller gave."""
    return msgspec.structs.replace(step, input=turn.input, replaces=turn.replaces, metadata=turn.metadata)
