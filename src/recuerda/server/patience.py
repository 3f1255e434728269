"""Work of the storage that is worth waiting for, because an answer of the model depends on it.

A node makes many responses at once, and they may all end at the same time. So only some operations run at a time, and
the others wait here, where no time limit of a storage ends their wait. While the storage is away, an operation is tried
again. That is safe, because each one has the same effect however often it is carried out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from recuerda.errors import StorageBusy, StorageUnavailable

T = TypeVar("T")

AT_ONCE = 6
"""The number of operations at a time. The storages have ten connections by default, and requests need some of them."""

PATIENCE_S = 30.0
"""The seconds for which the storage may be away."""

_AGAIN_S = 0.5


class Patience:
    """Carry out operations of the storage, some at a time, again while the storage is away.

    Attributes:
        is_over: True if a failure is not tried again, because the server stops.
    """

    def __init__(self) -> None:
        self.is_over: bool = False
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def with_(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Return the result of an operation.

        Raises:
            StorageError: the storage was away for too long, or the operation failed in another way.
        """
        async with self._turns:
            end = asyncio.get_running_loop().time() + PATIENCE_S
            while True:
                try:
                    return await operation()
                except (StorageBusy, StorageUnavailable):
                    if self.is_over or asyncio.get_running_loop().time() > end:
                        raise
                await asyncio.sleep(_AGAIN_S)
