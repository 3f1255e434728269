"""Erased text leaves the write-ahead log too.

SQLite overwrites deleted content in the file with zeros (`secure_delete`). But the write-ahead log keeps earlier pages
until it starts anew. Therefore a worker that has erased something moves the log into the file and empties it soon.
"""

from __future__ import annotations

import math
import sqlite3
import time

SOON_S = 1.0
"""The shortest time between two emptyings, and the time after which one that was hindered is tried again."""

LATE_S = 10.0
"""The longest time until the log is emptied after each of many appends has dropped an old turn."""

_PATIENCE_MS = 50
"""How long an emptying waits for readers. Other writers wait meanwhile."""


class LogEraser:
    """Knows when the log has to be emptied. An operation that erases little and often is not followed at once."""

    def __init__(self) -> None:
        self._due = math.inf
        self._last = -math.inf

    def note(self, delay_s: float) -> None:
        """Empty the log after this time, but not more often than once in `SOON_S`."""
        self._due = min(self._due, max(time.monotonic() + delay_s, self._last + SOON_S))

    def timeout_s(self) -> float | None:
        """Return the seconds until the log has to be emptied; None if it need not be."""
        return None if self._due == math.inf else max(0.0, self._due - time.monotonic())

    def work(self, connection: sqlite3.Connection) -> None:
        """Empty the log if it is time. If another connection reads an older state, try again later."""
        if time.monotonic() >= self._due:
            self.finish(connection)

    def finish(self, connection: sqlite3.Connection) -> None:
        """Empty the log now, if it has to be emptied at some time."""
        if self._due < math.inf:
            self._last = time.monotonic()
            self._due = math.inf if _is_emptied(connection) else self._last + SOON_S


def _is_emptied(connection: sqlite3.Connection) -> bool:
    try:
        patience_ms = connection.execute("PRAGMA busy_timeout").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
        is_blocked = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
    except sqlite3.Error:
        return False  # The disk is full or fails. The next attempt meets the same error, or succeeds.
    return not is_blocked
