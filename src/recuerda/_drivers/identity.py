"""The identity of files and folders: it shows whether a name still leads to the file that was opened by this name."""

from __future__ import annotations

import os
from typing import TypeAlias

StrPath: TypeAlias = "str | os.PathLike[str]"
Identity: TypeAlias = tuple[int, int]
"""The device and the number of a file. The number is not given to another file while this one is open."""


def identity(path: StrPath) -> Identity | None:
    """Return the identity of the file or folder to which a name leads; None if there is none."""
    found = _facts(path)
    return None if found is None else (found.st_dev, found.st_ino)


def in_place(path: StrPath, fd: int) -> os.stat_result | None:
    """Return the facts about the file that a descriptor has open; None if the name does not lead to it."""
    found = _facts(path)
    return found if found is not None and os.path.samestat(found, os.fstat(fd)) else None


def _facts(path: StrPath) -> os.stat_result | None:
    try:
        return os.stat(path)  # noqa: PTH116 - costs less than the method, and each turn calls it
    except (FileNotFoundError, NotADirectoryError):
        return None


def change(*, is_gone: bool) -> str:
    """Return the words for what has happened to a name."""
    return f"was {'removed or renamed' if is_gone else 'replaced'} while it was open"
