"""`RecuerdaSessionRepository`: the session repository of Strands.

The messages of an agent are a thread. The thread of a session's agent "default" has the id of the session, so every
other reader finds it by that id; another agent's thread is `session/agent`. The metadata of the session's thread has
the session, the state of each agent, and the state of each group of agents, each under a key of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

import msgspec
from strands import _identifier
from strands.session import SessionRepository
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType, decode_bytes_values

from recuerda.agent.background import run_in_background
from recuerda.errors import ThreadConflict
from recuerda.ids import check_id
from recuerda.interop.item_log import ItemLog
from recuerda.interop.own_storage import OpenedStorage
from recuerda.interop.strands.form import StrandsForm
from recuerda.json_value import JsonObject
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo

if TYPE_CHECKING:
    from strands.multiagent import MultiAgentBase

DEFAULT_AGENT = "default"
"""The id of an agent that was given none."""

SESSION, AGENT, GROUP = "strands.session", "strands.agent.", "strands.multi_agent."
"""The keys of the metadata; an id follows the last two."""

_FIELDS = {field.name for field in fields(SessionMessage)}


class RecuerdaSessionRepository(OpenedStorage, SessionRepository):
    """Keep the sessions of Strands in threads, on any storage.

    A message is written behind the messages that this repository has read. If another one has written in between, the
    write raises `ThreadConflict`. So make a repository for each agent that you build.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the threads belong. Another user's thread raises `ThreadOwnershipError`. None opens
            the threads of any user.
        turn_id: the id of the turn that the next run begins, such as the id of a web request. It makes a retry safe: a
            run that is repeated with the same id sees the same history as the first one, and is stored once.
    """

    def __init__(self, storage: Storage | str, *, user_id: str | None = None, turn_id: str | None = None) -> None:
        self._open(storage)
        self._user_id = user_id
        self._turn_id = None if turn_id is None else check_id(turn_id, "turn id")
        self._logs: dict[str, ItemLog] = {}

    def close(self) -> None:
        """Close the storage if the repository opened it."""
        run_in_background(self._close_storage())

    # -- sessions ------------------------------------------------------------------------------------------------------

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        """Begin a session.

        Raises:
            SessionException: the session exists.
        """
        info = self._info(session.session_id)
        if info is not None and SESSION in info.metadata:
            raise SessionException(f"session {session.session_id!r} exists already")
        self._set(session.session_id, {SESSION: session.to_dict()}, info)
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        """Return a session; None if there is no such session. Any thread with turns is a session."""
        info = self._info(session_id)
        if info is None or not (SESSION in info.metadata or info.turns):
            return None
        made = datetime.fromtimestamp(info.created_us / 1e6, UTC).isoformat()
        written = info.metadata.get(SESSION) or {"session_id": session_id, "created_at": made, "updated_at": made}
        return Session.from_dict({"session_type": SessionType.AGENT, **written})

    def delete_session(self, session_id: str, **kwargs: Any) -> None:
        """Delete a session with all its agents and messages.

        Raises:
            SessionException: there is no such session.
        """
        info = self._info(session_id)
        if info is None:
            raise SessionException(f"there is no session {session_id!r}")
        agents = {key.removeprefix(AGENT) for key in info.metadata if key.startswith(AGENT)}
        # The session's own thread goes last, so that an interrupted deletion can be continued.
        for agent_id in sorted(agents - {DEFAULT_AGENT}):
            self._delete(_thread_id(session_id, agent_id))
        self._delete(session_id)

    # -- agents --------------------------------------------------------------------------------------------------------

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Add an agent to a session."""
        _thread_id(session_id, session_agent.agent_id)
        self._set(session_id, {AGENT + session_agent.agent_id: session_agent.to_dict()})

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        """Return an agent; None if the session has no such agent."""
        _thread_id(session_id, agent_id)
        info = self._info(session_id)
        written = None if info is None else info.metadata.get(AGENT + agent_id)
        return None if written is None else SessionAgent.from_dict(written)

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        """Replace the state of an agent.

        Raises:
            SessionException: the session has no such agent.
        """
        run_in_background(self._update_agent(session_id, session_agent))

    async def _update_agent(self, session_id: str, session_agent: SessionAgent) -> None:
        info = await self._head(session_id)
        key = AGENT + session_agent.agent_id
        if info is None or key not in info.metadata:
            raise SessionException(f"session {session_id!r} has no agent {session_agent.agent_id!r}")
        session_agent.created_at = info.metadata[key]["created_at"]
        await self._update(session_id, {key: session_agent.to_dict()})

    # -- messages ------------------------------------------------------------------------------------------------------

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        """Add a message to an agent.

        Raises:
            ThreadConflict: another repository has written to the agent since this one has read it.
        """
        log = self._log(session_id, agent_id)
        item = cast("JsonObject", session_message.to_dict())
        if log.place is None:
            stored = self.list_messages(session_id, agent_id)
            if stored and stored[-1].message_id >= session_message.message_id:
                if stored[-1].to_dict() == item:
                    return  # the answer to the first attempt was lost
                raise ThreadConflict(log.store.thread_id, expected=session_message.message_id, actual=len(stored))
        run_in_background(log.add([item], at=log.place, turn_id=self._turn_id))
        self._turn_id = None

    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        """Return a message by its number; None if there is no such message."""
        stored = self.list_messages(session_id, agent_id)
        return next((message for message in stored if message.message_id == message_id), None)

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        """Replace a message in one atomic step, such as a message that a guardrail has redacted.

        Raises:
            SessionException: there is no such message.
        """
        number = session_message.message_id
        previous = self.read_message(session_id, agent_id, number)
        if previous is None:
            raise SessionException(f"agent {agent_id!r} of session {session_id!r} has no message {number}")
        session_message.created_at = previous.created_at
        item = cast("JsonObject", session_message.to_dict())
        log = self._log(session_id, agent_id)
        run_in_background(log.replace(lambda found: found.get("message_id") == number, item))

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        """Return the messages of an agent, the oldest first."""
        log = self._log(session_id, agent_id)
        items = run_in_background(log.items(without=self._turn_id))
        messages: list[SessionMessage] = []
        for item in cast("list[dict[str, Any]]", items):
            number = messages[-1].message_id + 1 if messages else 0
            messages.append(_message({"message_id": number, **item}))
        return messages[offset : None if limit is None else offset + limit]

    # -- groups of agents ----------------------------------------------------------------------------------------------

    def create_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Add the state of a group of agents to a session."""
        _identifier.validate(multi_agent.id, _identifier.Identifier.AGENT)
        self._set(session_id, {GROUP + multi_agent.id: multi_agent.serialize_state()})

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> dict[str, Any] | None:
        """Return the state of a group of agents; None if the session has no such group."""
        info = self._info(session_id)
        return None if info is None else info.metadata.get(GROUP + multi_agent_id)

    def update_multi_agent(self, session_id: str, multi_agent: MultiAgentBase, **kwargs: Any) -> None:
        """Replace the state of a group of agents.

        Raises:
            SessionException: the session has no such group.
        """
        if self.read_multi_agent(session_id, multi_agent.id) is None:
            raise SessionException(f"session {session_id!r} has no group of agents {multi_agent.id!r}")
        self.create_multi_agent(session_id, multi_agent)

    # -- the storage ---------------------------------------------------------------------------------------------------

    def _log(self, session_id: str, agent_id: str) -> ItemLog:
        thread_id = _thread_id(session_id, agent_id)
        if thread_id not in self._logs:
            self._logs[thread_id] = ItemLog(self.storage, thread_id, StrandsForm(), user_id=self._user_id)
        return self._logs[thread_id]

    def _info(self, session_id: str) -> ThreadInfo | None:
        return run_in_background(self._head(session_id))

    def _set(self, session_id: str, values: Mapping[str, object], info: ThreadInfo | None = None) -> None:
        run_in_background(self._update(session_id, values, info))

    async def _head(self, session_id: str) -> ThreadInfo | None:
        return await self.storage.head(_thread_id(session_id, DEFAULT_AGENT), user_id=self._user_id)

    async def _update(self, session_id: str, values: Mapping[str, object], info: ThreadInfo | None = None) -> None:
        await self.storage.update_thread(
            _thread_id(session_id, DEFAULT_AGENT),
            metadata=msgspec.to_builtins(values),
            expected=None if info is None else info.version,
            expected_user_id=self._user_id,
        )

    def _delete(self, thread_id: str) -> None:
        self._logs.pop(thread_id, None)
        run_in_background(self.storage.delete(thread_id, user_id=self._user_id))


def _message(item: Mapping[str, Any]) -> SessionMessage:
    """Do what `SessionMessage.from_dict` does, which looks up the fields anew for each field of each message."""
    return SessionMessage(**decode_bytes_values({name: value for name, value in item.items() if name in _FIELDS}))


def _thread_id(session_id: str, agent_id: str) -> str:
    """Return the id of an agent's thread. No id holds a slash, so two agents never share a thread."""
    session_id = _identifier.validate(session_id, _identifier.Identifier.SESSION)
    agent_id = _identifier.validate(agent_id, _identifier.Identifier.AGENT)
    return session_id if agent_id == DEFAULT_AGENT else f"{session_id}/{agent_id}"
