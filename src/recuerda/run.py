"""One run of an agent: from the input to the committed turn.

The order is what makes a thread safe. The thread's queue first; then one read; then the providers, before anything is
paid for; then the model and its tools, until it answers; then one write of everything, checked against the revision
that was read; then the providers again. Whatever fails before the write leaves the thread as it was, and what fails
after it cannot take it back. A run is one asynchronous generator of updates: `run` drains it, `run_stream` hands it
out.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from datetime import timedelta
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

import msgspec

from recuerda.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, join_updates
from recuerda.codec import encode_turn
from recuerda.context import ContextProvider
from recuerda.errors import ConfigurationError, RunLimitError
from recuerda.history import StoredTurn, stored_turn
from recuerda.json_value import Json
from recuerda.messages import (
    AnyContent,
    ChatMessage,
    FunctionCallContent,
    FunctionResultContent,
    TextContent,
    Turn,
    Usage,
)
from recuerda.records import Appended
from recuerda.thread import AgentThread, LoadedThread
from recuerda.tools import FunctionTool, tools_by_name, unknown_tool
from recuerda.window import ContextWindow

T = TypeVar("T")

_logger = logging.getLogger("recuerda")
_holders: WeakKeyDictionary[asyncio.Lock, Run] = WeakKeyDictionary()
_outer_runs: ContextVar[tuple[Run, ...]] = ContextVar("recuerda_outer_runs", default=())


class AgentResponse(msgspec.Struct, frozen=True, kw_only=True):
    """What a run gave.

    Attributes:
        messages: what the run added besides its input: calls, results, the answer.
        usage: what all its model calls cost together, where the service says it.
        thread_id: the thread's id.
        turn_id: the committed turn's id; None when the thread's store knows no turns.
        is_replay: True when a turn of the given `turn_id` was there already: this is its answer, and no model was
            called.
        warnings: what went wrong after the commit.
    """

    messages: tuple[ChatMessage, ...]
    usage: Usage | None
    thread_id: str
    turn_id: str | None
    is_replay: bool = False
    warnings: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The answer: the text of the last message that the model wrote."""
        return next((message.text for message in reversed(self.messages) if message.role == "assistant"), "")

    def __str__(self) -> str:
        return self.text


class AgentResponseUpdate(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of a streamed run.

    Attributes:
        role: "assistant" for what the model says, "tool" for the results of its calls.
        contents: the new parts: fragments of text, whole calls, results.
    """

    role: str
    contents: tuple[AnyContent, ...]

    @property
    def text(self) -> str:
        """The new text; empty for a call or a result."""
        return (
            "".join(part.text for part in self.contents if isinstance(part, TextContent)) if self.role != "tool" else ""
        )


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


class Run:
    """One run; `updates` carries it out, and then `response` is set."""

    def __init__(
        self,
        settings: RunSettings,
        thread: AgentThread,
        messages: tuple[ChatMessage, ...],
        *,
        turn_id: str | None,
        is_streamed: bool,
    ) -> None:
        self.response: AgentResponse | None = None
        self.is_abandoned = False
        self._settings = settings
        self._thread = thread
        self._input = messages
        self._turn_id = turn_id
        self._is_streamed = is_streamed
        self._new: list[ChatMessage] = []
        self._usage: Usage | None = None
        self._warnings: list[str] = []
        self._task: asyncio.Task[Any] | None = None

    async def updates(self) -> AsyncGenerator[AgentResponseUpdate]:
        """Carry the run out. The turn is committed after the last update; closing the generator early cancels it."""
        # What cannot be stored is refused before anything is paid for.
        encode_turn(Turn(messages=self._input))
        async with self._queue():
            loaded = await self._thread.load(self._settings.window, turn_id=self._turn_id)
            if loaded.committed is not None:
                self.response = _replayed(loaded.committed, self._thread.id)
                for message in self.response.messages:
                    yield AgentResponseUpdate(role=message.role, contents=message.contents)
                return
            try:
                context = await self._invoking()
                async with aclosing(self._converse(context, loaded)) as conversation:
                    async for update in conversation:
                        yield update
                appended, cancelled = await self._commit(loaded)
            except BaseException as error:
                failure = error
                await self._tell(
                    "invoked",
                    lambda provider: provider.invoked(self._input, thread=self._thread, invoke_exception=failure),
                )
                raise
            response = self._responded(appended)
            await self._learn(response, is_new=appended.created if appended else not loaded.messages)
            self.response = msgspec.structs.replace(response, warnings=tuple(self._warnings))
            if cancelled is not None:
                raise cancelled

    @asynccontextmanager
    async def _queue(self) -> AsyncGenerator[None]:
        """Wait for the thread's other runs; refuse to wait for one that waits for this one."""
        lock = self._thread.run_lock()
        self._task = asyncio.current_task()
        holder = _holders.get(lock)
        is_in_loop_body = holder is not None and holder._task is self._task and not holder.is_abandoned
        if is_in_loop_body or any(run._task and run._thread.is_same_as(self._thread) for run in _outer_runs.get()):
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

    async def _inside(self, work: Awaitable[T]) -> T:
        """Await what this run waits for, in a task of its own, so that a run started inside can tell."""
        _outer_runs.set((*_outer_runs.get(), self))
        return await work

    async def _invoking(self) -> _Prepared:
        found = await _all(
            self._inside(provider.invoking(self._input, thread=self._thread)) for provider in self._settings.providers
        )
        given = [context for context in found if context is not None]
        own = self._settings.instructions
        texts = [text for text in (own, *(context.instructions for context in given)) if text]
        return _Prepared(
            instructions="\n\n".join(texts) or None,
            messages=[message for context in given for message in context.messages],
            tools=tools_by_name([*self._settings.tools, *(tool for context in given for tool in context.tools)]),
        )

    async def _converse(self, context: _Prepared, loaded: LoadedThread) -> AsyncGenerator[AgentResponseUpdate]:
        history = [*context.messages, *loaded.messages, *self._input]
        for tool_round in range(self._settings.max_tool_rounds + 1):
            request = ChatRequest(
                messages=[*history, *self._new],
                instructions=context.instructions,
                tools=tuple(context.tools.values()),
                may_call_tools=tool_round < self._settings.max_tool_rounds,
                options=self._settings.options,
            )
            async with aclosing(self._ask(request)) as answer:
                async for update in answer:
                    if update.contents:
                        yield AgentResponseUpdate(role="assistant", contents=tuple(update.contents))
            calls = self._new[-1].function_calls
            if not calls:
                return
            if not request.may_call_tools:
                break
            results = await self._call_tools(calls, context.tools)
            self._new.append(ChatMessage("tool", results))
            yield AgentResponseUpdate(role="tool", contents=tuple(results))
        raise RunLimitError(self._settings.max_tool_rounds)

    async def _ask(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        if self._is_streamed:
            updates: list[ChatUpdate] = []
            async with aclosing(self._settings.model.stream(request)) as stream:
                async for update in stream:
                    updates.append(update)
                    yield update
            response = join_updates(updates)
        else:
            response = await self._settings.model.respond(request)
            yield ChatUpdate(contents=response.message.contents)
        self._add(response)

    def _add(self, response: ChatResponse) -> None:
        self._new.append(response.message)
        if response.usage is not None:
            self._usage = response.usage if self._usage is None else self._usage + response.usage

    async def _call_tools(
        self, calls: Sequence[FunctionCallContent], tools: Mapping[str, FunctionTool]
    ) -> list[FunctionResultContent]:
        async def call_one(call: FunctionCallContent) -> FunctionResultContent:
            if call.name not in tools:
                return unknown_tool(call, list(tools))
            return await tools[call.name].call(call, thread=self._thread)

        return await _all(self._inside(call_one(call)) for call in calls)

    async def _commit(self, loaded: LoadedThread) -> tuple[Appended | None, asyncio.CancelledError | None]:
        """Write the turn; a cancellation meanwhile does not leave it in doubt, and is returned if it was written."""
        turn = Turn(messages=(*self._input, *self._new), input_count=len(self._input), usage=self._usage)
        commit = self._thread.commit(turn, turn_id=self._turn_id, expected=loaded.revision)
        writing = asyncio.ensure_future(commit)
        cancelled: asyncio.CancelledError | None = None
        while not writing.done():
            try:
                await asyncio.wait([writing])
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None and (failure := writing.exception()) is not None:
            raise cancelled from failure
        return writing.result(), cancelled

    def _responded(self, appended: Appended | None) -> AgentResponse:
        if appended is not None and appended.replayed:
            # Another process committed this turn while ours was running: its answer is the one that stands.
            return _replayed(stored_turn(appended.record, self._thread.id), self._thread.id)
        return AgentResponse(
            messages=tuple(self._new),
            usage=self._usage,
            thread_id=self._thread.id,
            turn_id=None if appended is None else appended.record.id,
        )

    async def _learn(self, response: AgentResponse, *, is_new: bool) -> None:
        if is_new:
            await self._tell("thread_created", lambda provider: provider.thread_created(self._thread))
        await self._tell(
            "invoked", lambda provider: provider.invoked(self._input, response.messages, thread=self._thread)
        )

    async def _tell(self, hook: str, call: Callable[[ContextProvider], Awaitable[None]]) -> None:
        """Call a hook of every provider; a failure is logged and noted, and disturbs neither the run nor the others."""
        for provider in self._settings.providers:
            try:
                await call(provider)
            except Exception as error:  # noqa: BLE001 - the turn stands, whatever a provider does
                text = f"{type(provider).__name__}.{hook} failed: {type(error).__name__}: {error}"
                _logger.warning("%s", text)
                self._warnings.append(text)


class _Prepared(msgspec.Struct, frozen=True, kw_only=True):
    """What a run sends besides its thread: the agent's own, then the providers', in their order."""

    instructions: str | None
    messages: list[ChatMessage]
    tools: dict[str, FunctionTool]


def _replayed(stored: StoredTurn, thread_id: str) -> AgentResponse:
    return AgentResponse(
        messages=stored.turn.answer, usage=stored.usage, thread_id=thread_id, turn_id=stored.id, is_replay=True
    )


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run at the same time and return the results in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]
