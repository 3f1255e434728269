"""A block whose statements all see the file at one moment."""

from __future__ import annotations

import sqlite3
from types import TracebackType


class Snapshot:
    """Runs the statements of a `with` block in one transaction that only reads.

    A single statement needs no such block. Begin and commit cost as much as a short statement. The block gets a cursor,
    which the statements may share if each is done with its rows before the next one begins.
    """

    __slots__ = ("_cursor",)

    def __init__(self, db: sqlite3.Connection) -> None:
        self._cursor = db.cursor()  # one for several statements, because each cursor has its cost

    def __enter__(self) -> sqlite3.Cursor:
        return self._cursor.execute("BEGIN")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._cursor.execute("COMMIT")
        else:
            self._cursor.connection.rollback()
