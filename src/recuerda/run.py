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
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from recuerda.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, join_updates
from recuerda.codec import encode_turn
from recuerda.context import ContextProvider
from recuerda.errors import ConfigurationError, RunLimitError
from recuerda.history import StoredTurn
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
from recuerda.thread import AgentThread, LoadedThread
from recuerda.tools import FunctionTool, unknown_tool
from recuerda.window import ContextWindow

T = TypeVar("T")

_logger = logging.getLogger("recuerda")
_lock_holders: WeakKeyDictionary[asyncio.Lock, asyncio.Task[Any]] = WeakKeyDictionary()
_outer_locks: ContextVar[tuple[asyncio.Lock, ...]] = ContextVar("recuerda_outer_locks", default=())


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResponse:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResponseUpdate:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """What an agent brings to each of its runs."""

    model: ChatModel
    instructions: str | None
    tools: tuple[FunctionTool, ...]
    providers: tuple[ContextProvider, ...]
    window: ContextWindow | None
    options: Mapping[str, Json]
    max_tool_rounds: int


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
        self._settings = settings
        self._thread = thread
        self._input = messages
        self._turn_id = turn_id
        self._is_streamed = is_streamed
        self._new: list[ChatMessage] = []
        self._usage: Usage | None = None
        self._warnings: list[str] = []

    async def updates(self) -> AsyncGenerator[AgentResponseUpdate]:
        """Carry the run out. The turn is committed after the last update; closing the generator early cancels it."""
        # What cannot be stored is refused before anything is paid for.
        encode_turn(Turn(messages=self._input))
        async with _queue(self._thread.run_lock(), self._thread.id) as lock:
            loaded = await self._thread.load(self._settings.window, turn_id=self._turn_id)
            if loaded.committed is not None:
                self.response = _replayed(loaded.committed, self._thread.id)
                for message in self.response.messages:
                    yield AgentResponseUpdate(role=message.role, contents=message.contents)
                return
            try:
                context = await self._invoking()
                async with aclosing(self._converse(context, loaded, lock)) as conversation:
                    async for update in conversation:
                        yield update
                committed = await self._commit(loaded)
            except BaseException as error:
                failure = error
                await self._tell(
                    "invoked",
                    lambda provider: provider.invoked(self._input, thread=self._thread, invoke_exception=failure),
                )
                raise
            await self._learn(is_new=not loaded.messages and not loaded.revision)
            self.response = AgentResponse(
                messages=tuple(self._new),
                usage=self._usage,
                thread_id=self._thread.id,
                turn_id=committed,
                warnings=tuple(self._warnings),
            )

    async def _invoking(self) -> _Prepared:
        found = await _all(provider.invoking(self._input, thread=self._thread) for provider in self._settings.providers)
        given = [context for context in found if context is not None]
        own = self._settings.instructions
        texts = [text for text in (own, *(context.instructions for context in given)) if text]
        return _Prepared(
            instructions="\n\n".join(texts) or None,
            messages=[message for context in given for message in context.messages],
            tools=[*self._settings.tools, *(FunctionTool.of(tool) for context in given for tool in context.tools)],
        )

    async def _converse(
        self, context: _Prepared, loaded: LoadedThread, lock: asyncio.Lock
    ) -> AsyncGenerator[AgentResponseUpdate]:
        tools = {tool.name: tool for tool in context.tools}
        history = [*context.messages, *loaded.messages, *self._input]
        for tool_round in range(self._settings.max_tool_rounds + 1):
            request = ChatRequest(
                messages=[*history, *self._new],
                instructions=context.instructions,
                tools=tuple(tools.values()),
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
            results = await self._call_tools(calls, tools, lock)
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
        self, calls: Sequence[FunctionCallContent], tools: Mapping[str, FunctionTool], lock: asyncio.Lock
    ) -> list[FunctionResultContent]:
        async def call_one(call: FunctionCallContent) -> FunctionResultContent:
            _outer_locks.set((*_outer_locks.get(), lock))
            if call.name not in tools:
                return unknown_tool(call, list(tools))
            return await tools[call.name].call(call, thread=self._thread)

        return await _all(call_one(call) for call in calls)

    async def _commit(self, loaded: LoadedThread) -> str | None:
        turn = Turn(messages=(*self._input, *self._new), input_count=len(self._input), usage=self._usage)
        return await _carried_through(self._thread.commit(turn, turn_id=self._turn_id, expected=loaded.revision))

    async def _learn(self, *, is_new: bool) -> None:
        if is_new:
            await self._tell("thread_created", lambda provider: provider.thread_created(self._thread))
        await self._tell(
            "invoked", lambda provider: provider.invoked(self._input, tuple(self._new), thread=self._thread)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What a run sends besides its thread: the agent's own, then the providers', in their order."""

    instructions: str | None
    messages: list[ChatMessage]
    tools: list[FunctionTool]


def _replayed(stored: StoredTurn, thread_id: str) -> AgentResponse:
    return AgentResponse(
        messages=stored.turn.answer, usage=stored.usage, thread_id=thread_id, turn_id=stored.id, is_replay=True
    )


@asynccontextmanager
async def _queue(lock: asyncio.Lock, thread_id: str) -> AsyncGenerator[asyncio.Lock]:
    """Wait for the thread's other runs; refuse to wait for a run that waits for this one."""
    task = asyncio.current_task()
    is_inside = lock.locked() and (lock in _outer_locks.get() or (task is not None and _lock_holders.get(lock) is task))
    if is_inside:
        raise ConfigurationError(
            f"this run on thread {thread_id!r} was started inside another run of the same thread, which waits for it: "
            "use another thread, or finish the stream first"
        )
    async with lock:
        if task is not None:
            _lock_holders[lock] = task
        try:
            yield lock
        finally:
            _lock_holders.pop(lock, None)


async def _all(work: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Run at the same time and return the results in order; the first failure cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one) for one in work]
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None
    return [task.result() for task in tasks]


async def _carried_through(work: Coroutine[Any, Any, T]) -> T:
    """Await a write that a cancellation must not leave in doubt: it ends first, then the cancellation goes on."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise
