"""Leases, which let runs on one thread in several processes wait for each other instead of ending in a conflict.

The storage keeps the holder and the end of each lease. A holder renews its lease in the background; when the holder has
died, the lease runs out and another process takes it. A lease only saves wasted runs. The revision protects the thread.
"""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import timedelta
from types import TracebackType
from typing import Protocol, Self

import msgspec

from recuerda import _observing
from recuerda._events import fields
from recuerda.errors import InvalidInput, RecuerdaError, StorageError
from recuerda.ids import new_id
from recuerda.storage.finishing import finished

FIRST_WAIT_S = 0.005
LONGEST_WAIT_S = 0.25

_logger = logging.getLogger("recuerda.storage")


class LeaseInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A lease that a process holds now. Its holder's id is not shown, because whoever knows it can end the lease.

    Attributes:
        thread_id: the thread's id.
        left_us: the time until the lease ends if its holder does not renew it, in microseconds.
    """

    thread_id: str
    left_us: int


class LeaseKeeper(Protocol):
    """The two methods of a storage that a lease uses."""

    async def take_lease(self, thread_id: str, holder: str, ttl: timedelta, *, user_id: str | None = None) -> bool:
        """Take or renew the lease. Return False when another holder has it."""
        ...

    async def release_lease(self, thread_id: str, holder: str) -> None:
        """Release the lease."""
        ...


class Lease:
    """A lease of one thread: `async with storage.lease(thread_id): …` waits until it is free."""

    def __init__(self, keeper: LeaseKeeper, thread_id: str, ttl: timedelta, *, user_id: str | None = None) -> None:
        if ttl < timedelta(milliseconds=100):
            raise InvalidInput(f"the ttl of a lease must be at least 100 ms, not {ttl}")
        self._keeper = keeper
        self._thread_id = thread_id
        self._user_id = user_id
        self._ttl = ttl
        self._holder = new_id()
        self._renewal: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        import random

        wait_s, began = FIRST_WAIT_S, time.perf_counter()
        while not await self._taken():
            await asyncio.sleep(wait_s * random.uniform(0.5, 1.0))  # noqa: S311 - spreads the waiting, hides nothing
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
        if _observing.observer is not None:
            _observing.observer.leased(waited_s=time.perf_counter() - began)
        self._renewal = asyncio.create_task(self._renew())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        _, cancelled = await finished(self._end())
        if cancelled is not None:
            raise cancelled

    async def _taken(self) -> bool:
        """Try to take the lease. A cancellation waits for the storage's answer, so that no lease is left behind."""
        is_taken, cancelled = await finished(self._take_or_end())
        if cancelled is not None:
            if is_taken:
                await finished(self._end())
            raise cancelled
        return is_taken

    async def _take_or_end(self) -> bool:
        """Try to take the lease. If the storage fails, it may have given the lease, so the lease is released."""
        try:
            return await self._take()
        except StorageError:
            await self._release()
            raise

    async def _end(self) -> None:
        if self._renewal is not None:
            self._renewal.cancel()
            await asyncio.wait([self._renewal])
        await self._release()

    async def _release(self) -> None:
        try:
            await self._keeper.release_lease(self._thread_id, self._holder)
        except RecuerdaError as failure:
            # The work under the lease is finished, so the error is only logged. The lease ends by itself.
            _logger.warning(
                "a lease could not be released, so it will run out: %s",
                failure,
                extra=fields("lease_not_released", thread_id=self._thread_id, error=type(failure).__name__),
            )

    async def _take(self) -> bool:
        return await self._keeper.take_lease(self._thread_id, self._holder, self._ttl, user_id=self._user_id)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(self._ttl.total_seconds() / 3)
            try:
                if not await self._take():
                    _logger.warning(
                        "the lease of thread %r was lost to another holder",
                        self._thread_id,
                        extra=fields("lease_lost", thread_id=self._thread_id),
                    )
                    return
            except RecuerdaError as failure:
                _logger.warning(
                    "a lease could not be renewed: %s",
                    failure,
                    extra=fields("lease_not_renewed", thread_id=self._thread_id, error=type(failure).__name__),
                )
