"""The modes of the files that recuerda makes."""

import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def umask(value: int) -> Generator[None]:
    """Set this process's umask for a `with` block. With 0, a file gets exactly the mode that its program asks for."""
    before = os.umask(value)
    try:
        yield
    finally:
        os.umask(before)


def modes_in(folder: Path) -> dict[str, int]:
    """Return the modes of all files and folders in a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.lstat().st_mode & 0o777 for path in sorted(folder.rglob("*"))}


def shared_in(folder: Path) -> list[str]:
    """Return the files and folders in a folder that the group or others may use in any way."""
    return [name for name, mode in modes_in(folder).items() if mode & 0o077]
