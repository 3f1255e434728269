"""A context provider that writes down what happens to it."""

import asyncio
from collections.abc import Callable, Sequence

from recuerda import AgentThread, ChatMessage, Context, ContextProvider
from tests.conversation import texts


class Recorder(ContextProvider):
    """Note every hook in `events`, as `name.hook` with what it was told.

    Args:
        name: in front of each event.
        events: shared with others, to see the order.
        context: what `invoking` gives.
        fail_in: the hook that raises.
        before: awaited by `invoking` first.
    """

    def __init__(
        self,
        name: str = "p",
        events: list[str] | None = None,
        *,
        context: Context | None = None,
        fail_in: str | None = None,
        before: Callable[[], asyncio.Future[None]] | None = None,
    ) -> None:
        self.name = name
        self.events = [] if events is None else events
        self.context = context
        self.fail_in = fail_in
        self.before = before
        self.failures: list[BaseException | None] = []
        self.learnt: list[tuple[list[str], list[str]]] = []
        self.is_closed = False

    async def thread_created(self, thread: AgentThread) -> None:
        self._note("thread_created", thread.id)

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        if self.before is not None:
            await self.before()
        self._note("invoking", ",".join(texts(messages)))
        return self.context

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        self.failures.append(invoke_exception)
        self.learnt.append((texts(request_messages), texts(response_messages)))
        self._note("invoked", type(invoke_exception).__name__ if invoke_exception else "ok")

    async def close(self) -> None:
        self.is_closed = True

    def _note(self, hook: str, detail: str) -> None:
        self.events.append(f"{self.name}.{hook}:{detail}")
        if self.fail_in == hook:
            raise LookupError(f"{hook} is down")
