"""A copy of a folder of threads while other programs use it: each thread is copied under its lock.

So each thread in the copy is whole, with its draft and its blobs. The copy is not the state of one moment: two threads
may be copied at different times, and a thread that begins meanwhile may be missing. Leases and locks are not copied.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from recuerda._drivers.private_files import make_private_folder, open_private
from recuerda.file.disk import Disk
from recuerda.file.locks import StripedLocks
from recuerda.file.names import BLOBS_SUFFIX, DRAFT_SUFFIX, LEASE_SUFFIX, is_log_name, stripe_of
from recuerda.file.place import Place

BUSY_TIMEOUT_S = 10.0
_CHUNK = 1024 * 1024


def back_up(source: Path, target: Path, *, progress: Callable[[int, int], None]) -> None:
    """Copy a folder of threads to a folder that does not exist yet. After a failure, there is no copy.

    Args:
        source: the folder of threads.
        target: the copy. It is made for its owner alone.
        progress: is called with the number of copied files and the number of all files.

    Raises:
        StorageBusy: a writer holds a thread for too long.
        OSError: a file cannot be read, or the copy cannot be written.
    """
    disk = Disk(fsync=True)
    locks = StripedLocks(source / ".locks", timeout_s=BUSY_TIMEOUT_S, disk=disk, place=Place(source))
    names = [path.name for path in source.iterdir() if _is_copied(path)]
    by_stripe: defaultdict[int, list[str]] = defaultdict(list)
    for name in sorted(names):
        by_stripe[stripe_of(name)].append(name)
    done = 0
    try:
        make_private_folder(target)
        for stripe, together in sorted(by_stripe.items()):
            with locks.hold(stripe):
                for name in together:
                    with suppress(FileNotFoundError):  # the thread was deleted, or its turn was committed
                        _copy(source / name, target / name, disk)
            done += len(together)
            progress(done, len(names))
        disk.sync_folder(target)
    except BaseException:
        shutil.rmtree(target, ignore_errors=True)
        raise


def is_replaceable(folder: Path) -> bool:
    """Return whether a folder holds nothing but files of threads, so that a backup may replace it."""
    return all(
        is_log_name(path.name.removesuffix(".new"))
        or path.suffix in (DRAFT_SUFFIX, LEASE_SUFFIX, BLOBS_SUFFIX)
        or path.name == ".locks"
        for path in folder.iterdir()
    )


def _is_copied(path: Path) -> bool:
    return is_log_name(path.name) or path.suffix in (DRAFT_SUFFIX, BLOBS_SUFFIX)


def _copy(source: Path, target: Path, disk: Disk) -> None:
    if source.is_dir():
        make_private_folder(target)
        for blob in source.iterdir():
            _copy(blob, target / blob.name, disk)
        disk.sync_folder(target)
        return
    new_file = os.O_WRONLY | os.O_CREAT | os.O_EXCL
    with source.open("rb") as old, os.fdopen(open_private(target, new_file), "wb") as new:
        shutil.copyfileobj(old, new, _CHUNK)
        new.flush()
        disk.sync(new.fileno())
