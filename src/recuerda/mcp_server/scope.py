"""The scope of a connection: whose memories and threads it may see.

The scope comes from the configuration or from the connection's token. No argument of a tool changes it, so a model
cannot be talked into reading another user's memories.
"""

from __future__ import annotations

import hashlib
import json

import msgspec

from recuerda.ids import check_id
from recuerda.recall.scopes import DEFAULT_NAMESPACE, Whose, check_namespaces, named_namespace
from recuerda.storage.contract import Storage
from recuerda.storage.thread_info import ThreadInfo


class Scope(msgspec.Struct, frozen=True, kw_only=True):
    """The user, the namespaces and the agent of a connection.

    Attributes:
        user_id: the user whose threads and memories the connection has.
        namespace: the namespace of everything that the connection writes.
        reads: further namespaces from which it only reads.
        agent: the name of the program that writes, such as "claude". It is shown as the speaker of what the program
            remembers, and the program's memories have a thread of their own. None for no name.

    Raises:
        InvalidInput: a name cannot be used.
    """

    user_id: str
    namespace: str = DEFAULT_NAMESPACE
    reads: tuple[str, ...] = ()
    agent: str | None = None

    def __post_init__(self) -> None:
        check_id(self.user_id, "user id")
        check_namespaces(self.namespace, self.reads)
        if self.agent is not None:
            check_id(self.agent, "agent's name")

    @property
    def namespaces(self) -> tuple[str, ...]:
        """The namespaces from which the connection reads; the first one is its own."""
        return check_namespaces(self.namespace, self.reads)

    @property
    def whose(self) -> Whose:
        """The owner of the memories."""
        return Whose(user_id=self.user_id, namespaces=self.namespaces)

    def memories_thread(self, number: int = 0) -> str:
        """Return the id of a thread for the memories that the connection writes.

        Args:
            number: the number of earlier such threads that are not the connection's own any more.
        """
        return f"memories-{self.digest('memories', *([number] if number else []))[:24]}"

    def view(self, storage: Storage) -> Storage:
        """Return the storage as the user sees it."""
        return storage.for_user(self.user_id)

    def may_read(self, info: ThreadInfo) -> bool:
        """Return True if a thread is the user's own and in one of the namespaces."""
        return info.user_id == self.user_id and _namespace_of(info) in self.namespaces

    def may_write(self, info: ThreadInfo) -> bool:
        """Return True if a thread is the user's own and in the connection's own namespace."""
        return info.user_id == self.user_id and _namespace_of(info) == self.namespace

    def digest(self, *parts: object) -> str:
        """Return a hash of some JSON values that no other scope gets for the same values, in hexadecimal."""
        said = json.dumps([self.user_id, self.namespace, self.agent, *parts], ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()


def _namespace_of(info: ThreadInfo) -> str:
    return named_namespace(info) or DEFAULT_NAMESPACE
