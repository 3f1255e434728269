"""`RecuerdaContextProvider`: long-term memory for the agents of Agent Framework."""

from __future__ import annotations

from typing import Any

from agent_framework import AgentSession, SessionContext, SupportsAgentRun
from agent_framework import ContextProvider as FrameworkProvider

from recuerda.interop.agent_framework.form import dump, load
from recuerda.interop.agent_framework.history import RecuerdaHistoryProvider
from recuerda.interop.agent_framework_items import AgentFrameworkForm
from recuerda.interop.forms import keep, restore
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import ContextProvider
from recuerda.threads.store import ChatMessageStore
from recuerda.threads.thread import AgentThread

_FORM = AgentFrameworkForm()


class RecuerdaContextProvider(FrameworkProvider):
    """Give agents of Agent Framework a long-term memory of recuerda, such as `RecallProvider` or `Mem0Provider`.

    What is recalled is quoted as data in a message of its own, and is not stored in the history.

    Args:
        memory: the context provider. Whoever made it closes it.
        history: the provider that keeps the histories from which the memory learns. List this provider before it in the
            agent's context providers, so that a turn is stored when the memory hears of it: the framework goes through
            the list backwards after a run.
        source_id: see the framework's `ContextProvider`.
    """

    def __init__(
        self, memory: ContextProvider, history: RecuerdaHistoryProvider, *, source_id: str = "recuerda.memory"
    ) -> None:
        super().__init__(source_id)
        self._memory = memory
        self._history = history

    async def before_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Add what the memory knows to a run."""
        thread = self._thread(session)
        thread.sent_from = await self._first_sent(session)
        found = await self._memory.invoking(self._said(context), thread=thread)
        if found is None:
            return
        if found.messages:
            context.extend_messages(self, load(restore([*found.messages], _FORM)))
        if found.instructions:
            context.extend_instructions(self.source_id, found.instructions)
        if found.tools:
            context.extend_tools(self.source_id, [*found.tools])

    async def after_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Let the memory learn from a run."""
        answer = keep(dump(context.response.messages), _FORM) if context.response else []
        await self._memory.invoked(self._said(context), answer, thread=self._thread(session))

    def _said(self, context: SessionContext) -> list[ChatMessage]:
        return keep(dump(context.input_messages), _FORM)

    def _thread(self, session: AgentSession) -> AgentThread:
        store = ChatMessageStore(
            storage=self._history.storage, thread_id=session.session_id, user_id=self._history.user_of(session)
        )
        return AgentThread(message_store=store)

    async def _first_sent(self, session: AgentSession) -> int | None:
        """Return the number of the first turn that a run sends whole, so that turns before it may be recalled."""
        if self._history.limit is None:
            return 1
        found = await self._history.storage.read(
            session.session_id, last_messages=self._history.limit, user_id=self._history.user_of(session)
        )
        return found.records[0].number if found.records else None
