"""The rate limit of a tenant, which all nodes on one storage share.

Each node admits requests by itself, so that no request waits for the storage. Once in a second, a node notes in the
storage how many requests of a tenant it has admitted since it started, and reads the numbers of the other nodes. These
count as if they had come here. So the limit holds for all nodes together, but for the requests of the last second.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable

import msgspec

from recuerda._events import fields
from recuerda.errors import RecuerdaError
from recuerda.server.limits import RateLimit
from recuerda.server.names import Tenancy
from recuerda.server.threads import Threads

SHARE_S = 1.0
"""The seconds between two exchanges of numbers."""

RATES = "request_rates"
"""The name of the thread whose metadata hold the numbers of a tenant's requests. It has no turns."""

_FORGET_S = 600.0
_logger = logging.getLogger("recuerda.server")


class _Noted(msgspec.Struct, frozen=True, array_like=True):
    """The number of requests that a node has admitted, and when it noted this (seconds since 1970)."""

    admitted: int
    at: float


class SharedRate:
    """Limit the requests of each tenant on all nodes together.

    Args:
        rate: the limit of this node.
        threads: the threads of the service.
        node: the id of this node.
        clock: returns the seconds since 1970.
    """

    def __init__(self, rate: RateLimit, threads: Threads, *, node: str, clock: Callable[[], float] = time.time) -> None:
        self._rate = rate
        self._threads = threads
        self._node = node
        self._clock = clock
        self._admitted: Counter[Tenancy] = Counter()
        self._seen: dict[tuple[Tenancy, str], int] = {}
        self._waiting: set[Tenancy] = set()
        self._task: asyncio.Task[None] | None = None

    def take(self, tenancy: Tenancy) -> None:
        """Count a request of a tenant.

        Raises:
            ApiFault: the tenant made too many requests; the fault says how long to wait.
        """
        if not self._rate.is_set:
            return
        self._waiting.add(tenancy)  # Also a refused request wants the newest numbers.
        if self._task is None:
            self._task = asyncio.create_task(self._exchange_on())
        self._rate.take(tenancy.tenant)
        self._admitted[tenancy] += 1

    async def close(self) -> None:
        """End the exchange."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _exchange_on(self) -> None:
        while True:
            await asyncio.sleep(SHARE_S)
            waiting, self._waiting = self._waiting, set()
            for tenancy in waiting:
                try:
                    await self._exchange(tenancy)
                except RecuerdaError as failure:
                    _logger.warning(
                        "the nodes could not share a rate limit: %s",
                        type(failure).__name__,
                        extra=fields("rate_not_shared", error=type(failure).__name__),
                    )

    async def _exchange(self, tenancy: Tenancy) -> None:
        """Note the number of this node, and count the new requests of the other nodes."""
        now = self._clock()
        noted = [self._admitted[tenancy], now]
        storage, thread = self._threads.storage_of(tenancy), tenancy.thread_id(RATES)
        info = await storage.update_thread(thread, metadata={self._node: noted})
        numbers = msgspec.convert(dict(info.metadata), dict[str, _Noted])
        del numbers[self._node]
        for node, other in numbers.items():
            before = self._seen.get((tenancy, node), other.admitted)
            self._seen[tenancy, node] = other.admitted
            self._rate.take_elsewhere(tenancy.tenant, other.admitted - before)
        if old := [node for node, other in numbers.items() if other.at < now - _FORGET_S]:
            await storage.update_thread(thread, metadata=dict.fromkeys(old))
            for node in old:
                self._seen.pop((tenancy, node), None)
