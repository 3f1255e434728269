"""The tables of a file, and their creation.

A record's key packs its thread's key and its number into SQLite's 64-bit rowid: `position = thread_key << 32 | number`.
So a thread's records lie side by side in the table's own B-tree, in order, without a second index, and a window is one
short range scan. There are indexes of the ids of records (for retries), of the times of threads' last changes (for
listings), of users' threads (for walks), of the parents of forks, of the summaries, and of drafts.

A page has 4 KiB. An append writes at least five pages to the write-ahead log, and each byte of them is part of a
checksum. Pages of 8 KiB would double that cost, and save 6 % of the space. Each table and each index takes a page, even
an empty one. So the tables that few files need are made when they are needed first, in the same transaction. The row of
a thread has marks that say whether the thread has rows in them. The indexes of threads and turns are there from the
beginning, because making one later would read a large table while all writers wait. A file from a newer recuerda is
refused.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, TypeAlias

from recuerda._drivers.sqlite import switch_to_wal
from recuerda.errors import StorageUnavailable
from recuerda.sqlite.snapshots import Snapshot

APPLICATION_ID = 0x52454355
"""Marks a SQLite file as a file of recuerda ("RECU")."""

NUMBER_BITS = 32
"""The bits of a record's number. A thread has up to 4 billion records, and a file up to 2 billion threads."""

NUMBER_MASK = (1 << NUMBER_BITS) - 1
"""The bits of a position that hold the record's number."""

HAS_DRAFT = 1
"""Marks a thread with a draft."""

HAS_BLOBS = 2
"""Marks a thread of which a turn has named a blob."""

HAS_REMOVED = 4
"""Marks a thread of which a record was removed."""

VERSION = 1
"""The version of the schema. A later version will need the steps from this version to that one."""

_SCHEMA = (
    # The incarnation is random. A key, even one that AUTOINCREMENT gives, comes back with a restored backup.
    """
    CREATE TABLE threads (
        key INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        incarnation TEXT NOT NULL,
        revision INTEGER NOT NULL DEFAULT 0,
        record_id TEXT NOT NULL DEFAULT '',
        edits INTEGER NOT NULL DEFAULT 0,
        rewritten INTEGER NOT NULL DEFAULT 0,
        first INTEGER NOT NULL DEFAULT 1,
        turns INTEGER NOT NULL DEFAULT 0,
        messages INTEGER NOT NULL DEFAULT 0,
        created_us INTEGER NOT NULL,
        updated_us INTEGER NOT NULL,
        user_id TEXT,
        title TEXT,
        title_turn INTEGER,
        metadata TEXT NOT NULL DEFAULT '{}',
        parent TEXT, -- JSON; NULL unless the thread is a fork
        marks INTEGER NOT NULL DEFAULT 0, -- HAS_DRAFT, HAS_BLOBS and HAS_REMOVED
        archived INTEGER NOT NULL DEFAULT 0,
        tags TEXT NOT NULL DEFAULT '[]'
    )
    """,
    "CREATE INDEX threads_by_time ON threads (updated_us, id, archived)",
    "CREATE INDEX threads_by_user ON threads (user_id, updated_us, id, archived) WHERE user_id IS NOT NULL",
    # A walk goes through a user's threads by key, which SQLite appends to each entry of an index.
    "CREATE INDEX threads_of_user ON threads (user_id) WHERE user_id IS NOT NULL",
    "CREATE INDEX threads_by_parent ON threads (parent ->> 'thread_id') WHERE parent IS NOT NULL",
    """
    CREATE TABLE turns (
        position INTEGER PRIMARY KEY,
        id TEXT NOT NULL,
        kind TEXT,
        target INTEGER,
        created_us INTEGER NOT NULL,
        committed_us INTEGER, -- NULL if it equals created_us
        message_count INTEGER NOT NULL,
        body BLOB NOT NULL
    )
    """,
    "CREATE UNIQUE INDEX turns_by_id ON turns (position >> 32, id)",
    # This index finds a thread's newest summary, or shows that there is none, in one step. It does not contain turns.
    "CREATE INDEX summaries ON turns (position) WHERE kind = 'summary'",
    """
    CREATE VIEW messages AS
    SELECT
        threads.id AS thread_id,
        threads.user_id AS user_id,
        turns.position & 4294967295 AS turn,
        turns.id AS turn_id,
        message.key + 1 AS position,
        message.value ->> 'role' AS role,
        CASE json_type(message.value, '$.content')
            WHEN 'text' THEN message.value ->> 'content'
            WHEN 'array' THEN (
                SELECT group_concat(part.value ->> 'text', '')
                FROM json_each(message.value, '$.content') AS part
                WHERE part.value ->> 'type' = 'text'
            )
        END AS text,
        strftime('%Y-%m-%dT%H:%M:%fZ', turns.created_us / 1000000.0, 'unixepoch') AS created_at,
        message.value AS json
    FROM threads
    JOIN turns ON turns.position BETWEEN threads.key << 32 AND (threads.key << 32) + 4294967295
    JOIN json_each(
        CASE WHEN json_valid(CAST(turns.body AS TEXT)) THEN CAST(turns.body AS TEXT) ELSE '{}' END, '$.messages'
    ) AS message
    """,
)


Part: TypeAlias = Literal["blobs", "drafts", "erasures", "leases", "removed"]
"""A part of the schema that is made when it is needed, by the name of its first table."""

_PARTS: Mapping[Part, tuple[str, ...]] = {
    # The bytes of files, each once for a thread and its forks. A row of `blobs` lives as long as a row of `turn_blobs`
    # points to it.
    "blobs": (
        "CREATE TABLE IF NOT EXISTS blobs (key INTEGER PRIMARY KEY, data BLOB NOT NULL)",
        """
        CREATE TABLE IF NOT EXISTS turn_blobs (
            position INTEGER NOT NULL,
            place INTEGER NOT NULL,
            digest TEXT NOT NULL,
            blob_key INTEGER NOT NULL,
            PRIMARY KEY (position, place)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX IF NOT EXISTS turn_blobs_by_digest ON turn_blobs (position >> 32, digest)",
        "CREATE INDEX IF NOT EXISTS turn_blobs_by_blob ON turn_blobs (blob_key)",
    ),
    "drafts": (
        """
        CREATE TABLE IF NOT EXISTS drafts (
            thread_key INTEGER NOT NULL,
            number INTEGER NOT NULL,
            id TEXT NOT NULL,
            turn_id TEXT NOT NULL,
            revision INTEGER NOT NULL,
            created_us INTEGER NOT NULL,
            body BLOB NOT NULL,
            PRIMARY KEY (thread_key, number)
        ) WITHOUT ROWID
        """,
        "CREATE INDEX IF NOT EXISTS drafts_by_time ON drafts (created_us) WHERE number = 1",
    ),
    # One row: the number of removals whose copies in unused parts of pages have not been removed yet.
    "erasures": (
        "CREATE TABLE IF NOT EXISTS erasures (key INTEGER PRIMARY KEY CHECK (key = 1), due INTEGER NOT NULL)",
    ),
    # The times come from the machine's monotonic clock, which starts anew when the machine starts.
    "leases": (
        """
        CREATE TABLE IF NOT EXISTS leases (
            thread_id TEXT PRIMARY KEY,
            holder TEXT NOT NULL,
            taken_us INTEGER NOT NULL,
            until_us INTEGER NOT NULL
        ) WITHOUT ROWID
        """,
    ),
    # The ids of the newest removed records. A retry must not repeat a turn that a trim or a limit has dropped.
    "removed": (
        """
        CREATE TABLE IF NOT EXISTS removed (
            position INTEGER PRIMARY KEY,
            id TEXT NOT NULL,
            is_dropped_turn INTEGER NOT NULL
        )
        """,
        "CREATE UNIQUE INDEX IF NOT EXISTS dropped_turns ON removed (position >> 32, id) WHERE is_dropped_turn",
    ),
}


def make_part(db: sqlite3.Connection | sqlite3.Cursor, part: Part) -> None:
    """Make the tables of a part if they are missing, in the transaction that writes into them."""
    for statement in _PARTS[part]:
        db.execute(_without_indent(statement))


def mark(db: sqlite3.Connection | sqlite3.Cursor, key: int, marks: int) -> None:
    """Set marks of a thread."""
    db.execute("UPDATE threads SET marks = marks | ? WHERE key = ?", (marks, key))


def unmark(db: sqlite3.Connection | sqlite3.Cursor, key: int, marks: int) -> None:
    """Take marks from a thread."""
    db.execute("UPDATE threads SET marks = marks & ~? WHERE key = ?", (marks, key))


def has_part(db: sqlite3.Connection, part: Part) -> bool:
    """Return True if the file has the tables of a part. No part is ever taken away."""
    return db.execute("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?", (part,)).fetchone() is not None


def touch(connection: sqlite3.Connection) -> None:
    """Commit a page that has not changed."""
    connection.execute(f"PRAGMA user_version = {VERSION}")


@cache
def _without_indent(statement: str) -> str:
    """Return a statement as SQLite keeps it in the file. With the indent, the schema would not fit into one page."""
    return "\n".join(line.strip() for line in statement.strip().splitlines())


def connect(path: str, *, synchronous: str, busy_timeout_s: float, is_reader: bool) -> sqlite3.Connection:
    """Open the file for use in the calling OS thread; make the file and its tables if they are missing.

    Raises:
        StorageUnavailable: the file belongs to another program, or a newer recuerda made it.
        sqlite3.Error: SQLite cannot open the file.
    """
    if is_reader and not _may_be_written(path):
        return _connect_to_read(path, busy_timeout_s=busy_timeout_s)
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _check_owner(connection, path)
        connection.execute("PRAGMA page_size = 4096")
        switch_to_wal(connection, busy_timeout_s=busy_timeout_s)
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA temp_store = MEMORY")  # Otherwise a rewriting leaves a copy on another disk.
        _make_tables(connection)
        if is_reader:
            connection.execute("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _may_be_written(path: str) -> bool:
    """Return False if a file exists, and it or its folder may not be written."""
    return not Path(path).exists() or all(os.access(place, os.W_OK) for place in (path, Path(path).parent))


def _connect_to_read(path: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open a file that may not be written. Nothing is created beside it.

    Without a write-ahead log, no program has the file open, so it is read without locks. See
    https://www.sqlite.org/wal.html#read_only_databases
    """
    log = Path(f"{path}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    address = f"{Path(path).absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    connection = sqlite3.connect(
        address, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False, uri=True
    )
    try:
        _check_owner(connection, path)
        if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
            connection.execute("PRAGMA temp_store = MEMORY")
            connection.execute("PRAGMA query_only = ON")
            return connection
    except BaseException:
        connection.close()
        raise
    connection.close()
    return connect_to_nothing()


def connect_to_nothing() -> sqlite3.Connection:
    """Return a database in RAM that holds no thread."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _make_tables(connection)
    return connection


def _check_owner(connection: sqlite3.Connection, path: str) -> None:
    # This is one transaction, because another process may be making the tables at the same moment.
    with Snapshot(connection):
        owner = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    if owner != APPLICATION_ID and (owner or tables):
        raise StorageUnavailable(f"{path} is a SQLite file of another program; give recuerda a file of its own")
    if version > VERSION:
        raise StorageUnavailable(
            f"{path} was created by a newer recuerda (schema {version}, this one knows {VERSION}); upgrade recuerda"
        )


def _make_tables(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == VERSION:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        # Another process may have made the tables while this process waited.
        if connection.execute("PRAGMA user_version").fetchone()[0] != VERSION:
            for statement in _SCHEMA:
                connection.execute(_without_indent(statement))
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {VERSION}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
