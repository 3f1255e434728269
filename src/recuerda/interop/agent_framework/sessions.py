"""`RecuerdaSessionStore`: snapshots of Agent Framework's sessions."""

from __future__ import annotations

import weakref
from typing import Any, cast

from agent_framework import AgentSession, SessionStore

from recuerda.errors import InvalidInput
from recuerda.ids import check_id
from recuerda.interop.own_storage import OwnStorage
from recuerda.json_value import to_json_object
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, Turn, UnknownContent
from recuerda.storage.contract import Storage
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import Version
from recuerda.threads.history import stored_turn

_SNAPSHOT = "agent-framework.session"
"""The kind of the only part of a snapshot's turn, and the beginning of the ids of the threads with snapshots."""


class RecuerdaSessionStore(OwnStorage, SessionStore):
    """Keep snapshots of sessions, on any storage: one thread for each, with the newest snapshot alone.

    A session that `get` returned is set only if nobody has set it since; otherwise `set` raises `ThreadConflict` and
    changes nothing. A session that the application has made itself replaces what is there, as the framework's contract
    says.

    Args:
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the sessions belong. Another user's session raises `ThreadOwnershipError`. None opens
            the sessions of any user.
    """

    def __init__(self, storage: Storage | str, *, user_id: str | None = None) -> None:
        super().__init__()
        self._open(storage)
        self._user_id = None if user_id is None else check_id(user_id, "user id")
        self._versions: weakref.WeakKeyDictionary[AgentSession, Version] = weakref.WeakKeyDictionary()

    async def get(self, session_id: str) -> AgentSession | None:
        """Return the stored session; None if there is none."""
        self.validate_session_id(session_id)
        found = await self.storage.read(_thread_id(session_id), last_turns=1, user_id=self._user_id)
        if found.info is None or not found.records:
            return None
        (part,) = stored_turn(found.records[-1], found.info.id).messages[0].contents
        session = AgentSession.from_dict(cast("UnknownContent", part).data["session"])
        self._versions[session] = found.info.version
        return session

    async def set(self, session_id: str, session: AgentSession) -> None:
        """Store a session.

        Raises:
            ThreadConflict: the session came from `get`, and another one was set since.
            EncodeError: a value of the session's state is not JSON; nothing was written.
            InvalidInput: the session is of a subclass of `AgentSession`, which would come back as an `AgentSession`.
        """
        self.validate_session_id(session_id)
        if type(session) is not AgentSession:
            kind = type(session).__name__
            raise InvalidInput(f"a snapshot keeps an AgentSession, not a {kind}: put its data into session.state")
        data: dict[str, Any] = {"type": _SNAPSHOT, "session": to_json_object(session.to_dict(), "session")}
        body = encode_turn(Turn(messages=(ChatMessage("tool", UnknownContent(data)),), input_count=0))
        version = self._versions.get(session)
        thread_id = _thread_id(session_id)
        appended = await self.storage.append(
            thread_id,
            NewTurn(body=body, message_count=1),
            expected=version,
            keep_messages=1,
            user_id=self._user_id,
        )
        found = await self.storage.head(thread_id, user_id=self._user_id)
        if found is not None and found.revision == appended.revision:
            self._versions[session] = found.version

    async def delete(self, session_id: str) -> None:
        """Delete the stored session, if there is one."""
        self.validate_session_id(session_id)
        await self.storage.delete(_thread_id(session_id), user_id=self._user_id)


def _thread_id(session_id: str) -> str:
    return f"{_SNAPSHOT}/{session_id}"
