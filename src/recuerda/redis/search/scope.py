"""Whose memories are meant. Ids are data: the index sees their digests, which no query syntax can hide in.

The engine would trim blanks off a tag and fold its case, which could make one user of two. A digest has neither.
"""

from __future__ import annotations

import hashlib

import msgspec

from recuerda.errors import ConfigurationError
from recuerda.ids import check_id

PARTS = ("application", "agent", "user", "partition")


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """What a memory belongs to: it is found by whoever gives the same.

    Attributes:
        application: the application's id, None for no matter which.
        agent: the agent's id.
        user: the user's id.
        partition: the id of the thread that memories are kept apart by.
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
        """The ids that are given, by the name of their tag."""
        return {part: value for part in PARTS if (value := getattr(self, part)) is not None}

    def require_one(self) -> None:
        """Refuse a scope that would mix everybody's memories.

        Raises:
            ConfigurationError: no id is given.
        """
        if not self.ids:
            raise ConfigurationError(
                "whose memories? Give application_id, agent_id, user_id, thread_id or "
                "scope_to_per_operation_thread_id=True: without one, everybody would recall everybody's words"
            )

    @property
    def filter(self) -> str:
        """The part of a query that lets only this scope's documents through."""
        return " ".join(tag_filter(part, value) for part, value in self.ids.items())


def tag(value: str) -> str:
    """Return what stands for an id in the index: 128 bits of its SHA-256."""
    return hashlib.sha256(value.encode()).hexdigest()[:32]


def tag_filter(name: str, value: str) -> str:
    """Return the part of a query that asks for an id."""
    return f"@{name}:{{{tag(value)}}}"
