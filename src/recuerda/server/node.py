"""This process, as the other processes on its storage know it: a name, and a lease that ends if the process dies.

A process makes hundreds of responses in the background at once. One lease stands for all of them, because a lease for
each would be renewed hundreds of times in a second.
"""

from __future__ import annotations

import asyncio
import logging

from recuerda._events import fields
from recuerda.errors import RecuerdaError
from recuerda.ids import new_id
from recuerda.server.threads import LEASE
from recuerda.storage.contract import Storage

_logger = logging.getLogger("recuerda.server")


class Node:
    """A process that makes responses.

    Args:
        storage: the storage, which all processes share.

    Attributes:
        id: the process's name in the storage.
    """

    def __init__(self, storage: Storage) -> None:
        self.id: str = new_id()
        self._storage = storage
        self._holder = new_id()
        self._renewal: asyncio.Task[None] | None = None
        self._beginning = asyncio.Lock()

    async def show_life(self) -> None:
        """Take the lease, and renew it until `close`. Further calls do nothing.

        Raises:
            StorageError: the storage cannot be used.
        """
        async with self._beginning:
            if self._renewal is None:
                await self._take()
                self._renewal = asyncio.create_task(self._renew())

    async def is_dead(self, id: str) -> bool:
        """Return whether the lease of a process has ended."""
        if id == self.id:
            return False
        holder = new_id()
        if not await self._storage.take_lease(_lease_of(id), holder, LEASE):
            return False
        await self._storage.release_lease(_lease_of(id), holder)
        return True

    async def close(self) -> None:
        """Give the lease up."""
        if self._renewal is None:
            return
        self._renewal.cancel()
        await asyncio.wait([self._renewal])
        self._renewal = None
        try:
            await self._storage.release_lease(_lease_of(self.id), self._holder)
        except RecuerdaError as failure:
            _logger.warning(
                "the lease of this process will run out: %s",
                type(failure).__name__,
                extra=fields("node_lease_kept", error=type(failure).__name__),
            )

    async def _take(self) -> None:
        await self._storage.take_lease(_lease_of(self.id), self._holder, LEASE)

    async def _renew(self) -> None:
        """Renew the lease. If the storage was away, or another process has just looked, the next try may succeed."""
        while True:
            await asyncio.sleep(LEASE.total_seconds() / 3)
            try:
                await self._take()
            except RecuerdaError as failure:
                _logger.warning(
                    "the lease of this process could not be renewed: %s",
                    type(failure).__name__,
                    extra=fields("node_lease_not_renewed", error=type(failure).__name__),
                )


def _lease_of(id: str) -> str:
    return f"node_{id}"
