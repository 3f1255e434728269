"""Notices that the names of an open SQLite file lead elsewhere.

SQLite works on open files and does not look at their names again. If somebody removes, renames or replaces the
database, its `-wal` or its `-shm`, a commit succeeds, and no program that opens the file later finds the commit. See
"unlinking or renaming a database file while in use" in https://sqlite.org/howtocorrupt.html

A check costs one `stat` of the folder: a file loses its name only if its folder changes. If the folder has changed, or
changed so recently that a second change could have the same time, the check looks at the files themselves.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable
from pathlib import Path

from recuerda._drivers.identity import Identity, change, identity
from recuerda._drivers.private_files import make_private_file, make_private_folder
from recuerda.errors import StorageUnavailable

SETTLED_NS = 3 * 10**9
"""The age of a folder's last change from which on a later change has another time. FAT counts in steps of 2 seconds."""


class OpenFile:
    """The names of a SQLite file that a connection has open: the database, its `-wal` and its `-shm`.

    Make it when the connection has just read or written for the first time.
    """

    def __init__(self, path: Path) -> None:
        real = path.resolve()
        self.identity: Identity | None = identity(path)
        self._path = path
        self._folder = os.fsencode(real.parent)  # a `stat` of bytes costs a quarter less than that of a path
        self._link: Path | None = None if real == path else path
        companions = {Path(f"{real}{suffix}"): identity(Path(f"{real}{suffix}")) for suffix in ("-wal", "-shm")}
        self._files = {path: self.identity, **{name: found for name, found in companions.items() if found is not None}}
        self._proven: tuple[int, int, int, int] | None = None

    def problem(self) -> str | None:
        """Return what has happened to the names, and what to do; None if they still lead to the open files."""
        try:
            found = os.stat(self._folder)  # noqa: PTH116 - see `__init__`
        except (FileNotFoundError, NotADirectoryError):
            return self._look(None)
        stamp = (found.st_ino, found.st_mtime_ns, found.st_ctime_ns, found.st_dev)
        if stamp == self._proven and (self._link is None or identity(self._link) == self.identity):
            return None
        return self._look(stamp)

    def _look(self, stamp: tuple[int, int, int, int] | None) -> str | None:
        for name, before in self._files.items():
            now = identity(name)
            if now is None or now != before:
                return _told(self._path, name, is_gone=now is None)
        is_settled = stamp is not None and time.time_ns() - stamp[1] > SETTLED_NS
        self._proven = stamp if is_settled else None
        return None


class Place:
    """The place of one storage's file. All connections of the storage have to open the same file there.

    Attributes:
        path: the absolute path, because a later change of the working directory must not change the file.
        problem: what has happened to the file, and what to do; None while nothing has. A problem stays: the storage has
            to be closed and opened again, since a connection to another file would mix two histories.
    """

    def __init__(self, path: Path) -> None:
        self.path: Path = path.absolute()
        self.problem: str | None = None
        self._identity: Identity | None = None
        self._mutex = threading.Lock()

    def open(self, connect: Callable[[], sqlite3.Connection]) -> tuple[sqlite3.Connection, OpenFile]:
        """Open a connection with `connect`, which opens `path`. Make the file and its folder if they never were there.

        Raises:
            StorageUnavailable: the file is not the one that this storage has had open before.
        """
        if self._identity is None:
            make_private_folder(self.path.parent)
            make_private_file(self.path)
        before = identity(self.path)
        self._check_identity(before)
        connection = connect()
        try:
            file = OpenFile(self.path)
            with self._mutex:
                self._check_identity(file.identity)
                if file.identity is None or file.identity != before:
                    raise StorageUnavailable(f"{self.path} was replaced while it was being opened: try again")
                self._identity = file.identity
        except BaseException:
            connection.close()
            raise
        return connection, file

    def check(self, file: OpenFile) -> None:
        """Check that the names of an open file still lead to it.

        Raises:
            StorageUnavailable: they do not.
        """
        if (problem := self.problem or file.problem()) is not None:
            self.problem = problem
            raise StorageUnavailable(problem)

    def _check_identity(self, now: Identity | None) -> None:
        if self.problem is None and self._identity is not None and now != self._identity:
            self.problem = _told(self.path, self.path, is_gone=now is None)
        if self.problem is not None:
            raise StorageUnavailable(self.problem)


def _told(path: Path, name: Path, *, is_gone: bool) -> str:
    if name != path:
        next_step = (
            "Close the storages of this file in all programs, so that SQLite saves what it can, and open it again."
        )
    elif is_gone:
        next_step = (
            "Put the file back, together with its -wal, or restore a backup. Then close the storage and open it again."
        )
    else:
        next_step = "Close the storage and open it again, to work with the new file."
    return f"{name} {change(is_gone=is_gone)}, so nothing more is acknowledged. {next_step}"
