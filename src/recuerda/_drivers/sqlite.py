"""Steps that every SQLite file needs: opening it with a write-ahead log, removing copies of deleted text, deleting it.

SQLite overwrites deleted content with zeros (`secure_delete`), but two copies of it may be left. The write-ahead log
keeps earlier pages until it starts anew; `empty_log` removes them. And when SQLite splits a page, the unused part of
the old page keeps a copy of the rows that moved; `rewrite_small` removes it.
"""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Generator
from pathlib import Path

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    sqlite3.Error,
    sqlite3.Warning,
    OSError,
    UnicodeError,  # a path or a text with a lone surrogate
    OverflowError,  # a number with more than 64 bits
)

COMPANIONS = ("-wal", "-shm", "-journal")
"""The suffixes of the files that SQLite keeps beside an open file."""


def switch_to_wal(connection: sqlite3.Connection, *, busy_timeout_s: float) -> None:
    """Give the file a write-ahead log. Wait for up to `busy_timeout_s` seconds while another connection holds it.

    SQLite's own busy timeout does not cover this step: when two connections switch at the same time, SQLite refuses one
    of them as "locked" immediately.

    Raises:
        sqlite3.OperationalError: the file was still locked at the end of that time, or it cannot be written.
    """
    if connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal":
        return
    deadline = time.monotonic() + busy_timeout_s
    while not _switched(connection, deadline):
        time.sleep(0.002)


def _switched(connection: sqlite3.Connection, deadline: float) -> bool:
    try:
        connection.execute("PRAGMA journal_mode = WAL").fetchone()
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
            raise
        return False
    return True


@contextlib.contextmanager
def busy_timeout(connection: sqlite3.Connection, timeout_s: float) -> Generator[None]:
    """Within the block, wait up to `timeout_s` seconds for other connections, instead of the usual time."""
    usual_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
    connection.execute(f"PRAGMA busy_timeout = {round(timeout_s * 1000)}")
    try:
        yield
    finally:
        connection.execute(f"PRAGMA busy_timeout = {usual_ms}")


def rewrite_small(connection: sqlite3.Connection, largest_bytes: int) -> bool:
    """Rewrite the file, unless it is larger than this. Return True if it was rewritten.

    Other writers wait meanwhile. For a larger file, an operator runs `VACUUM` at a quiet time.

    Raises:
        sqlite3.OperationalError: another connection writes, or the disk is full.
    """
    pages, page_size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if pages * page_size > largest_bytes:
        return False
    connection.execute("VACUUM")
    return True


def empty_log(connection: sqlite3.Connection) -> bool:
    """Move the write-ahead log into the file and empty it. Return False if a reader of an older state prevents this."""
    (is_blocked, _, _) = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not is_blocked


def delete_files(path: Path) -> None:
    """Delete a SQLite file with the files beside it, and the file itself last.

    If the deletion is interrupted, no log is left that SQLite would play back into a new file of this name.
    """
    for suffix in (*COMPANIONS, ""):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
