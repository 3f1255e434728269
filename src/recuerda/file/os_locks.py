"""Locks of the operating system on open files. The system frees a lock when its process ends for any reason.

A lock belongs to the descriptor with which it was taken, so two descriptors in one process exclude each other too.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager

FIRST_PAUSE_S = 0.0005
LONGEST_PAUSE_S = 0.02
_CLAIM_TIMEOUT_S = 5.0


def wait_for_lock(fd: int, deadline: float) -> bool:
    """Lock a file. Return False if another descriptor still has the lock at `deadline`, a monotonic time."""
    pause_s = FIRST_PAUSE_S
    while not try_lock(fd):
        if time.monotonic() + pause_s > deadline:
            return False
        time.sleep(pause_s)
        pause_s = min(pause_s * 1.5, LONGEST_PAUSE_S)
    return True


class claimed:  # noqa: N801 - used like a function
    """Hold the lock of the file that is being written, for a `with` block.

    Readers hold it for a moment only, and only if they meet an unfinished line.

    Raises:
        TimeoutError: a reader does not let the file go.
    """

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def __enter__(self) -> None:
        if not try_lock(self._fd) and not wait_for_lock(self._fd, time.monotonic() + _CLAIM_TIMEOUT_S):
            raise TimeoutError("a reader has stopped while it held the file")

    def __exit__(self, *_: object) -> None:
        # The file is unlocked before it is closed: otherwise a child that was forked in the meantime would keep the
        # lock.
        unlock(self._fd)


@contextmanager
def shared(fd: int) -> Generator[bool, None, None]:
    """Keep writers out of a file for a `with` block. The block gets False if a writer is at work."""
    if not try_lock(fd, is_shared=True):
        yield False
        return
    try:
        yield True
    finally:
        unlock(fd)


if sys.platform == "win32":
    # A lock on Windows keeps readers out of the locked byte, so this byte is far behind the content.
    _LOCKED_BYTE = 2**31 - 2

    def try_lock(fd: int, *, is_shared: bool = False) -> bool:  # noqa: ARG001 - as on the other systems
        """Lock a file, and return False if another descriptor has the lock. Windows has exclusive locks only."""
        import msvcrt

        try:
            os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
            msvcrt.locking(fd, msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Free the lock."""
        import msvcrt

        os.lseek(fd, _LOCKED_BYTE, os.SEEK_SET)
        msvcrt.locking(fd, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def try_lock(fd: int, *, is_shared: bool = False) -> bool:
        """Lock a file, and return False if another descriptor has the lock. Shared locks do not exclude each other."""
        try:
            fcntl.flock(fd, (fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def unlock(fd: int) -> None:
        """Free the lock."""
        fcntl.flock(fd, fcntl.LOCK_UN)
