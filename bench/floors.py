"""The floors: the least that a program without recuerda does to keep a conversation, with the same durability.

They are straight-line code on the bare driver: no thread between, no checks, no ids. What recuerda costs beyond them is
its price.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Protocol

from bench.conversation import RawMessage


class Floor(Protocol):
    """One conversation, kept with the bare driver."""

    def seed(self, messages: list[RawMessage]) -> None:
        """Write the history to start with, fast."""
        ...

    def load(self, last: int | None) -> list[RawMessage]:
        """Read the newest `last` messages, or all, and decode them."""
        ...

    def append(self, messages: list[RawMessage]) -> None:
        """Write messages; they are on the disk when this returns."""
        ...

    def close(self) -> None:
        """Free what was opened."""
        ...


class SQLiteFloor:
    """Keep a row a message: WAL, `synchronous=FULL`, one commit a turn, one connection."""

    def __init__(self, folder: Path, *, thread: str = "floor") -> None:
        self._thread = thread
        self._db = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        self._db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, thread TEXT NOT NULL, data TEXT NOT NULL)")
        self._db.execute("CREATE INDEX message_by_thread ON message (thread, id)")

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def use(self, thread: str) -> None:
        """Go on with another conversation."""
        self._thread = thread

    def load(self, last: int | None) -> list[RawMessage]:
        if last is None:
            rows = self._db.execute("SELECT data FROM message WHERE thread = ? ORDER BY id", (self._thread,)).fetchall()
        else:
            query = "SELECT data FROM message WHERE thread = ? ORDER BY id DESC LIMIT ?"
            rows = self._db.execute(query, (self._thread, last)).fetchall()[::-1]
        return [json.loads(row[0]) for row in rows]

    def append(self, messages: list[RawMessage]) -> None:
        rows = [(self._thread, json.dumps(message, ensure_ascii=False)) for message in messages]
        self._db.execute("BEGIN IMMEDIATE")
        self._db.executemany("INSERT INTO message (thread, data) VALUES (?, ?)", rows)
        self._db.execute("COMMIT")

    def close(self) -> None:
        self._db.close()


class FileFloor:
    """Keep a line a message: one write and `fdatasync` a turn. A window reads the file, and decodes its last lines."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "floor.jsonl"
        self._path.touch()

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def load(self, last: int | None) -> list[RawMessage]:
        lines = self._path.read_bytes().splitlines()
        return [json.loads(line) for line in (lines if last is None else lines[-last:])]

    def append(self, messages: list[RawMessage]) -> None:
        data = "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages).encode()
        with self._path.open("ab", buffering=0) as file:
            file.write(data)
            # macOS has no fdatasync.
            getattr(os, "fdatasync", os.fsync)(file.fileno())

    def close(self) -> None:
        pass


class MemoryFloor:
    """Keep a list."""

    def __init__(self) -> None:
        self._messages: list[RawMessage] = []

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def load(self, last: int | None) -> list[RawMessage]:
        return self._messages.copy() if last is None else self._messages[-last:]

    def append(self, messages: list[RawMessage]) -> None:
        self._messages.extend(messages)

    def close(self) -> None:
        pass


def open_floor(kind: str, folder: Path) -> Floor:
    """Make the floor of a kind of storage."""
    if kind == "sqlite":
        return SQLiteFloor(folder)
    return FileFloor(folder) if kind == "file" else MemoryFloor()
