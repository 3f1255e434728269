"""Locks on threads, between everything that writes to one folder: tasks, storages and processes.

A lock is a stripe: one of a fixed number of files, held by the operating system's own file lock, which ends with its
process however that ends. Inside of one storage a mutex comes first, so its tasks queue instead of polling. Waiting
happens in a worker's OS thread and ends with `StorageBusy`.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recuerda.errors import StorageBusy
from recuerda.file.disk import Disk, opened
from recuerda.file.names import STRIPES

FIRST_PAUSE_S = 0.0005
LONGEST_PAUSE_S = 0.02


class StripedLocks:
    """Exclusive locks in a folder of lock files, made when first needed.

    Args:
        folder: for the lock files. They are never deleted, because a lock on a deleted file excludes nobody.
        timeout_s: how long to wait for another process.
        disk: makes the folder.
    """

    def __init__(self, folder: Path, *, timeout_s: float, disk: Disk) -> None:
        self._folder = folder
        self._timeout_s = timeout_s
        self._disk = disk
        self._mutexes = [threading.Lock() for _ in range(STRIPES)]

    @contextmanager
    def hold(self, stripe: int) -> Generator[None, None, None]:
        """Hold a stripe for a `with` block.

        Raises:
            StorageBusy: when somebody else holds it for longer than the timeout.
        """
        deadline = time.monotonic() + self._timeout_s
        mutex = self._mutexes[stripe]
        if not mutex.acquire(timeout=self._timeout_s):
            raise self._busy()
        try:
            with self._opened(stripe) as fd:
                self._lock(fd, deadline)
                try:
                    yield
                finally:
                    # Closing alone would leave it held by a child that was forked meanwhile.
                    _unlock(fd)
        finally:
            mutex.release()

    @contextmanager
    def _opened(self, stripe: int) -> Generator[int, None, None]:
        path = self._folder / f"{stripe:02x}"
        with ExitStack() as stack:
            try:
                fd = stack.enter_context(opened(path, os.O_RDWR | os.O_CREAT))
            except FileNotFoundError:
                self._disk.make_folder(self._folder)
                fd = stack.enter_context(opened(path, os.O_RDWR | os.O_CREAT))
            yield fd

    def _lock(self, fd: int, deadline: float) -> None:
        pause_s = FIRST_PAUSE_S
        while not _try_lock(fd):
            if time.monotonic() + pause_s > deadline:
                raise self._busy()
            time.sleep(pause_s)
            pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)

    def _busy(self) -> StorageBusy:
        folder = self._folder.parent
        return StorageBusy(f"{folder} is being written by somebody else for over {self._timeout_s:g} s; try again")


if sys.platform == "win32":

    def _try_lock(fd: int) -> bool:
        import msvcrt

        try:
            os.lseek(fd, 0, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _unlock(fd: int) -> None:
        import msvcrt

        os.lseek(fd, 0, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:

    def _try_lock(fd: int) -> bool:
        import fcntl

        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _unlock(fd: int) -> None:
        import fcntl

        fcntl.flock(fd, fcntl.LOCK_UN)
