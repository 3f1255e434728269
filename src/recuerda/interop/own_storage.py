"""The storage of an adapter: one that was given, or one that the adapter has opened by its URL and closes itself."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from recuerda.storage.contract import Storage
from recuerda.storage.registry import open_storage


class OpenedStorage:
    """A storage that is closed only if it was opened here. The adapter says when, in its framework's way.

    Attributes:
        storage: the storage.
    """

    storage: Storage
    _owns_storage: bool

    def _open(self, storage: Storage | str) -> None:
        """Take a storage, or open the one that a URL names."""
        self.storage = open_storage(storage) if isinstance(storage, str) else storage
        self._owns_storage = isinstance(storage, str)

    async def _close_storage(self) -> None:
        if self._owns_storage:
            await self.storage.close()


class OwnStorage(OpenedStorage):
    """A storage that is closed by `close`, or at the end of an `async with`."""

    async def close(self) -> None:
        """Close the storage if it was opened by its URL."""
        await self._close_storage()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()
