"""The place of an index: the given place, or a file beside the storage's file and named after it."""

from __future__ import annotations

import os
from pathlib import Path

from recuerda.errors import ConfigurationError
from recuerda.recall.index import RecallIndex
from recuerda.recall.sqlite import SQLiteRecallIndex
from recuerda.storage.contract import Storage


def opened_index(given: str | os.PathLike[str] | RecallIndex) -> tuple[RecallIndex, bool]:
    """Return the index, opened if a URL or path is given, and whether it was opened here.

    Raises:
        ConfigurationError: the URL does not name an index.
    """
    if isinstance(given, RecallIndex):
        return given, False
    if isinstance(given, str) and given.startswith(("postgresql://", "postgres://")):
        from recuerda.recall.postgres import PostgresRecallIndex

        return PostgresRecallIndex.from_url(given), True
    if isinstance(given, str) and ("://" in given or given.startswith("sqlite:")):
        return SQLiteRecallIndex.from_url(given), True
    return SQLiteRecallIndex(given), True


def index_beside(storage: Storage) -> RecallIndex:
    """Return the index of a storage: a file beside the storage's file, or an index in RAM for threads in RAM.

    Raises:
        ConfigurationError: the storage is neither a file nor RAM, or it encrypts threads, which the index would hold in
            plain text.
    """
    if storage.kind == "memory":
        return SQLiteRecallIndex(":memory:")
    if storage.kind == "encrypted":
        raise ConfigurationError(
            "the threads are encrypted, but an index of memories is plain text; if you accept that, give a path on an "
            'encrypted disk, as in RecallProvider("memory.recall.db")'
        )
    path = getattr(storage, "path", None)
    if not isinstance(path, Path):
        raise ConfigurationError(
            f"a storage of kind {storage.kind!r} has no folder for an index of memories; give a path for the index, "
            'as in RecallProvider("memory.recall.db")'
        )
    stem = path.name.removesuffix(".db")
    return SQLiteRecallIndex(path.with_name(f"{stem}.recall.db"))
