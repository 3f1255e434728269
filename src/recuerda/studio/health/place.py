"""Where a storage keeps its threads: its kind, its size on disk, and whether the threads outlive its process."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal, TypeAlias

import msgspec

from recuerda.storage.contract import Storage

Lasting: TypeAlias = Literal["process", "nothing", "unknown", "kept"]
"""How long threads last.

"process": they are in RAM and end with the process. "nothing": the server keeps nothing on disk. "unknown": the server
does not say. "kept": they are on disk.
"""

FILES = ("", "-wal", "-shm")
"""The endings of the files of a SQLite database."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where threads are.

    Attributes:
        kind: the kind of the storage.
        name: the name of the storage for people, without a password.
        lasting: how long threads last.
        persistence: what a Redis server says that it keeps; None for other storages.
        size_bytes: the size of the storage's file; None if the storage is not one file.
    """

    kind: str
    name: str
    lasting: Lasting
    persistence: str | None = None
    size_bytes: int | None = None


async def place_of(storage: Storage, name: str) -> Place:
    """Return where a storage keeps its threads."""
    persistence: object = getattr(storage, "persistence", None)
    said = persistence if isinstance(persistence, str) else None
    return Place(
        kind=storage.kind,
        name=name,
        lasting=_lasting(storage.kind, said),
        persistence=said,
        size_bytes=await asyncio.to_thread(_size, getattr(storage, "path", None)),
    )


def _lasting(kind: str, persistence: str | None) -> Lasting:
    if kind == "memory":
        return "process"
    if persistence == "none":
        return "nothing"
    return "unknown" if persistence == "unknown" else "kept"


def _size(path: object) -> int | None:
    if not isinstance(path, Path) or not path.is_file():
        return None
    files = [path.with_name(path.name + ending) for ending in FILES]
    return sum(file.stat().st_size for file in files if file.is_file())
