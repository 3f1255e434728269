"""What is added to a run from elsewhere: the hooks of long-term memory.

A provider is asked before the model is called and told after the turn is committed. What it gives is sent with that one
run and never stored in the thread, so nothing recalled is ever taken for something said.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Literal, Self, TypeAlias

import msgspec

from recuerda.messages.message import ChatMessage
from recuerda.threads.thread import AgentThread

FailurePolicy: TypeAlias = Literal["raise", "warn"]
"""What a failing provider means for the run: "raise" ends it, "warn" goes on without what the provider would give."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider adds to one run.

    Attributes:
        instructions: put behind the agent's own.
        messages: sent between the thread's messages and the run's input: what stands before them stays the same from
            run to run, so that services find it in their caches.
        tools: callables or tools that this run may use besides the agent's.
    """

    instructions: str | None = None
    messages: Sequence[ChatMessage] = ()
    tools: Sequence[Callable[..., object]] = ()


class ContextProvider:
    """Base of providers: override what you need; each hook does nothing by default.

    A subclass need not call this class's constructor. One that keeps connections overrides `close`.

    What a provider has to remember about a thread, beyond what its service knows, it keeps as JSON data in
    `thread.provider_states[self.name]`: it is saved with the thread's state and restored with it.

    Attributes:
        name: how warnings and the thread's state name the provider; the class's name by default. Two that
            remember something of one thread need different names.
        timeout: how long a hook may take, None for as long as it likes. A hook that takes longer is cancelled, and has
            failed with a `ProviderError`.
        on_failure: whether a failure of `invoking` ends the run ("raise", the default: nothing has been paid for yet),
            or is logged and listed in the reply's warnings ("warn").
    """

    name: str = ""
    timeout: timedelta | None = None
    on_failure: FailurePolicy = "raise"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__dict__.get("name", cls.__name__)

    async def thread_created(self, thread: AgentThread) -> None:
        """Note that a thread got its first turn. A failure is logged and listed in the reply's warnings."""

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        """Return what to add to the run that is about to start, or None.

        Called before anything is paid for, so that an error here leaves the thread as it was. Several providers are
        asked at the same time; what they give is used in the order in which the agent lists them.

        Args:
            messages: the run's input.
            thread: the thread it runs on.
        """
        return None

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        """Learn from a run that has ended.

        After a success the turn is already committed: an error here is logged, listed in the reply's warnings, and
        changes nothing. After a failure or cancellation `response_messages` is empty and `invoke_exception` says why.

        Args:
            request_messages: the run's input; nothing that providers added.
            response_messages: what the run added to the thread besides. Results of tools may hold what a memory was
                asked for; a provider that learns leaves messages of role "tool" out.
            thread: the thread it ran on.
            invoke_exception: what ended the run, or None.
        """

    async def close(self) -> None:
        """Finish what is under way and free connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
