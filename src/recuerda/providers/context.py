"""Context providers: the hooks by which long-term memory and other sources add context to a run.

A provider is asked for context before the model is called, and told about the turn after the commit. Its context is
sent with this one run and never stored in the thread, so a recalled text is never mistaken for a message of the
conversation.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Literal, Self, TypeAlias

import msgspec

from recuerda.messages.message import ChatMessage
from recuerda.threads.thread import AgentThread

FailurePolicy: TypeAlias = Literal["raise", "warn"]
"""The consequence of a provider's failure: "raise" ends the run, "warn" continues it without the provider's context."""


CONTEXT_TOKENS = 2_000
"""`ContextProvider.context_tokens`, unless a provider has another number."""


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The context that a provider adds to one run.

    Attributes:
        instructions: text that follows the agent's own instructions.
        messages: messages that are sent between the thread's messages and the run's input. So the part before them is
            the same in every run, and services find it in their caches.
        tools: callables or tools that this run may use in addition to the agent's.
    """

    instructions: str | None = None
    messages: Sequence[ChatMessage] = ()
    tools: Sequence[Callable[..., object]] = ()


class ContextProvider:
    """The base class of providers. Override the hooks that you need; by default each one does nothing.

    A subclass does not have to call this class's constructor. A subclass with connections overrides `close`.
    `async with` closes a provider.

    A provider that has to remember data about a thread stores it as JSON in `thread.provider_states[self.name]`. It is
    saved and restored with the thread's state.

    Attributes:
        name: the provider's name in warnings and in the thread's state; by default the name of its class. Two providers
            with data about one thread need different names.
        timeout: the time limit of a hook; None for no limit. A hook that takes longer is cancelled and fails with a
            `ProviderError`.
        context_tokens: the tokens that a window with `max_tokens` keeps free for the provider's context. All providers
            together get at most a quarter of the window; `AgentThread.context_room` says how much each one gets. A
            longer context is sent, too, but it takes the places of turns of the thread.
        on_failure: "raise" (the default) ends the run if `invoking` fails; nothing has been paid for yet. "warn" logs
            the failure and lists it in the reply's warnings.
    """

    name: str = ""
    timeout: timedelta | None = None
    context_tokens: int = CONTEXT_TOKENS
    on_failure: FailurePolicy = "raise"

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls.name = cls.__dict__.get("name", cls.__name__)

    async def thread_created(self, thread: AgentThread) -> None:
        """React to a thread's first turn. A failure is logged and listed in the reply's warnings."""

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        """Return the context for the run that is about to start, or None.

        It is called before anything is paid for, so an error here leaves the thread unchanged. All providers are asked
        at the same time. Their contexts are used in the order in which the agent lists the providers.

        Args:
            messages: the run's input.
            thread: the thread of the run.
        """
        return None

    async def preview(
        self, messages: Sequence[ChatMessage], *, thread: AgentThread, before: datetime | None = None
    ) -> Context | None:
        """Return the context that `invoking` would return, without any change to a thread or to what was learned.

        `Agent.preview` calls it, and so does a run whose turn has grown by results of tools, so that the window sends
        fewer turns of the thread: `thread.sent_from` is the first one of these then. By default, it calls `invoking`
        for a run that would start now, and returns None for a past turn. Override it if `invoking` changes something,
        or if the provider can tell what it knew earlier.

        Args:
            messages: the run's input.
            thread: the thread of the run.
            before: the time of a past turn: only what was known before it counts. None for a run that would start now.
        """
        return None if before is not None else await self.invoking(messages, thread=thread)

    async def invoked(
        self,
        request_messages: Sequence[ChatMessage],
        response_messages: Sequence[ChatMessage] = (),
        *,
        thread: AgentThread,
        invoke_exception: BaseException | None = None,
    ) -> None:
        """Learn from a run that has ended.

        After a successful run the turn is already committed: an error here is logged and listed in the reply's
        warnings, and changes nothing else. After a failed or cancelled run, `response_messages` is empty and
        `invoke_exception` gives the reason.

        Args:
            request_messages: the run's input, without the context of providers.
            response_messages: the other messages that the run added to the thread. A tool's result may contain recalled
                memories, so a provider that learns should leave out messages of role "tool".
            thread: the thread of the run.
            invoke_exception: the exception that ended the run; None after a successful run.
        """

    async def close(self) -> None:
        """Finish pending work and close connections."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.close()
