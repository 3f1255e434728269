"""A whole copy of a file of threads while other programs use it, made by SQLite's online backup.

The copy is the state of one moment. A read transaction holds this state, so writers go on, and the copy does not begin
again when they commit. Only SQLite opens the file here. A plain copy inside of a process that uses the file would close
a descriptor of the file, and this drops all locks that the process holds on it (section 2.2 of
https://sqlite.org/howtocorrupt.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from recuerda._drivers.private_files import make_private_file
from recuerda._drivers.sqlite import delete_files
from recuerda.errors import StorageUnavailable
from recuerda.sqlite.schema import APPLICATION_ID
from recuerda.sqlite.snapshots import Snapshot

STEP_PAGES = 256
"""The number of pages that are copied between two reports of the progress."""

_HEAD_BYTES = 100
"""The size of a database's header (https://www.sqlite.org/fileformat.html#the_database_header)."""


def back_up(source: Path, target: Path, *, progress: Callable[[int, int], None]) -> None:
    """Copy a file of threads to a file that does not exist yet, and check the copy. After a failure, there is no copy.

    Args:
        source: the file of threads.
        target: the copy. It is made for its owner alone.
        progress: is called with the number of copied pages and the number of all pages.

    Raises:
        StorageUnavailable: the source is not a file of threads, or the copy is damaged.
        sqlite3.Error: the source cannot be read, or the copy cannot be written.
    """
    try:
        with closing(_opened(source)) as threads:
            make_private_file(target)
            with closing(_opened(target)) as copy:
                _copy(threads, copy, source, progress)
                _check(copy, source)
    except BaseException:
        delete_files(target)
        raise


def is_replaceable(path: Path) -> bool:
    """Return whether a file is empty or a file of threads, so that a backup may replace it."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    return not head or (head[:16], head[68:72]) == (b"SQLite format 3\0", APPLICATION_ID.to_bytes(4))


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=rw", uri=True, isolation_level=None)


def _copy(
    threads: sqlite3.Connection, copy: sqlite3.Connection, source: Path, progress: Callable[[int, int], None]
) -> None:
    with Snapshot(threads):
        if threads.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StorageUnavailable(f"{source} is not a file of threads, so it is not copied; check the name")
        threads.backup(copy, pages=STEP_PAGES, progress=lambda _, left, total: progress(total - left, total))


def _check(copy: sqlite3.Connection, source: Path) -> None:
    (first,) = copy.execute("PRAGMA integrity_check(1)").fetchone()
    if first != "ok":
        raise StorageUnavailable(
            f"{source} is damaged, so no copy was kept: {first}; keep the older backups, and try sqlite3's .recover"
        )
