"""Calls of azure-cosmos, whose closed connections raise Python's own exceptions.

A client that was closed raises `ValueError`, and a client of another event loop raises `RuntimeError`. An application's
clock or credential may raise the same types. So such an exception counts as the driver's only if the driver raised it.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import TypeVar

T = TypeVar("T")

_DRIVER = ("azure", "aiohttp", "asyncio")
_CLOSED = "HTTP transport has already been closed"


class ConnectionsClosed(Exception):
    """The connections are closed, or belong to another event loop."""


async def from_azure(call: Awaitable[T]) -> T:
    """Return the result of a call of azure-cosmos.

    Raises:
        ConnectionsClosed: the connections cannot be used any more. The driver's exception is the cause.
    """
    try:
        return await call
    except RuntimeError as error:
        if not _is_of_driver(error):
            raise
        raise ConnectionsClosed from error
    except ValueError as error:
        if not str(error).startswith(_CLOSED):
            raise
        raise ConnectionsClosed from error


def _is_of_driver(error: Exception) -> bool:
    """Return whether the exception was raised in the driver's code, and not in a function that the driver called."""
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    module = "" if frame is None else str(frame.tb_frame.f_globals.get("__name__"))
    return module.partition(".")[0] in _DRIVER
