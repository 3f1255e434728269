"""When copies of erased text are removed from a file of threads.

A worker that has erased something soon rewrites the file if it is small, and empties the write-ahead log. A large file
would block other writers for too long, so its operator runs `VACUUM` at a quiet time (docs/operations.md).
`_drivers/sqlite.py` says where copies are left.

A removal notes in its own transaction that copies are left. So if the process is killed before it has removed them, the
next process that writes removes them.
"""

from __future__ import annotations

import math
import sqlite3
import time

from recuerda._drivers.sqlite import busy_timeout, empty_log, rewrite_small
from recuerda.sqlite.schema import has_part, make_part

SOON_S = 1.0
"""The shortest time between two emptyings, and the time after which one that was hindered is tried again."""

LATE_S = 10.0
"""The longest time until the log is emptied after each of many operations has replaced a little text."""

REWRITABLE_BYTES = 8 * 2**20
"""The size of the largest file that is rewritten after an erasure; this takes about a tenth of a second."""

_PATIENCE_S = 0.05
"""How long the work waits for other connections. Other writers wait meanwhile."""


def mark_due(connection: sqlite3.Connection) -> None:
    """Note in a removal's transaction that copies are left."""
    make_part(connection, "erasures")
    connection.execute("INSERT INTO erasures VALUES (1, 1) ON CONFLICT (key) DO UPDATE SET due = due + 1")


def _due(connection: sqlite3.Connection) -> int:
    """Return the number of removals whose copies are left."""
    if not has_part(connection, "erasures"):
        return 0
    return connection.execute("SELECT due FROM erasures WHERE key = 1").fetchone()[0]


class Eraser:
    """Knows when copies of erased text have to be removed, and removes them."""

    def __init__(self) -> None:
        self._due = math.inf
        self._last = -math.inf
        self._is_file_clean = True

    def note_opening(self, connection: sqlite3.Connection, *, is_writer: bool) -> None:
        """Empty the log in a while, because a process that was killed may have left erased text in it.

        A writer also removes the copies that such a process has left in the file.
        """
        if is_writer and _due(connection):
            self._is_file_clean = False
        self._set_due(LATE_S)

    def note(self, delay_s: float) -> None:
        """Remove copies of erased text after this time, but not more often than once in `SOON_S`."""
        self._is_file_clean = False
        self._set_due(delay_s)

    def timeout_s(self) -> float | None:
        """Return the seconds until there is work; None if there is none."""
        return None if self._due == math.inf else max(0.0, self._due - time.monotonic())

    def work(self, connection: sqlite3.Connection) -> None:
        """Do the work if it is time. If another connection reads an older state, try again later."""
        if self._due < math.inf and time.monotonic() >= self._due:
            self.finish(connection)

    def finish(self, connection: sqlite3.Connection) -> None:
        """Do the work now, if there is any."""
        if self._due == math.inf:
            return
        try:
            is_done = self._clean(connection)
        except sqlite3.Error:
            is_done = False  # The disk is full or fails. The next attempt meets the same error, or succeeds.
        self._last = time.monotonic()
        self._due = math.inf if is_done else self._last + SOON_S

    def _clean(self, connection: sqlite3.Connection) -> bool:
        """Rewrite a small file, and empty the log. Return False if a reader hinders this."""
        with busy_timeout(connection, _PATIENCE_S):
            if not self._is_file_clean:
                due = _due(connection)
                rewrite_small(connection, REWRITABLE_BYTES)
                # A removal that another process has committed since is left to that process.
                if due:
                    connection.execute("UPDATE erasures SET due = 0 WHERE key = 1 AND due = ?", (due,))
            self._is_file_clean = True
            return empty_log(connection)

    def _set_due(self, delay_s: float) -> None:
        self._due = min(self._due, max(time.monotonic() + delay_s, self._last + SOON_S))
