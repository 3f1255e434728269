"""The bytes of a message on the disk: the size of a closed storage's folder, divided by the number of messages."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bench.conversation import Conversation, text_bytes
from bench.floors import open_floor
from bench.library import encode, open_library, seed
from bench.results import DiskSize


async def measure_size(kinds: Sequence[str], sizes: Sequence[int], *, folder: Path) -> list[DiskSize]:
    """Return the sizes of conversations on each kind of storage, except for RAM, which uses no disk."""
    return [await _measure(kind, size, folder) for kind in kinds if kind != "memory" for size in sizes]


async def _measure(kind: str, size: int, folder: Path) -> DiskSize:
    floor_folder, library_folder = folder / f"size-{kind}-{size}-floor", folder / f"size-{kind}-{size}"
    floor_folder.mkdir(parents=True)
    library_folder.mkdir()
    messages = Conversation(size).messages(size)
    floor = open_floor(kind, floor_folder)
    floor.seed(messages)
    floor.close()
    async with open_library(kind, library_folder) as storage:
        await seed(storage, "conversation", encode(messages))
    return DiskSize(
        storage=kind,
        messages=size,
        text_bytes=text_bytes(messages) / size,
        floor_bytes=_bytes_in(floor_folder) / size,
        recuerda_bytes=_bytes_in(library_folder) / size,
    )


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
