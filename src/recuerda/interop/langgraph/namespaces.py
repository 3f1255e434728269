"""The threads of the namespaces of LangGraph's store."""

from __future__ import annotations

from hashlib import sha256
from typing import TypeAlias

Namespace: TypeAlias = tuple[str, ...]

PREFIX = "langgraph-store:"
"""The start of the id of every thread that holds a namespace."""

_LONGEST_NAME = 400


def thread_of(namespace: Namespace) -> str:
    """Return the id of the thread that holds a namespace. A label has no period, so two namespaces never share one."""
    name = ".".join(namespace)
    if len(name.encode()) > _LONGEST_NAME:
        name = f"#{sha256(name.encode()).hexdigest()}"
    return PREFIX + name
