"""Locks on threads, between all writers of one folder: tasks, storages and processes.

Each thread has a stripe, one of a fixed number of lock files. The operating system locks the file, and unlocks it when
the process ends for any reason. Within one storage, a mutex is taken first, so that its writers do not poll. A writer
waits in an OS thread of the pool, and raises `StorageBusy` after the timeout; `workers.py` cares for the others.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from recuerda._drivers.identity import is_in_place
from recuerda.errors import StorageBusy
from recuerda.file.disk import Disk, opened
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

    @contextmanager
    def hold(self, stripe: int) -> Generator[None, None, None]:
        """Hold a stripe for a `with` block.

        Raises:
            StorageBusy: another writer holds it for longer than the timeout.
        """
        deadline = time.monotonic() + self._timeout_s
        mutex = self._mutexes[stripe]
        if not mutex.acquire(timeout=self._timeout_s):
            raise self._busy()
        try:
            with self._locked(stripe, deadline):
                yield
        finally:
            mutex.release()

    @contextmanager
    def _locked(self, stripe: int, deadline: float) -> Generator[None, None, None]:
        path = lock_file(self._folder, stripe)
        while True:
            with self._opened(path) as fd:
                has_waited = not try_lock(fd)
                if has_waited and not wait_for_lock(fd, deadline):
                    raise self._busy()
                try:
                    # A lock on a file that was removed meanwhile excludes nobody.
                    if not has_waited or is_in_place(path, fd):
                        yield
                        return
                finally:
                    # The file is unlocked before it is closed: otherwise a child that was forked in the meantime would
                    # keep the lock.
                    unlock(fd)

    @contextmanager
    def _opened(self, path: Path) -> Generator[int, None, None]:
        with ExitStack() as stack:
            try:
                fd = stack.enter_context(opened(path, os.O_RDWR | os.O_CREAT))
            except FileNotFoundError:
                self._place.check()
                self._disk.make_folder(self._folder)
                fd = stack.enter_context(opened(path, os.O_RDWR | os.O_CREAT))
            yield fd

    def _busy(self) -> StorageBusy:
        folder = self._folder.parent
        return StorageBusy(f"another writer has locked {folder} for more than {self._timeout_s:g} s: try again")
