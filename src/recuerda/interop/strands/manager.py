"""`RecuerdaSessionManager`: the session manager of Strands, with the agent's messages in a thread."""

from __future__ import annotations

from typing import Any

from strands.session import RepositorySessionManager
from strands.types.agent import LocalAgent

from recuerda.interop.strands.repository import RecuerdaSessionRepository
from recuerda.storage.contract import Storage


class RecuerdaSessionManager(RepositorySessionManager):
    """Keep an agent's session in a thread, on any storage.

    What one run adds becomes one turn. An agent whose session has got other messages meanwhile raises `ThreadConflict`;
    build the agent anew, and it knows them. An agent continues any thread, also a thread that another framework began.

    Args:
        session_id: the thread's id, without a slash.
        storage: a storage or its URL. A storage that was opened from a URL is closed by `close`.
        user_id: the user to whom the thread belongs. Another user's thread raises `ThreadOwnershipError`. None opens
            the thread of any user.
        turn_id: the id of the turn that the next run begins, such as the id of a web request. It makes a retry safe: a
            new agent that is asked again with the same id sees the same history as the first one, and the turn is
            stored once.
    """

    def __init__(
        self, session_id: str, storage: Storage | str, *, user_id: str | None = None, turn_id: str | None = None
    ) -> None:
        self.repository: RecuerdaSessionRepository = RecuerdaSessionRepository(
            storage, user_id=user_id, turn_id=turn_id
        )
        super().__init__(session_id, self.repository)

    def initialize(self, agent: LocalAgent, **kwargs: Any) -> None:
        """Restore an agent from the session, or from the thread that another program has begun."""
        stored = self.repository.list_messages(self.session_id, agent.agent_id)
        is_known = not stored or self.repository.read_agent(self.session_id, agent.agent_id) is not None
        if not is_known:
            agent.messages = []
        super().initialize(agent, **kwargs)
        if not is_known:
            agent.messages = [message.to_message() for message in stored]
            self._latest_agent_message[agent.agent_id] = stored[-1]

    def close(self) -> None:
        """Close the storage if the manager opened it."""
        self.repository.close()
