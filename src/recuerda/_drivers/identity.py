"""The identity of files and folders: it shows whether a name still leads to the file that was opened by this name."""

from __future__ import annotations

import os
from typing import TypeAlias

StrPath: TypeAlias = "str | os.PathLike[str]"
Identity: TypeAlias = tuple[int, int]
"""The device and the number of a file. The number is not given to another file while this one is open."""


def identity(path: StrPath) -> Identity | None:
    """Return the identity of the file or folder to which a name leads; None if there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116 - costs less than the method, and each turn calls it
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino


def is_in_place(path: StrPath, fd: int) -> bool:
    """Return whether a name leads to the file that a descriptor has open."""
    found = os.fstat(fd)
    return identity(path) == (found.st_dev, found.st_ino)


def change(*, is_gone: bool) -> str:
    """Return the words for what has happened to a name."""
    return f"was {'removed or renamed' if is_gone else 'replaced'} while it was open"
