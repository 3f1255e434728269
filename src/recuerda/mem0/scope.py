"""Whose memories are meant: the same scope is written with and searched with, and there is always one.

Mem0 files a memory under the user *or* the agent of a conversation, so that on its platform a search for both finds
nothing, and its library with an agent's id learns about the agent instead of the user. Where the user is known,
memories are therefore filed under the user, and the agent is kept as metadata, which is searched for as well.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from recuerda.errors import ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.ids import check_id
from recuerda.threads.thread import AgentThread

APPLICATION_KEY = "application_id"
"""In a memory's metadata: the application, for the open-source library, which knows none."""
AGENT_KEY = "agent"
"""In a memory's metadata: the agent, where the memory is the user's."""


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """Whose memories are meant.

    Attributes:
        user_id: the person.
        agent_id: the agent.
        application_id: the application.
        thread_id: the conversation, where memories are kept apart by it (Mem0's run).
    """

    user_id: str | None = None
    agent_id: str | None = None
    application_id: str | None = None
    thread_id: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if (value := getattr(self, name)) is not None:
                _check(value, name.replace("_", " "))

    def on(self, thread: AgentThread, *, is_per_thread: bool) -> Scope:
        """Return the scope of a run on a thread: completed by the thread's user, and by its id if `is_per_thread`.

        Raises:
            ThreadOwnershipError: the thread is another user's.
            ConfigurationError: nothing says whose memories are meant.
        """
        owner = thread.user_id
        if owner is not None and self.user_id is not None and owner != self.user_id:
            raise ThreadOwnershipError(
                f"thread {thread.id!r} is user {owner!r}'s, and Mem0Provider is set to user {self.user_id!r}: "
                "leave its user_id out, and it takes each thread's own user"
            )
        whole = Scope(
            user_id=self.user_id or owner,
            agent_id=self.agent_id,
            application_id=self.application_id,
            thread_id=thread.id if is_per_thread else self.thread_id,
        )
        if whole == Scope():
            raise ConfigurationError(
                f"nothing says whose memories thread {thread.id!r} may see: give Mem0Provider a user_id, agent_id, "
                "application_id or thread_id, or open threads with get_thread(id, user_id=...)"
            )
        return whole

    @property
    def entity(self) -> dict[str, str]:
        """Who the memories are filed under: the user, else the agent, else nobody."""
        if self.user_id is not None:
            return {"user_id": self.user_id}
        return {} if self.agent_id is None else {"agent_id": self.agent_id}

    @property
    def metadata(self) -> dict[str, str]:
        """What else a memory is marked with: the agent, where it is the user's."""
        return {AGENT_KEY: self.agent_id} if self.agent_id is not None and self.user_id is not None else {}

    def owns(self, memory: Mapping[str, object]) -> bool:
        """Say whether a memory that a search gave belongs here, as far as it says whose it is."""
        if memory.get("user_id") not in (None, self.user_id):
            return False
        wanted = {"agent_id": self.agent_id, "app_id": self.application_id, "run_id": self.thread_id}
        return all(value is None or memory.get(name) in (None, value) for name, value in wanted.items())


def _check(value: object, name: str) -> None:
    text = check_id(value, name)
    if text == "*":
        raise InvalidInput(f"the {name} '*' would mean everybody's memories to Mem0")
    if text != "".join(text.split()):
        raise InvalidInput(f"the {name} {text!r} has white space, which Mem0 does not take")
