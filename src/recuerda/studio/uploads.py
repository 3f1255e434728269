"""The files that somebody has sent to the studio, until their import is confirmed.

They are in a private folder, which goes when the studio ends. Only the newest files wait.
"""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import BinaryIO

from recuerda._drivers.private_files import FOLDER_MODE
from recuerda.ids import new_id

WAITING_FILES = 5
"""The number of files that wait. An older file is deleted."""

_LONGEST_NAME = 80
"""The length of the longest name, in bytes of UTF-8."""


class Uploads:
    """The files that wait for a confirmation."""

    def __init__(self) -> None:
        self._folder: TemporaryDirectory[str] | None = None
        self._paths: dict[str, Path] = {}

    async def keep(self, name: str, content: BinaryIO) -> tuple[str, Path]:
        """Keep a file, and return a random id and its path. The path ends with the name: formats make ids of it."""
        if self._folder is None:
            self._folder = TemporaryDirectory(prefix="recuerda-import-")
        upload_id = new_id()
        path = Path(self._folder.name) / upload_id / _safe(name)
        await asyncio.to_thread(_copy, content, path)
        self._paths[upload_id] = path
        while len(self._paths) > WAITING_FILES:
            self.drop(next(iter(self._paths)))
        return upload_id, path

    def path(self, upload_id: str) -> Path | None:
        """Return the path of a file; None if it does not wait any more."""
        return self._paths.get(upload_id)

    def drop(self, upload_id: str) -> None:
        """Delete a file."""
        if (path := self._paths.pop(upload_id, None)) is not None:
            shutil.rmtree(path.parent, ignore_errors=True)

    def close(self) -> None:
        """Delete all files."""
        self._paths.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None


def _copy(content: BinaryIO, path: Path) -> None:
    path.parent.mkdir(FOLDER_MODE)
    with path.open("xb") as kept:
        shutil.copyfileobj(content, kept)


def _safe(name: str) -> str:
    """Return the name of a file without its folder and without odd characters."""
    last = name.replace("\\", "/").rpartition("/")[2]
    kept = "".join(character for character in last if character.isprintable())
    # The limit is one of bytes, as the limit of a file system is. It may cut a character in two.
    end = kept.encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return end.lstrip(".") or "upload"
