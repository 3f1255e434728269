"""The index of memories beside a storage: its place, and what it forgets.

A command imports this module where it needs it, because recall takes as long to import as all commands together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

from recuerda.errors import ConfigurationError
from recuerda.recall import RecallProvider
from recuerda.recall.places import index_beside
from recuerda.storage.contract import Storage


def check_place(index: str | None, storage: Storage, url: str) -> None:
    """Check that there is a place for the index of a storage.

    Raises:
        ConfigurationError: no index is named, and none can be kept beside the storage. The text names the option.
    """
    try:
        if index is None:
            index_beside(storage)
    except ConfigurationError:
        raise ConfigurationError(
            f"an index cannot be kept beside {url}: either there is no place for it, or the storage is encrypted and "
            "an index is not. Name a file with --index FILE."
        ) from None


@asynccontextmanager
async def followed(storage: Storage, index: str | None) -> AsyncGenerator[None]:
    """Let the index of the storage's memories, if there is one, forget the threads that are deleted in the block."""
    provider = _index_of(storage, index)
    try:
        yield
    finally:
        if provider is not None:
            await provider.close()


def _index_of(storage: Storage, index: str | None) -> RecallProvider | None:
    if index is not None:
        if "://" not in index and not Path(index).exists():
            raise ConfigurationError(f"there is no index {index}")
        return RecallProvider(index, storage=storage)
    try:
        path = getattr(index_beside(storage), "path", None)
    except ConfigurationError:
        return None  # there is no place beside this storage
    return RecallProvider(path, storage=storage) if isinstance(path, Path) and path.exists() else None
