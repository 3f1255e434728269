"""The owner of memories: an application, an agent, a user or a thread.

Ids are untrusted data. The index gets their digests, which cannot contain query syntax. The engine also strips spaces
from a tag and ignores its case, which could merge two users. A digest has no spaces, and only lower-case letters.
"""

from __future__ import annotations

import hashlib

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.ids import check_id

PARTS = ("application", "agent", "user", "partition")


class MemoryScope(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of a memory. A search finds the memories that have all the ids of its scope.

    Attributes:
        application: the application's id; None for any application.
        agent: the agent's id; None for any agent.
        user: the user's id; None for any user.
        partition: the id of the thread, if each thread has memories of its own; None for any thread.
    """

    application: str | None = None
    agent: str | None = None
    user: str | None = None
    partition: str | None = None

    def __post_init__(self) -> None:
        for part in PARTS:
            if (value := getattr(self, part)) is not None:
                check_id(value, f"{part} id" if part != "partition" else "thread id")

    @property
    def ids(self) -> dict[str, str]:
        """The ids that are not None, by the name of their tag."""
        return {part: value for part in PARTS if (value := getattr(self, part)) is not None}

    def require_one(self) -> None:
        """Check that the scope has at least one id: without one, all users would share their memories.

        Raises:
            ConfigurationError: the scope has no id.
        """
        if not self.ids:
            raise ConfigurationError(
                "RedisProvider does not know whose memories to use: give application_id, agent_id, user_id, thread_id "
                "or scope_to_per_operation_thread_id=True. Without one, all users would share their memories"
            )

    @property
    def filter(self) -> str:
        """The part of a query that admits only this scope's documents."""
        return " ".join(tag_filter(part, value) for part, value in self.ids.items())


def tag(value: str) -> str:
    """Return the tag that represents an id in the index: 128 bits of its SHA-256."""
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def tag_filter(name: str, value: str) -> str:
    """Return the part of a query that admits only documents with this id."""
    return f"@{name}:{{{tag(value)}}}"
