"""Whether this process should get requests: the answer of `/readyz`, which a proxy asks for again and again.

A process that is alive need not be ready. It is not ready while it stops, while its storage does not answer, and while
it makes as many calls of the model as it may. The model's server is not asked: if it fails, it fails for all processes,
and a proxy that takes them all away leaves clients without any explanation.
"""

from __future__ import annotations

import asyncio

from recuerda.errors import RecuerdaError
from recuerda.server.limits import InFlight
from recuerda.storage.contract import Storage

NOT_A_THREAD = "recuerda-server-is-ready"
"""The id of a thread that does not exist. Looking it up shows whether the storage can be used."""

STORAGE_S = 1.0
"""The seconds in which the storage must answer. The probes of Kubernetes wait for one second by default."""


class Readiness:
    """Knows whether the process should get requests.

    Args:
        storage: the storage, which must answer in time.
        in_flight: the calls of the model, which must be fewer than their limit.

    Attributes:
        is_draining: True from the signal to stop on.
    """

    def __init__(self, storage: Storage, in_flight: InFlight) -> None:
        self._storage = storage
        self._in_flight = in_flight
        self.is_draining: bool = False

    async def obstacle(self) -> str | None:
        """Return why the process should get no requests; None if it should."""
        if self.is_draining:
            return "the server is stopping"
        if self._in_flight.is_full:
            return "the server makes as many calls of the model as it may"
        try:
            async with asyncio.timeout(STORAGE_S):
                await self._storage.head(NOT_A_THREAD)
        except TimeoutError:
            return f"the storage has not answered in {STORAGE_S:g} s"
        except RecuerdaError:
            return "the storage cannot be used"
        return None
