"""`RecuerdaHistoryProvider`: a session's messages as a thread."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any, ClassVar

from agent_framework import AgentSession, HistoryProvider, Message, SessionContext, SupportsAgentRun

from recuerda.errors import InvalidInput
from recuerda.ids import check_limit
from recuerda.interop.agent_framework.form import dump, load
from recuerda.interop.agent_framework_items import AgentFrameworkForm
from recuerda.interop.item_log import ItemLog, Place, remember
from recuerda.interop.own_storage import OwnStorage
from recuerda.storage.contract import Storage

_OPEN = 256
"""The number of threads whose turns are kept in memory."""

_run: ContextVar[SessionContext | None] = ContextVar("recuerda_agent_framework_run", default=None)


class RecuerdaHistoryProvider(OwnStorage, HistoryProvider):
    """Keep the messages of Agent Framework's sessions in threads, on any storage.

    The thread's id is the session's id. What one run adds becomes one turn, also if the agent stores its history after
    each call of the model. Messages are told apart by their place and never by their content. A run whose thread has
    got other messages meanwhile raises `ThreadConflict`.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the threads belong, or a function that gives the user of a session. Another user's
            thread raises `ThreadOwnershipError`. None opens the threads of any user.
        limit: the largest number of messages that a run gets. A limited run costs the same in a thread of any length.
            None gives all messages.
        source_id: see `HistoryProvider`, as for `load_messages`, `store_inputs`, `store_context_messages`,
            `store_context_from` and `store_outputs`.

    Attributes:
        logs: the threads whose turns are kept in memory, by session and user.
    """

    DEFAULT_SOURCE_ID: ClassVar[str] = "recuerda"

    def __init__(
        self,
        storage: Storage | str,
        *,
        user_id: str | Callable[[AgentSession], str | None] | None = None,
        limit: int | None = None,
        source_id: str = DEFAULT_SOURCE_ID,
        load_messages: bool = True,
        store_inputs: bool = True,
        store_context_messages: bool = False,
        store_context_from: set[str] | None = None,
        store_outputs: bool = True,
    ) -> None:
        super().__init__(
            source_id,
            load_messages=load_messages,
            store_inputs=store_inputs,
            store_context_messages=store_context_messages,
            store_context_from=store_context_from,
            store_outputs=store_outputs,
        )
        self._open(storage)
        self._user_id = user_id
        self.limit: int | None = None if limit is None else check_limit(limit, "limit")
        self.logs: OrderedDict[tuple[str, str | None], ItemLog] = OrderedDict()
        self._places: dict[int, tuple[Place | None, str | None]] = {}

    async def before_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Load the history into a run."""
        self._remember(context, None, self.user_of(session))
        token = _run.set(context)
        try:
            await super().before_run(agent=agent, session=session, context=context, state=state)
        finally:
            _run.reset(token)

    async def after_run(
        self, *, agent: SupportsAgentRun, session: AgentSession, context: SessionContext, state: dict[str, Any]
    ) -> None:
        """Store what a run has added.

        Raises:
            ThreadConflict: another run has written to the thread since this run has read it.
        """
        if id(context) not in self._places:
            self._remember(context, None, self.user_of(session))
        token = _run.set(context)
        try:
            await super().after_run(agent=agent, session=session, context=context, state=state)
        finally:
            _run.reset(token)

    async def get_messages(
        self, session_id: str | None, *, state: dict[str, Any] | None = None, **kwargs: Any
    ) -> list[Message]:
        """Return the messages of a session, the oldest first."""
        run = _run.get()
        user_id = self._user_of_run(run)
        log = self._log(session_id, user_id)
        items = await log.items(self.limit)
        if run is not None:
            self._remember(run, log.place, user_id)
        return load(items)

    async def save_messages(
        self,
        session_id: str | None,
        messages: Sequence[Message],
        *,
        state: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        """Add messages to a session, in one atomic step."""
        run = _run.get()
        at, user_id = (None, self._user_of_run(None)) if run is None else self._places[id(run)]
        place = await self._log(session_id, user_id).add(dump(messages), at=at)
        if run is not None:
            self._remember(run, place, user_id)

    async def delete(self, session_id: str, *, user_id: str | None = None) -> None:
        """Delete a session's thread with all its messages.

        Args:
            session_id: the session.
            user_id: the user for whom it is deleted; None for any user.
        """
        await self._log(session_id, user_id).clear()

    def user_of(self, session: AgentSession) -> str | None:
        """Return the user of a session."""
        return self._user_id(session) if callable(self._user_id) else self._user_id

    def _user_of_run(self, run: SessionContext | None) -> str | None:
        if run is not None:
            return self._places[id(run)][1]
        if callable(self._user_id):
            raise InvalidInput("the user is known only within a run: read the thread with a ChatMessageStore")
        return self._user_id

    def _log(self, session_id: str | None, user_id: str | None) -> ItemLog:
        if session_id is None:
            raise InvalidInput("a history needs a session: run the agent with session=agent.create_session()")
        key = session_id, user_id
        log = self.logs.pop(key, None)
        if log is None:
            log = ItemLog(self.storage, session_id, AgentFrameworkForm(), user_id=user_id)
            if len(self.logs) >= _OPEN:
                self.logs.popitem(last=False)
        self.logs[key] = log
        return log

    def _remember(self, run: SessionContext, place: Place | None, user_id: str | None) -> None:
        remember(self._places, run, (place, user_id))
