"""The stream of a run's updates."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from types import TracebackType
from typing import Generic, Self, cast

from recuerda.agent.events import ApprovalEvent, RunEvent, TurnCommittedEvent, events_of
from recuerda.agent.generics import V_co
from recuerda.agent.response import AgentResponse, AgentResponseUpdate
from recuerda.agent.run import Run
from recuerda.errors import InvalidInput


class AgentResponseStream(Generic[V_co]):
    """The updates of one run. Iterate over it once; afterwards `response` is the whole answer.

    If your loop can end early, use the stream in `async with`, so that the turn is then cancelled at once. `async with`
    also begins the run: an error before the first update, such as the thread of another user, is raised there.
    """

    def __init__(self, run: Run) -> None:
        self._run = run
        self._updates = run.updates()
        self._first: AgentResponseUpdate | None = None

    def __aiter__(self) -> Self:
        return self

    def __del__(self) -> None:
        # The loop was left early. The event loop closes the run soon, and the thread's next run may wait for that.
        self._run.ticket.abandon()

    async def __anext__(self) -> AgentResponseUpdate:
        update, self._first = self._first, None
        while update is None:
            update = await self._next()
        return update

    async def _next(self) -> AgentResponseUpdate | None:
        self._run.ticket.read(is_read=True)
        try:
            return await anext(self._updates)
        finally:
            self._run.ticket.read(is_read=False)

    async def events(self) -> AsyncGenerator[RunEvent[V_co]]:
        """Iterate over the run's events instead of its updates: text, calls, results, approvals, the committed turn."""
        async for update in self:
            for event in events_of(update):
                yield cast("RunEvent[V_co]", event)
        response = self.response
        for call in response.pending:
            yield ApprovalEvent(call)
        if not response.pending:
            yield TurnCommittedEvent(response)

    async def aclose(self) -> None:
        """Cancel the turn if it is not yet committed."""
        await self._updates.aclose()

    async def __aenter__(self) -> Self:
        with suppress(StopAsyncIteration):
            self._first = await self._next()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    @property
    def response(self) -> AgentResponse[V_co]:
        """The whole answer, once the stream has ended.

        Raises:
            InvalidInput: the stream has not ended yet.
        """
        if self._run.response is None:
            raise InvalidInput("the stream has not ended yet: iterate it to its end first")
        return self._run.response

    async def drained(self) -> AgentResponse[V_co]:
        """Iterate to the end of the run and return the whole answer."""
        async with aclosing(self._updates) as updates:
            async for _ in updates:
                pass
        return self.response
