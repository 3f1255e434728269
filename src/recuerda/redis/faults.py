"""Translation of redis-py's exceptions into recuerda's, by the action that a caller can take.

An error's text names the server by host and port, never by its URL. It leaves out the driver's own text if that could
contain a command's arguments.
"""

from __future__ import annotations

import asyncio
import re

from redis import exceptions
from redis.asyncio.sentinel import MasterNotFoundError

from recuerda.errors import (
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)

ClusterCrossSlotError = exceptions.ClusterCrossSlotError
DRIVER_ERRORS = (exceptions.RedisError, exceptions.RedisClusterException, OSError, asyncio.TimeoutError)


class ClientFailure(exceptions.RedisError):
    """Wraps an exception of redis-py that belongs to none of the classes above. That exception is its cause."""


_BY_CODE: dict[str, tuple[type[StorageError], str]] = {
    "OOM": (StorageFull, "has no memory left; raise its maxmemory, or trim or delete threads"),
    "MISCONF": (StorageFull, "cannot write to its disk and therefore refuses all changes; look at its log"),
    "READONLY": (
        StorageReadOnly,
        "is a replica, also over a new connection; give the address of the primary, or redis+sentinel://…",
    ),
    "MASTERDOWN": (
        StorageUnavailable,
        "is a replica that has lost its primary; give the address of the primary, or try again after the failover",
    ),
    "NOPERM": (
        StorageReadOnly,
        "does not let this user run a command; grant EVAL, EVALSHA and the key prefix",
    ),
    "NOREPLICAS": (StorageBusy, "has too few connected replicas to accept writes; try again later"),
    "BUSY": (StorageBusy, "is busy with another client's script; try again"),
    "LOADING": (StorageBusy, "has just started and is loading its data; try again"),
    "TRYAGAIN": (StorageBusy, "is moving this thread to another node; try again"),
    "CLUSTERDOWN": (StorageUnavailable, "reports that its cluster is down; check the cluster's nodes, then try again"),
    "MOVED": (StorageUnavailable, "is a node of a Redis Cluster; add ?cluster=true to the URL, or give a RedisCluster"),
    "NOAUTH": (StorageUnavailable, "requires credentials; put them into the URL, or give a credential_provider"),
    "WRONGPASS": (StorageUnavailable, "refused the credentials; check the user name and password"),
    "WRONGTYPE": (StorageError, "has a value of another type under this key; use another key_prefix"),
}

_IN_SCRIPT = re.compile(r"^Error running script .*?: -([A-Z]+) ")

_BY_TYPE: tuple[tuple[type[Exception], str], ...] = (
    (exceptions.OutOfMemoryError, "OOM"),
    (exceptions.ReadOnlyError, "READONLY"),
    (exceptions.NoPermissionError, "NOPERM"),
    (exceptions.BusyLoadingError, "LOADING"),
    (exceptions.TryAgainError, "TRYAGAIN"),
    (exceptions.MasterDownError, "MASTERDOWN"),
    (exceptions.ClusterDownError, "CLUSTERDOWN"),
    (exceptions.MovedError, "MOVED"),
    (exceptions.AuthenticationError, "WRONGPASS"),
    (exceptions.AuthorizationError, "NOPERM"),
)


_UNTOUCHED = {"READONLY", "MASTERDOWN", "NOREPLICAS"}
"""The server refused the command, or the first write of the script, so nothing was written."""

_LEFT_BEHIND = _UNTOUCHED | {"LOADING"}
"""The errors of a server that is no longer, or not yet, the primary. A new connection may lead to the primary."""


def is_left_behind(error: object) -> bool:
    """Return True if the server of this connection does not accept the command, and another server may accept it."""
    return isinstance(error, exceptions.RedisError) and _code(error) in _LEFT_BEHIND


def may_repeat(error: Exception, *, is_repeatable: bool) -> bool:
    """Return True if a command that failed is sent once more.

    Args:
        error: the failure.
        is_repeatable: True if the command is safe to repeat although it may have been carried out.
    """
    if _code(error) in _UNTOUCHED:
        return True
    return is_repeatable and (is_dropped(error) or isinstance(error, exceptions.BusyLoadingError))


def is_dropped(error: Exception) -> bool:
    """Return True if the connection broke, so that the command may or may not have been carried out."""
    refusals = (exceptions.AuthenticationError, exceptions.AuthorizationError, exceptions.BusyLoadingError)
    return isinstance(error, exceptions.ConnectionError | ConnectionError) and not isinstance(error, refusals)


def is_unreachable(error: Exception) -> bool:
    """Return True if the server could not be reached, or did not answer in time."""
    kinds = exceptions.TimeoutError | asyncio.TimeoutError | exceptions.RedisClusterException
    return is_dropped(error) or isinstance(error, kinds)


def translate(error: Exception, action: str, *, server: str, timeout_s: float) -> RecuerdaError:
    """Return the error to raise. Its text starts with the action."""
    start = f"could not {action}: the Redis server {server}"
    known = _BY_CODE.get(_code(error))
    if known is not None:
        kind, what = known
        return kind(f"{start} {what}")
    if isinstance(error, exceptions.TimeoutError | asyncio.TimeoutError):
        return StorageUnavailable(f"{start} did not answer within {timeout_s:g} s{_doubt(action)}")
    if isinstance(error, exceptions.MaxConnectionsError):
        return StorageBusy(f"{start} has no free connection left in redis_client; raise the client's max_connections")
    if isinstance(error, MasterNotFoundError):
        return StorageUnavailable(
            f"{start} has no primary now, or no Sentinel answered; try again after the failover, or check the URL's "
            "Sentinels and service"
        )
    if isinstance(error, exceptions.ConnectionError | exceptions.RedisClusterException | OSError):
        return StorageUnavailable(
            f"{start} cannot be reached, or closed the connection; check its address and that it runs{_doubt(action)}"
        )
    if isinstance(error, ClientFailure):
        return StorageError(f"{start} was not asked, because redis-py failed: {error}{_doubt(action)}")
    return StorageError(f"{start} refused the command: {_code(error) or type(error).__name__}")


def _doubt(action: str) -> str:
    """Return what to add to the text of an error after which nobody knows whether a turn was written."""
    if not action.startswith("append"):
        return ""
    return ". A turn may have been written: append it again with the same id, which never writes it twice"


def _code(error: Exception) -> str:
    for kind, code in _BY_TYPE:
        if isinstance(error, kind):
            return code
    text = str(error)
    # Redis 6.2 puts the code behind the place in the script at which the command was refused.
    if in_script := _IN_SCRIPT.search(text):
        return in_script[1]
    first = text.split(" ", 1)[0].lstrip("-")
    return first if first.isascii() and first.isupper() else ""
