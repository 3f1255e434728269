"""Fixtures of the tests of JSON Lines files: a folder, the storage on it, one thread's file, and the reads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda.file import FileStorage, disk
from recuerda.file.names import files_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "threads"


@pytest.fixture
async def storage(folder: Path) -> AsyncIterator[FileStorage]:
    async with FileStorage(folder) as storage:
        yield storage


@pytest.fixture
def log(folder: Path) -> Path:
    """Give the file of thread "a"."""
    return files_of(folder, "a").log


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Give the sizes of all reads from files, as they happen."""
    sizes: list[int] = []
    read = disk.pread

    def counted(fd: int, size: int, offset: int) -> bytes:
        data = read(fd, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(disk, "pread", counted)
    return sizes
