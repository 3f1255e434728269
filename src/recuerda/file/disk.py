"""File operations: write all bytes or none, sync to the disk, and put a file in place.

Reads and writes name their offset and use plain descriptors, because a buffered file cannot tell how many bytes of a
failed write reached the file.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recuerda._drivers.identity import StrPath, in_place
from recuerda._drivers.private_files import make_private_folder, open_private
from recuerda.errors import StorageUnavailable
from recuerda.file.os_locks import claimed

_SHARING_TIMEOUT_S = 5.0
# Windows syncs a file only through a descriptor that can write.
_SYNCABLE = os.O_RDWR if sys.platform == "win32" else os.O_RDONLY


class opened:  # noqa: N801 - used like a function
    """Open a descriptor for a `with` block. A file that this makes is for its owner alone.

    A class costs a fifth of a generator, and each turn opens three files.
    """

    __slots__ = ("_fd",)

    def __init__(self, path: StrPath, flags: int) -> None:
        self._fd = open_private(path, flags)

    def __enter__(self) -> int:
        return self._fd

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def read_at(fd: int, offset: int, size: int) -> bytes:
    """Return `size` bytes from `offset` on, or fewer bytes at the end of the file."""
    data = pread(fd, size, offset)
    while len(data) < size and (more := pread(fd, size - len(data), offset + len(data))):
        data += more
    return data


def write_at(fd: int, offset: int, data: bytes) -> None:
    """Write all of `data` at `offset`, usually in one system call."""
    written = pwrite(fd, data, offset)
    while written < len(data):
        written += pwrite(fd, memoryview(data)[written:], offset + written)


def check_in_place(path: StrPath, fd: int) -> os.stat_result:
    """Check, before a write is acknowledged, that the name of an open file leads to it. Return the file's facts.

    Raises:
        StorageUnavailable: the file was removed, renamed or replaced during the write.
    """
    if (found := in_place(path, fd)) is None:
        raise StorageUnavailable(
            f"{path} was removed, renamed or replaced during a write, which is not acknowledged: try again"
        )
    return found


class Disk:
    """Writes files as durably as the storage promises.

    Args:
        fsync: True writes through to the disk. False hands the bytes to the operating system.
    """

    def __init__(self, *, fsync: bool) -> None:
        self._fsync = fsync

    def extend(self, path: StrPath, fd: int, offset: int, lines: bytes) -> os.stat_result:
        """Write whole lines as the end of an open file, from `offset` on, and return the facts about the file.

        After a failure, the file ends at `offset`.

        The last newline is written after the sync. A reader counts a line once its newline is there, so it never sees a
        line whose sync then fails. The lock tells readers that the writer is still at work.
        """
        with claimed(fd):
            try:
                if self._fsync:
                    write_at(fd, offset, lines[:-1])
                    self.sync(fd)
                    write_at(fd, offset + len(lines) - 1, lines[-1:])
                else:
                    write_at(fd, offset, lines)
                return check_in_place(path, fd)
            except BaseException:
                with suppress(OSError):
                    os.ftruncate(fd, offset)
                raise

    def begin(self, path: str, content: bytes, *, mark_at: int, mark: bytes) -> os.stat_result:
        """Write a file that is new or holds nothing of value, and then set the mark that makes it count.

        Return the facts about the file. After a failure, the file is gone.
        """
        with opened(path, os.O_RDWR | os.O_CREAT) as fd:
            try:
                with claimed(fd):
                    if self._fsync:
                        self.sync_folder(Path(path).parent)
                    os.ftruncate(fd, 0)
                    write_at(fd, 0, content)
                    self.sync(fd)
                    write_at(fd, mark_at, mark)
            except BaseException:
                with suppress(OSError):
                    Path(path).unlink()
                raise
            return check_in_place(path, fd)

    def sync(self, fd: int) -> None:
        """Write the file's content to the disk, and return when it is there."""
        if self._fsync:
            _sync(fd)

    def sync_file(self, path: StrPath) -> None:
        """Write a file's content to the disk, for a reader."""
        if self._fsync:
            with opened(path, _SYNCABLE) as fd:
                _sync(fd)

    def put_in_place(self, new: Path, path: Path) -> None:
        """Give a finished and synced file its name in one atomic operation. The file with that name is replaced."""
        _retried(lambda: new.replace(path))
        self.sync_folder(path.parent)

    def remove(self, path: Path) -> bool:
        """Delete a file for good; return False if there is none."""
        was_there = self.unlink(path)
        if was_there:
            self.sync_folder(path.parent)
        return was_there

    def unlink(self, path: Path) -> bool:
        """Delete a file; return False if there is none."""
        try:
            _retried(path.unlink)
        except FileNotFoundError:
            return False
        return True

    def make_folder(self, path: Path) -> None:
        """Make a folder, with any missing folders above it."""
        for folder in make_private_folder(path):
            self.sync_folder(folder.parent)

    def sync_folder(self, folder: Path) -> None:
        """Write the names in a folder to the disk. Windows has no such call and needs none."""
        if self._fsync and sys.platform != "win32":
            with opened(folder, os.O_RDONLY) as fd:
                os.fsync(fd)


if sys.platform == "win32":
    _sync = os.fsync
elif sys.platform == "darwin":

    def _sync(fd: int) -> None:
        import fcntl

        # On macOS, fsync(2) stops at the drive's cache. Not every file system has the stronger call.
        try:
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        except OSError:
            os.fsync(fd)

else:

    def _sync(fd: int) -> None:
        os.fdatasync(fd)


if sys.platform == "win32":

    def pread(fd: int, size: int, offset: int, /) -> bytes:
        """Read from an offset, as `os.pread` of the other systems."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.read(fd, size)

    def pwrite(fd: int, data: bytes | memoryview, offset: int, /) -> int:
        """Write at an offset, as `os.pwrite` of the other systems."""
        os.lseek(fd, offset, os.SEEK_SET)
        return os.write(fd, data)

else:
    pread, pwrite = os.pread, os.pwrite


def _retried(step: Callable[[], object]) -> None:
    """Run a step, and repeat it if Windows refuses it, because a reader may have the file open for a moment."""
    deadline = time.monotonic() + (_SHARING_TIMEOUT_S if sys.platform == "win32" else 0.0)
    while True:
        try:
            step()
        except PermissionError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.005)
        else:
            return
