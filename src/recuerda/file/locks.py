"""Locks on threads, between all writers of one folder: tasks, storages and processes.

Each thread has a stripe, one of a fixed number of lock files. The operating system locks the file, and unlocks it when
the process ends for any reason. Within one storage, a mutex is taken first, so that its writers do not poll. A writer
waits in an OS thread of the pool, and raises `StorageBusy` after the timeout; `workers.py` cares for the others.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import AbstractContextManager
from pathlib import Path

from recuerda._drivers.identity import in_place
from recuerda._drivers.private_files import open_private
from recuerda.errors import StorageBusy
from recuerda.file.disk import Disk
from recuerda.file.names import STRIPES, lock_file
from recuerda.file.os_locks import try_lock, unlock, wait_for_lock
from recuerda.file.place import Place


class StripedLocks:
    """Exclusive locks on lock files in a folder. A lock file is created when it is first needed.

    Args:
        folder: the folder of the lock files. They are never deleted, because a lock on a deleted file excludes nobody.
        timeout_s: the number of seconds to wait for another process.
        disk: the disk that makes the folder.
        place: the place of the threads, which is checked before the folder is made.
    """

    def __init__(self, folder: Path, *, timeout_s: float, disk: Disk, place: Place) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self._disk = disk
        self._place = place
        self._mutexes = [threading.Lock() for _ in range(STRIPES)]

    def check_wait(self, began: float) -> None:
        """Raise StorageBusy if more than the timeout has passed since `began`, a reading of the monotonic clock."""
        if time.monotonic() - began > self._timeout_s:
            raise self._busy()

    def hold(self, stripe: int, *, waits: bool = True) -> AbstractContextManager[None]:
        """Hold a stripe for a `with` block.

        Args:
            stripe: the stripe.
            waits: False does not wait for another writer.

        Raises:
            StorageBusy: another writer holds it, and for longer than the timeout if this one waits.
        """
        return _Hold(self, stripe, self._timeout_s if waits else 0)

    def take(self, stripe: int, timeout_s: float) -> int:
        """Lock a stripe, and return the descriptor for `free`."""
        deadline = time.monotonic() + timeout_s
        mutex = self._mutexes[stripe]
        if not mutex.acquire(timeout=timeout_s):
            raise self._busy()
        try:
            return self._locked(stripe, deadline)
        except BaseException:
            mutex.release()
            raise

    def free(self, stripe: int, fd: int) -> None:
        """Free a stripe."""
        try:
            # The file is unlocked before it is closed: otherwise a child that was forked in the meantime would keep the
            # lock.
            unlock(fd)
        finally:
            os.close(fd)
            self._mutexes[stripe].release()

    def _locked(self, stripe: int, deadline: float) -> int:
        path = lock_file(self._folder, stripe)
        while True:
            fd = self._opened(path)
            try:
                if try_lock(fd):
                    return fd
                if not wait_for_lock(fd, deadline):
                    raise self._busy()
                # A lock on a file that was removed meanwhile excludes nobody.
                if in_place(path, fd) is not None:
                    return fd
                unlock(fd)
            except BaseException:
                os.close(fd)
                raise
            os.close(fd)

    def _opened(self, path: str) -> int:
        try:
            return open_private(path, os.O_RDWR | os.O_CREAT)
        except FileNotFoundError:
            self._place.check()
            self._disk.make_folder(self._folder)
            return open_private(path, os.O_RDWR | os.O_CREAT)

    def _busy(self) -> StorageBusy:
        folder = self._folder.parent
        return StorageBusy(f"another writer has locked {folder} for more than {self._timeout_s:g} s: try again")


class _Hold:
    """A `with` block that holds a stripe. Each write has one, and a generator would cost five times as much."""

    __slots__ = ("_fd", "_locks", "_stripe", "_timeout_s")

    def __init__(self, locks: StripedLocks, stripe: int, timeout_s: float) -> None:
        self._locks, self._stripe, self._timeout_s = locks, stripe, timeout_s
        self._fd = -1

    def __enter__(self) -> None:
        self._fd = self._locks.take(self._stripe, self._timeout_s)

    def __exit__(self, *_: object) -> None:
        self._locks.free(self._stripe, self._fd)
