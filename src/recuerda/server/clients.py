"""The HTTP clients for the model's server: as many as there are calls for.

A client looks at each of its connections whenever a call begins or ends. With a thousand calls at once, that would take
longer than the calls themselves. So each client gets a few dozen calls, and the next one gets the others. The first
client that has room is taken, so a quiet server uses one client and keeps its connections.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from contextlib import contextmanager

import httpx2

CALLS_EACH = 64
"""The number of calls that one client makes at a time."""


class Clients:
    """HTTP clients, each with some calls.

    Args:
        make: returns a new client.
    """

    def __init__(self, make: Callable[[], httpx2.AsyncClient]) -> None:
        self._make = make
        self._all: list[httpx2.AsyncClient] = []
        self._calls: Counter[int] = Counter()

    @contextmanager
    def one(self) -> Generator[httpx2.AsyncClient]:
        """Give a client for one call."""
        place = next((i for i in range(len(self._all)) if self._calls[i] < CALLS_EACH), len(self._all))
        if place == len(self._all):
            self._all.append(self._make())
        self._calls[place] += 1
        try:
            yield self._all[place]
        finally:
            self._calls[place] -= 1

    async def close(self) -> None:
        """Close all connections."""
        for client in self._all:
            await client.aclose()
