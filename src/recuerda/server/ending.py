"""The waits for the model's server, which all end when the server has waited long enough to stop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from recuerda.server.faults import ApiFault

T = TypeVar("T")


class Ending:
    """Wait for the model's server, until the server stops.

    Attributes:
        is_over: True if the server waits no longer.
    """

    def __init__(self) -> None:
        self.is_over: bool = False
        self._waits: set[asyncio.Timeout] = set()

    async def wait(self, begin: Callable[[], Awaitable[T]]) -> T:
        """Return the result of what `begin` begins.

        Raises:
            ApiFault: the server waits no longer.
        """
        if self.is_over:
            raise stopped()
        limit = asyncio.timeout(None)
        try:
            async with limit:
                self._waits.add(limit)
                try:
                    return await begin()
                finally:
                    self._waits.discard(limit)
        except TimeoutError:
            if limit.expired():
                raise stopped() from None
            raise

    def end(self) -> None:
        """End all waits, and those that begin later."""
        self.is_over = True
        now = asyncio.get_running_loop().time()
        for limit in self._waits:
            limit.reschedule(now)


def stopped() -> ApiFault:
    """Return the fault of a request that the server has no more time for."""
    return ApiFault(
        503, "The server stops, and it had no more time for this answer.", code="server_stopping", retry_after_s=1
    )
