"""When copies of deleted text are removed from the file of an index.

After a removal, the write-ahead log is emptied, and a file that is not too large is rewritten. `_drivers/sqlite.py`
says where copies are left.
"""

from __future__ import annotations

import contextlib
import math
import sqlite3
import time
from collections.abc import Generator

from recuerda._drivers.sqlite import busy_timeout, empty_log, rewrite_small

SMALL_BYTES = 8 * 2**20
"""The size of the largest file that is rewritten after an undo or a trim. This takes about a tenth of a second."""

LARGE_BYTES = 64 * 2**20
"""The size of the largest file that is rewritten when a user is erased, and when the index is closed. This takes about
a second."""

PAUSE_S = 10.0
"""The shortest time between two rewritings that no erasure of a user asks for."""

PATIENCE_S = 0.05
"""The time that work which nobody waits for waits for other connections."""


class Cleaner:
    """Knows whether copies of deleted text may be left, and removes them.

    Args:
        timeout_s: the time for which the connection usually waits for other connections.
    """

    def __init__(self, *, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        # A process that was killed may have left deleted text in the log.
        self._has_old_log = True
        self._has_copies = False
        self._last = -math.inf

    @property
    def is_needed(self) -> bool:
        """True if anything may be left."""
        return self._has_old_log or self._has_copies

    @property
    def is_due(self) -> bool:
        """True if `tidy` has work now."""
        return self._has_old_log or (self._has_copies and time.monotonic() >= self._last + PAUSE_S)

    def note(self) -> None:
        """Note that something was removed."""
        self._has_old_log = self._has_copies = True

    def empty_log(self, connection: sqlite3.Connection) -> None:
        """Empty the write-ahead log. The connection must be in a transaction without changes, as in all methods here.

        This is impossible while another connection reads an older state. Then a later call does it.
        """
        with _outside(connection, self._timeout_s):
            self._empty_log(connection)

    def tidy(self, connection: sqlite3.Connection) -> None:
        """Remove all copies, but rewrite only a small file, and not too often."""
        with _outside(connection, PATIENCE_S):
            if self._has_copies and time.monotonic() >= self._last + PAUSE_S:
                self._rewrite(connection, SMALL_BYTES)
            self._empty_log(connection)

    def finish(self, connection: sqlite3.Connection) -> None:
        """Remove all copies now. Without a removal, only the log is emptied, if no other connection hinders this."""
        timeout_s = self._timeout_s if self._has_copies else PATIENCE_S
        with _outside(connection, timeout_s):
            if self._has_copies:
                self._rewrite(connection, LARGE_BYTES)
            self._empty_log(connection)

    def _rewrite(self, connection: sqlite3.Connection, largest: int) -> None:
        self._last = time.monotonic()
        # If another process writes or the disk is full, the copies stay noted, and a later call removes them.
        with contextlib.suppress(sqlite3.OperationalError):
            if rewrite_small(connection, largest):
                self._has_copies = False

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        self._has_old_log = not empty_log(connection)


@contextlib.contextmanager
def _outside(connection: sqlite3.Connection, timeout_s: float) -> Generator[None]:
    """Leave the connection's transaction for a while, and wait for other connections for another time."""
    connection.execute("COMMIT")
    try:
        with busy_timeout(connection, timeout_s):
            yield
    finally:
        connection.execute("BEGIN")
