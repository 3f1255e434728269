"""A thread's lease: a small file beside the thread's own, which names the holder and the end of the lease.

The end is a reading of the machine's monotonic clock, which no process can put back. All processes on a machine share
that clock, but it begins anew when the machine starts, and other machines have their own. So the file also names the
machine's start. A process that finds the lease of another start waits for as long as the lease was given for, counted
by its own clock from the moment at which it saw the lease first.
"""

from __future__ import annotations

import os
import threading
import time
from contextlib import suppress
from itertools import islice
from pathlib import Path

import msgspec

from recuerda.file.disk import check_in_place, opened, read_at, write_at
from recuerda.file.names import LEASE_SUFFIX
from recuerda.ids import new_id
from recuerda.storage.leases import LeaseInfo

MAX_SEEN = 1_000
"""The largest number of leases of other machines that a process remembers."""

_LONGEST = 4096


class LeaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """The content of a lease's file.

    Attributes:
        thread_id: the thread.
        holder: the id of the holder.
        until_us: the end, in microseconds of the monotonic clock.
        ttl_us: the time for which the lease was given.
        boot: the id of the machine's start.
        renewal: a random id, new with each renewal.
    """

    thread_id: str
    holder: str
    until_us: int
    ttl_us: int
    boot: str
    renewal: str


class Leases:
    """The leases of the threads in a folder. The caller holds the thread's lock."""

    def __init__(self) -> None:
        self._boot = _boot_id()
        self._seen: dict[str, int] = {}
        self._mutex = threading.Lock()

    def take(self, path: Path, thread_id: str, holder: str, ttl_us: int) -> bool:
        """Give the lease to a holder; return False if another holder has it."""
        now_us = time.monotonic_ns() // 1000
        with opened(path, os.O_RDWR | os.O_CREAT) as fd:
            held = _read(fd)
            if held is not None and held.holder != holder and now_us < self._end_of(held, now_us):
                return False
            line = LeaseLine(
                thread_id=thread_id,
                holder=holder,
                until_us=now_us + ttl_us,
                ttl_us=ttl_us,
                boot=self._boot,
                renewal=new_id(),
            )
            os.ftruncate(fd, 0)
            write_at(fd, 0, msgspec.json.encode(line) + b"\n")
            check_in_place(path, fd)
        return True

    def release(self, path: Path, holder: str) -> None:
        """Free the lease if this holder has it."""
        held = None
        with suppress(FileNotFoundError), opened(path, os.O_RDONLY) as fd:
            held = _read(fd)
        if held is not None and held.holder == holder:
            path.unlink(missing_ok=True)

    def list_held(self, folder: Path, limit: int) -> list[LeaseInfo]:
        """Return leases in a folder that have not ended, at most `limit`. No lock is needed."""
        infos = (self._info(path) for path in folder.glob(f"*{LEASE_SUFFIX}"))
        return list(islice((info for info in infos if info is not None), limit))

    def _info(self, path: Path) -> LeaseInfo | None:
        """Return the lease in a file; None if it has ended or is being written."""
        try:
            with opened(path, os.O_RDONLY) as fd:
                held, written_ns = _read(fd), os.fstat(fd).st_mtime_ns
        except FileNotFoundError:
            return None
        if held is None:
            return None
        if held.boot == self._boot:
            left_us = held.until_us - time.monotonic_ns() // 1000
        else:  # only wall clocks can tell, which is good enough to be shown
            left_us = held.ttl_us - (time.time_ns() - written_ns) // 1000
        return LeaseInfo(thread_id=held.thread_id, left_us=left_us) if left_us > 0 else None

    def _end_of(self, held: LeaseLine, now_us: int) -> int:
        if held.boot == self._boot:
            return held.until_us
        with self._mutex:
            if held.renewal not in self._seen and len(self._seen) >= MAX_SEEN:
                del self._seen[next(iter(self._seen))]
            return self._seen.setdefault(held.renewal, now_us) + held.ttl_us


def _read(fd: int) -> LeaseLine | None:
    try:
        return msgspec.json.decode(read_at(fd, 0, _LONGEST), type=LeaseLine)
    except msgspec.DecodeError:
        return None  # a process ended while it wrote the lease


def _boot_id() -> str:
    """Return the id of the machine's present start. A system that has none gives each process an id of its own."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return new_id()
