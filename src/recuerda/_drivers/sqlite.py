"""The one step of opening a SQLite file that SQLite does not retry by itself."""

from __future__ import annotations

import sqlite3
import time


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
