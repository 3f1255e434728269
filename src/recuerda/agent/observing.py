"""The place for an observer of agents: of their runs, their calls of models and their calls of tools.

`recuerda.telemetry` puts an observer here when it is switched on; see `_observing.py`. Without an observer, the only
cost is the look whether there is one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from typing import Protocol, TypeVar

from recuerda._observing import Work, carried_out
from recuerda.agent.chat import ChatModel, ChatRequest, ChatResponse, ChatUpdate, join_updates
from recuerda.agent.response import AgentResponse
from recuerda.messages.message import ChatMessage, FunctionCallContent, FunctionResultContent

T = TypeVar("T")
W = TypeVar("W", bound=Work)


class RunWork(Work, Protocol):
    """The run of an agent."""

    def answered(self, response: AgentResponse[object]) -> None:
        """Note the response."""
        ...


class ModelWork(Work, Protocol):
    """The call of a model."""

    def began_to_arrive(self) -> None:
        """Note that the first piece of a streamed answer has arrived."""
        ...

    def answered(self, response: ChatResponse) -> None:
        """Note the answer."""
        ...


class ToolWork(Work, Protocol):
    """The call of a tool."""

    def answered(self, result: FunctionResultContent) -> None:
        """Note the result."""
        ...


class RunObserver(Protocol):
    """Somebody who observes agents."""

    def run(self, name: str | None, model: ChatModel, *, thread_id: str, said: Sequence[ChatMessage]) -> RunWork:
        """Begin a run of the agent with this name and model.

        Args:
            name: the agent's name; None if it has none.
            model: the agent's model.
            thread_id: the thread.
            said: the input of the run; nothing for a run that continues an interrupted turn.
        """
        ...

    def model(
        self, model: ChatModel, request: ChatRequest, *, thread_id: str | None, is_streamed: bool = False
    ) -> ModelWork:
        """Begin a call of a model, for a thread or for no thread."""
        ...

    def tool(self, call: FunctionCallContent, *, thread_id: str, description: str | None) -> ToolWork:
        """Begin a call of a tool. It has no description if the agent does not have the tool."""
        ...

    def trace(self) -> str | None:
        """Return the name of the active run's trace, for a turn that another run may continue; None without a run."""
        ...

    def continued(self, traces: Sequence[str]) -> None:
        """Note that the active run continues a turn that runs of these traces have begun."""
        ...


observer: RunObserver | None = None
"""The observer; None if nobody observes."""


async def observed(begin: Callable[[], W], steps: AsyncGenerator[T], told: Callable[[W], None]) -> AsyncGenerator[T]:
    """Begin a piece of work with its first step, yield its steps, and end the work after the last step.

    Steps that nobody asks for begin no work, so no work stays without an end.

    Each step is taken in an active block of its own, because the consumer of the steps is not a part of the work.

    Args:
        begin: begins the work.
        steps: the steps.
        told: is called with the work after the last step, before the work ends.
    """
    work = begin()
    try:
        while True:
            with work.active():
                try:
                    step = await anext(steps)
                except StopAsyncIteration:
                    break
            yield step
    except BaseException as error:
        try:
            with work.active():
                await steps.aclose()
        finally:
            work.end(error)
        raise
    told(work)
    work.end()


async def asked(model: ChatModel, request: ChatRequest, *, thread_id: str | None = None) -> ChatResponse:
    """Return the model's whole answer."""
    if observer is None:
        return await model.respond(request)
    work = observer.model(model, request, thread_id=thread_id)
    return await carried_out(work, lambda: model.respond(request), work.answered)


def streamed(model: ChatModel, request: ChatRequest, *, thread_id: str) -> AsyncGenerator[ChatUpdate]:
    """Return the model's answer in pieces."""
    stream = model.stream(request)
    if observer is None:
        return stream
    return _streamed(observer.model(model, request, thread_id=thread_id, is_streamed=True), stream)


async def _streamed(work: ModelWork, stream: AsyncGenerator[ChatUpdate]) -> AsyncGenerator[ChatUpdate]:
    said: list[ChatUpdate] = []

    def told(work: ModelWork) -> None:
        work.answered(join_updates(said))

    async with aclosing(observed(lambda: work, stream, told)) as updates:
        async for update in updates:
            if not said:
                work.began_to_arrive()
            said.append(update)
            yield update
