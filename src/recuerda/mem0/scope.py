"""The owner of memories. Memories are written and searched with the same scope, and never without one.

Mem0 files a memory under the user *or* the agent of a conversation. So on its platform a search for both finds nothing,
and its library, given an agent's id, learns about the agent instead of the user. Therefore, if the user is known,
memories are filed under the user, and the agent is stored as metadata, which a search also matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

import msgspec

from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.ids import check_id
from recuerda.providers.remembering import check_thread_user, user_of
from recuerda.threads.thread import AgentThread

APPLICATION_KEY = "application_id"
"""The metadata key of the application, for the open-source library, which has no applications."""
AGENT_KEY = "agent"
"""The metadata key of the agent, for a memory that is filed under the user."""


class Mem0Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of memories.

    Attributes:
        user_id: the user's id.
        agent_id: the agent's id.
        application_id: the application's id.
        thread_id: the conversation's id (Mem0's run), if memories belong to one conversation.
    """

    user_id: str | None = None
    agent_id: str | None = None
    application_id: str | None = None
    thread_id: str | None = None

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if (value := getattr(self, name)) is not None:
                _check(value, name.replace("_", " "))

    def on(self, thread: AgentThread, *, is_per_thread: bool) -> Mem0Scope:
        """Return the scope of a run: completed by the thread's user and, if `is_per_thread`, by the thread's id.

        Raises:
            ThreadOwnershipError: the thread belongs to another user.
            ConfigurationError: the completed scope has no id.
        """
        check_thread_user(thread, self.user_id, advice="leave user_id out, and it takes each thread's own user")
        whole = Mem0Scope(
            user_id=self.user_id or user_of(thread),
            agent_id=self.agent_id,
            application_id=self.application_id,
            thread_id=thread.id if is_per_thread else self.thread_id,
        )
        if whole == Mem0Scope():
            raise ConfigurationError(
                f"Mem0Provider does not know whose memories thread {thread.id!r} may see; give it a user_id, agent_id, "
                "application_id or thread_id, or open threads with get_thread(id, user_id=...)"
            )
        return whole

    @property
    def entity(self) -> dict[str, str]:
        """The ids under which memories are filed: the user's or, without a user, the agent's."""
        if self.user_id is not None:
            return {"user_id": self.user_id}
        return {} if self.agent_id is None else {"agent_id": self.agent_id}

    @property
    def metadata(self) -> dict[str, str]:
        """The metadata of a memory: the agent, if the memory is filed under the user."""
        return {AGENT_KEY: self.agent_id} if self.agent_id is not None and self.user_id is not None else {}

    def owns(self, memory: Mapping[str, object], *, wild: AbstractSet[str] = frozenset()) -> bool:
        """Return False if a memory names another owner.

        Args:
            memory: a memory as Mem0 gave it.
            wild: names of ids, such as "user_id", that may have any value.
        """
        if memory.get("user_id") not in (None, self.user_id) and "user_id" not in wild:
            return False
        wanted = {"agent_id": self.agent_id, "app_id": self.application_id, "run_id": self.thread_id}
        return all(value is None or memory.get(name) in (None, value) for name, value in wanted.items())


def is_usable(text: str) -> bool:
    """Return True if Mem0 accepts a text as an id. It has no memories under any other text."""
    return text != "*" and text == "".join(text.split())


def _check(value: object, name: str) -> None:
    text = check_id(value, name)
    if text == "*":
        raise InvalidInput(f"the {name} must not be '*': Mem0 would take it for the memories of everybody")
    if not is_usable(text):
        raise InvalidInput(f"the {name} {text!r} has white space, which Mem0 does not accept; remove it")
