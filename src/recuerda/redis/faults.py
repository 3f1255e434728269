"""redis-py's exceptions as recuerda's: by what a caller can do about them.

Texts name the server by host and port, never by its URL, and leave out what the driver says where that could hold a
command's arguments.
"""

from __future__ import annotations

import asyncio

from redis import exceptions

from recuerda.errors import (
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)

ClusterCrossSlotError = exceptions.ClusterCrossSlotError
DRIVER_ERRORS = (exceptions.RedisError, OSError, asyncio.TimeoutError)

_BY_CODE: dict[str, tuple[type[StorageError], str]] = {
    "OOM": (StorageFull, "has no memory left; raise its maxmemory, or trim and delete threads"),
    "MISCONF": (StorageFull, "cannot write to its disk and so refuses to change anything; look at its log"),
    "READONLY": (StorageReadOnly, "is a replica; give the address of the primary"),
    "NOPERM": (StorageReadOnly, "does not let this user run a command; grant it EVAL, EVALSHA and the key prefix"),
    "NOREPLICAS": (StorageBusy, "has too few replicas at hand to accept writes; try again later"),
    "BUSY": (StorageBusy, "is busy with somebody's script; try again"),
    "LOADING": (StorageBusy, "has just started and is loading its data; try again"),
    "TRYAGAIN": (StorageBusy, "is moving this thread to another node; try again"),
    "CLUSTERDOWN": (StorageUnavailable, "says that its cluster is down"),
    "MOVED": (StorageUnavailable, "is a node of a Redis Cluster; add ?cluster=true to the URL, or give a RedisCluster"),
    "NOAUTH": (StorageUnavailable, "wants credentials; put them into the URL, or give a credential_provider"),
    "WRONGPASS": (StorageUnavailable, "refused the credentials"),
    "WRONGTYPE": (StorageError, "keeps something else under this key; use another key_prefix"),
}

_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AuthenticationError, "WRONGPASS"),
    (exceptions.AuthorizationError, "NOPERM"),
)


def is_dropped(error: Exception) -> bool:
    """Say whether a connection broke, so that nobody knows whether the command was carried out."""
    refusals = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.BusyLoadingError)
    return isinstance(error, exceptions.ConnectionError | ConnectionError) and not isinstance(error, refusals)


def translate(error: Exception, action: str, *, server: str, timeout_s: float) -> RecuerdaError:
    """Return the error to raise; its text starts with the action."""
    start = f"could not {action}: the Redis server {server}"
    known = _BY_CODE.get(_code(error))
    if known is not None:
        kind, what = known
        return kind(f"{start} {what}")
    if isinstance(error, exceptions.TimeoutError | asyncio.TimeoutError):
        return StorageUnavailable(
            f"{start} did not answer within {timeout_s:g} s. Whether a turn was written is settled by appending it "
            "again with the same id"
        )
    if isinstance(error, exceptions.MaxConnectionsError):
        return StorageBusy(f"{start} has no free connection in the given client; raise its max_connections")
    if isinstance(error, exceptions.ConnectionError | exceptions.RedisClusterException | OSError):
        return StorageUnavailable(
            f"{start} cannot be reached, or closed the connection; check its address and that it runs. Whether a turn "
            "was written is settled by appending it again with the same id"
        )
    return StorageError(f"{start} refused: {_code(error) or type(error).__name__}")


def _code(error: Exception) -> str:
    for kind, code in _BY_TYPE:
        if isinstance(error, kind):
            return code
    first = str(error).split(" ", 1)[0].lstrip("-")
    return first if first.isascii() and first.isupper() else ""
