"""The owners of memories, and the namespaces in which several agents and applications keep the same user's apart.

A thread belongs to one namespace. Its metadata say which one, so an index that is lost is rebuilt with every thread in
its own namespace. In the index, a user in a namespace is one scope: a search in a scope finds nothing of another one.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from recuerda.errors import InvalidInput
from recuerda.ids import check_id
from recuerda.storage.thread_info import ThreadInfo

DEFAULT_NAMESPACE = "default"
"""The namespace of a thread whose metadata name none."""

NAMESPACE_KEY = "recall_namespace"
"""The key in a thread's metadata for its namespace."""

MAX_NAMESPACE_BYTES = 100

_AFTER_SLASH = "0"


class Whose(msgspec.Struct, frozen=True, kw_only=True):
    """The owner of memories, and the namespaces in which they are looked for.

    Attributes:
        user_id: the user; None for a thread that has no user.
        thread_id: the thread without a user; None for a user.
        namespaces: the namespaces.
    """

    user_id: str | None = None
    thread_id: str | None = None
    namespaces: tuple[str, ...] = (DEFAULT_NAMESPACE,)

    @property
    def scopes(self) -> tuple[str, ...]:
        """The scopes of the owner in these namespaces."""
        if self.user_id is not None:
            return tuple(user_scope(self.user_id, namespace) for namespace in self.namespaces)
        return tuple(thread_scope(self.thread_id or "", namespace) for namespace in self.namespaces)


def user_scope(user_id: str, namespace: str = DEFAULT_NAMESPACE) -> str:
    """Return the scope of a user's memories in a namespace."""
    return _scope("user", user_id, namespace)


def thread_scope(thread_id: str, namespace: str = DEFAULT_NAMESPACE) -> str:
    """Return the scope of a thread without a user, which has memories of its own."""
    return _scope("thread", thread_id, namespace)


def other_scopes(user_id: str) -> tuple[str, str]:
    """Return the first text of the range of a user's scopes outside of the default namespace, and the text after it."""
    start = f"user/{_escaped(user_id)}"
    return f"{start}/", f"{start}{_AFTER_SLASH}"


def owner_of(scope: str, namespaces: tuple[str, ...]) -> Whose:
    """Return the owner of a scope, with these namespaces."""
    kind, separator, rest = scope.partition(":")
    if "/" in kind or not separator:
        kind, owner, _ = scope.split("/", 2)
        rest = owner.replace("%2F", "/").replace("%25", "%")
    if kind == "user":
        return Whose(user_id=rest, namespaces=namespaces)
    return Whose(thread_id=rest, namespaces=namespaces)


def named_namespace(info: ThreadInfo) -> str | None:
    """Return the namespace that a thread's metadata name; None if they name none."""
    named = info.metadata.get(NAMESPACE_KEY)
    try:
        return None if named is None else check_namespace(named)
    except InvalidInput:
        return None


def check_namespace(value: object) -> str:
    """Return `value` if it can be the name of a namespace.

    Raises:
        InvalidInput: `value` is not a string of 1 to 100 bytes of UTF-8, or it holds a NUL or a lone surrogate.
    """
    name = check_id(value, "namespace")
    if len(name.encode()) > MAX_NAMESPACE_BYTES:
        raise InvalidInput(f"a namespace must have at most {MAX_NAMESPACE_BYTES} bytes of UTF-8")
    return name


def check_namespaces(first: str, further: Sequence[str]) -> tuple[str, ...]:
    """Return the namespaces of a provider without duplicates: its own and the other ones that it reads.

    Raises:
        InvalidInput: a name is invalid, or a text was given in place of a list.
    """
    if isinstance(further, str):
        raise InvalidInput(f"reads must be a list of namespaces, as in reads=[{further!r}]")
    return tuple(dict.fromkeys(check_namespace(name) for name in (first, *further)))


def _scope(kind: str, owner: str, namespace: str) -> str:
    if namespace == DEFAULT_NAMESPACE:
        return f"{kind}:{owner}"
    return f"{kind}/{_escaped(owner)}/{namespace}"


def _escaped(owner: str) -> str:
    return owner.replace("%", "%25").replace("/", "%2F")
