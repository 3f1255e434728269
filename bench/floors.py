"""The floors: the least work that a program without recuerda does to keep a conversation with the same durability.

A floor is plain code on the bare driver, without OS threads, checks or ids. Its difference to recuerda is the price of
recuerda.
"""

from __future__ import annotations

import json
import os
import sqlite3
from pathlib import Path
from typing import Protocol

from bench.conversation import RawMessage


class Floor(Protocol):
    """Conversations that are kept with the bare driver, one of them at a time."""

    def seed(self, messages: list[RawMessage]) -> None:
        """Write the first history, fast."""
        ...

    def use(self, thread: str) -> None:
        """Switch to another conversation."""
        ...

    def load(self, last: int | None) -> list[RawMessage]:
        """Read and decode the newest `last` messages, or all messages."""
        ...

    def append(self, messages: list[RawMessage]) -> None:
        """Write messages. They are on the disk when this method returns."""
        ...

    def close(self) -> None:
        """Close the files."""
        ...


class SQLiteFloor:
    """Keep one row for each message, with WAL, one commit for each turn, and one connection.

    With `fsync`, the driver runs with `synchronous=FULL`, and with NORMAL otherwise.
    """

    def __init__(self, folder: Path, *, thread: str = "floor", fsync: bool = True) -> None:
        self._thread = thread
        self._db = sqlite3.connect(folder / "floor.db", isolation_level=None)
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute(f"PRAGMA synchronous = {'FULL' if fsync else 'NORMAL'}")
        self._db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, thread TEXT NOT NULL, data TEXT NOT NULL)")
        self._db.execute("CREATE INDEX message_by_thread ON message (thread, id)")

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def use(self, thread: str) -> None:
        """Switch to another conversation."""
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
    """Keep one line for each message in one file a conversation, with one write and one `fdatasync` for each turn.

    A window reads the whole file and decodes its last lines.
    """

    def __init__(self, folder: Path, *, thread: str = "floor", fsync: bool = True) -> None:
        self._folder = folder
        self._fsync = fsync
        self.use(thread)

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def use(self, thread: str) -> None:
        """Switch to another conversation."""
        self._path = self._folder / f"{thread}.jsonl"
        self._path.touch()

    def load(self, last: int | None) -> list[RawMessage]:
        lines = self._path.read_bytes().splitlines()
        return [json.loads(line) for line in (lines if last is None else lines[-last:])]

    def append(self, messages: list[RawMessage]) -> None:
        data = "".join(json.dumps(message, ensure_ascii=False) + "\n" for message in messages).encode()
        with self._path.open("ab", buffering=0) as file:
            file.write(data)
            if self._fsync:
                # macOS has no fdatasync.
                getattr(os, "fdatasync", os.fsync)(file.fileno())

    def close(self) -> None:
        pass


class MemoryFloor:
    """Keep the messages in a list."""

    def __init__(self) -> None:
        self._threads: dict[str, list[RawMessage]] = {}
        self.use("floor")

    def seed(self, messages: list[RawMessage]) -> None:
        self.append(messages)

    def use(self, thread: str) -> None:
        """Switch to another conversation."""
        self._messages = self._threads.setdefault(thread, [])

    def load(self, last: int | None) -> list[RawMessage]:
        return self._messages.copy() if last is None else self._messages[-last:]

    def append(self, messages: list[RawMessage]) -> None:
        self._messages.extend(messages)

    def close(self) -> None:
        pass


def open_floor(kind: str, folder: Path, *, fsync: bool = True) -> Floor:
    """Return the floor for a kind of storage. Without `fsync`, it leaves it to the system when bytes reach the disk."""
    if kind == "sqlite":
        return SQLiteFloor(folder, fsync=fsync)
    return FileFloor(folder, fsync=fsync) if kind == "file" else MemoryFloor()
