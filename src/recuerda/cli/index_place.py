"""The place of the index that the commands `recall` and `threads --search` keep."""

from __future__ import annotations

from recuerda.errors import ConfigurationError
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
