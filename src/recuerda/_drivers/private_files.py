"""Files and folders that only their owner may enter, read and write.

Conversations are private, so a new file gets the mode 0600 and a new folder 0700. A stricter umask makes them stricter.
A file or folder that exists keeps its mode, because the person who made it may share it on purpose. Windows has no such
modes; there, a file gets the permissions of its folder.
"""

from __future__ import annotations

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

FILE_MODE = 0o600
FOLDER_MODE = 0o700

_BINARY: int = getattr(os, "O_BINARY", 0)
_making = threading.Lock()


def open_private(path: str | os.PathLike[str], flags: int) -> int:
    """Open a descriptor, as `os.open`. A file that this makes is private. It can be the opener of `open`."""
    return os.open(path, flags | _BINARY, FILE_MODE)


def keep_mode(old: Path, new: Path) -> None:
    """Give the mode of an existing file to the file that is about to replace it."""
    if old.exists():
        new.chmod(stat.S_IMODE(old.stat().st_mode))


def make_private_folder(path: Path) -> list[Path]:
    """Make a folder with any missing folders above it. Return the folders that were missing, the innermost first."""
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]
    for folder in reversed(missing):
        folder.mkdir(FOLDER_MODE, exist_ok=True)
    path.mkdir(FOLDER_MODE, exist_ok=True)  # raises FileExistsError if a file has this name
    return missing


def make_private_file(path: Path) -> None:
    """Make an empty file if there is none, for SQLite, which would give a new file the mode 0644.

    SQLite gives the mode of this file to the files that it makes beside it (`-wal`, `-shm` and `-journal`).
    """
    # SQLite follows a link whose target is missing, and makes the target.
    target = path.resolve()
    # Closing a descriptor drops the locks that SQLite has on the same file in this process. The lock here makes sure
    # that nobody else opens the new file before the descriptor is closed.
    with _making:
        if not target.exists():
            with suppress(FileExistsError):  # another process was faster
                os.close(open_private(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL))
