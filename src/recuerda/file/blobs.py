"""The bytes of files that turns name: a folder beside a thread's own file, with one file for each blob.

A blob is written and synced under the name of its digest with `.new` before the line of its turn is written, and gets
its own name afterwards. So a line never names bytes that are not on the disk, and a file that still has `.new` shows
that its writer was killed. The next writer of a blob looks which lines name it, and keeps or removes it. A reader reads
such a file if a line names it. The caller of every function that writes holds the thread's lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from recuerda.file.disk import Disk, opened, write_at
from recuerda.file.log import Log
from recuerda.file.names import NEW_SUFFIX, ThreadFiles
from recuerda.storage.records import Blob


def write_blobs(
    files: ThreadFiles, disk: Disk, blobs: Iterable[Blob], *, log: Log | None, replaces: bool = False
) -> None:
    """Write the blobs of turns that are about to be written.

    A blob that the thread already holds is not written again, unless `replaces` is True. Its bytes are then in place
    until `finish_blobs` puts the new bytes over them.
    """
    if log is None:
        remove_blobs(files)  # of a thread whose own file somebody has deleted
    disk.make_folder(files.blobs)
    _settle(files, log)
    for blob in blobs:
        if replaces or not (files.blobs / blob.digest).exists():
            _write(files.blobs / f"{blob.digest}{NEW_SUFFIX}", disk, blob.data)
    disk.sync_folder(files.blobs)


def finish_blobs(files: ThreadFiles, digests: Iterable[str]) -> None:
    """Give blobs their own names, after the lines of their turns were written."""
    for digest in digests:
        with suppress(OSError):  # it is held already, or the next writer gives the name
            (files.blobs / f"{digest}{NEW_SUFFIX}").replace(files.blobs / digest)


def release_blobs(files: ThreadFiles, disk: Disk, digests: Iterable[str]) -> None:
    """Delete blobs that no turn names any more."""
    gone = [disk.unlink(files.blobs / f"{digest}{suffix}") for digest in digests for suffix in ("", NEW_SUFFIX)]
    if any(gone):
        disk.sync_folder(files.blobs)


def sweep_blobs(files: ThreadFiles, disk: Disk, log: Log | None) -> None:
    """Delete the blobs that no turn of a thread names, after a removal or after a writer was killed."""
    if files.blobs.exists():
        release_blobs(files, disk, _held(files) - named_blobs(log))


def remove_blobs(files: ThreadFiles) -> None:
    """Delete all blobs of a thread."""
    with suppress(FileNotFoundError):
        shutil.rmtree(files.blobs)


def named_blobs(log: Log | None) -> set[str]:
    """Return the digests that the turns of a thread name. This reads the whole thread."""
    return {digest for _, record in log.records() for digest in record.blobs} if log else set[str]()


def read_blobs(files: ThreadFiles, digests: Sequence[str], *, is_named: Callable[[str], bool]) -> dict[str, bytes]:
    """Return the bytes of blobs by their digests. A digest that the thread does not hold is left out.

    `is_named` returns whether a turn names a blob. It is called for a blob whose writer was killed, or is at work.
    """
    found: dict[str, bytes] = {}
    for digest in digests:
        with suppress(FileNotFoundError):
            found[digest] = (files.blobs / digest).read_bytes()
            continue
        if not files.blobs.exists() or not is_named(digest):
            continue
        for name in (f"{digest}{NEW_SUFFIX}", digest):  # the writer may give it its name at this moment
            with suppress(FileNotFoundError):
                found[digest] = (files.blobs / name).read_bytes()
                break
    return found


def _settle(files: ThreadFiles, log: Log | None) -> None:
    """Keep or remove the blobs of writers that were killed."""
    left = [path for path in files.blobs.iterdir() if path.name.endswith(NEW_SUFFIX)]
    if not left:
        return
    named = named_blobs(log)
    for path in left:
        if path.stem in named:
            path.replace(path.with_suffix(""))
        else:
            path.unlink()


def _held(files: ThreadFiles) -> set[str]:
    return {path.name.removesuffix(NEW_SUFFIX) for path in files.blobs.iterdir()}


def _write(path: Path, disk: Disk, data: bytes) -> None:
    try:
        with opened(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC) as fd:
            write_at(fd, 0, data)
            disk.sync(fd)
    except BaseException:
        with suppress(OSError):
            path.unlink()
        raise
