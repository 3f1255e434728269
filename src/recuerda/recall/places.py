"""Where an index lives, unless one is given: beside its storage, named after it."""

from __future__ import annotations

import os
from pathlib import Path

from recuerda.errors import ConfigurationError
from recuerda.recall.index import RecallIndex
from recuerda.recall.sqlite import SQLiteRecallIndex
from recuerda.storage.contract import Storage


def opened_index(given: str | os.PathLike[str] | RecallIndex) -> tuple[RecallIndex, bool]:
    """Return the index that is given or named by a URL or path; and whether it was opened here.

    Raises:
        ConfigurationError: a URL is not that of an index.
    """
    if isinstance(given, RecallIndex):
        return given, False
    if isinstance(given, str) and given.startswith(("postgresql://", "postgres://")):
        from recuerda.recall.postgres import PostgresRecallIndex

        return PostgresRecallIndex.from_url(given), True
    if isinstance(given, str) and "://" in given:
        return SQLiteRecallIndex.from_url(given), True
    return SQLiteRecallIndex(given), True


def index_beside(storage: Storage) -> RecallIndex:
    """Return the index of a storage: a file beside its own, or in RAM for threads in RAM.

    Raises:
        ConfigurationError: the storage is elsewhere, or encrypts what the index would hold in plain text.
    """
    if storage.kind == "memory":
        return SQLiteRecallIndex(":memory:")
    if storage.kind == "encrypted":
        raise ConfigurationError(
            "the threads are encrypted and an index of memories is not: if that is what you want, say where it may "
            'be, as in RecallProvider("memory.recall.db"), on a disk that is encrypted itself'
        )
    path = getattr(storage, "path", None)
    if not isinstance(path, Path):
        raise ConfigurationError(
            f"a storage of kind {storage.kind!r} has no place beside it for an index of memories: name one, as in "
            'RecallProvider("memory.recall.db")'
        )
    stem = path.name.removesuffix(".db")
    return SQLiteRecallIndex(path.with_name(f"{stem}.recall.db"))
