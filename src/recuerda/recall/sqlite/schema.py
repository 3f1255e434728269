"""The tables of the index, and their creation, also after a change of their shape.

The index has postings of its own instead of using SQLite's FTS5. FTS5 computes how rare a word is among the memories of
all users, and reads all of them to do so. Deleted text also stays in FTS5's segments until they are merged, while here
`secure_delete` overwrites it at once.

Every table that is searched begins with the scope, so a search reads rows that lie side by side and belong to one user.
`recall/postings.py` says what a row of `postings` holds. The terms of a new document first wait as one row in
`pending`, because entering each term in its place would change one page per term. A search also reads the few pending
documents, and batches of them are entered after the answer.

A document's key contains its thread's key and its place in the thread, so neighbours are found without an index. Its
number is what the postings name it by. A row of `blocks` stands for a block of such numbers and of consecutive keys.
"""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from recuerda._drivers.sqlite import switch_to_wal
from recuerda.errors import StorageUnavailable
from recuerda.recall.text import TERMS_VERSION

APPLICATION_ID = 0x52454349
"""Marks a SQLite file as an index of recuerda ("RECI")."""

SHAPE = 7000 + TERMS_VERSION
"""The shape of a file's tables and terms: its `user_version`. An index of another shape is created again."""

ROLES = ("user", "assistant")

_TABLES = (
    """
    CREATE TABLE scopes (
        key INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, documents INTEGER NOT NULL, size INTEGER NOT NULL,
        waiting INTEGER NOT NULL, blocks INTEGER NOT NULL
    )
    """,
    # AUTOINCREMENT never reuses the key of a deleted thread, so a key never names another thread's documents.
    """
    CREATE TABLE threads (
        key INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, scope INTEGER NOT NULL,
        incarnation TEXT NOT NULL, revision INTEGER NOT NULL, record_id TEXT NOT NULL, edits INTEGER NOT NULL,
        next INTEGER NOT NULL, block INTEGER NOT NULL
    )
    """,
    "CREATE INDEX threads_by_scope ON threads (scope)",
    # The times are bounds: a block keeps them when a document is removed.
    """
    CREATE TABLE blocks (
        scope INTEGER NOT NULL, block INTEGER NOT NULL, first_key INTEGER NOT NULL, oldest_us INTEGER NOT NULL,
        newest_us INTEGER NOT NULL, PRIMARY KEY (scope, block)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX blocks_by_time ON blocks (scope, newest_us)",
    # The role is an index into `ROLES`. `terms` is the number of terms, by which a removal knows that it found all of
    # them. `turn_id` is "" in all documents of a turn but the first one. The text is stored as `texts.py` says; it is
    # the last column, so the other columns are read without the overflow pages of a long text.
    """
    CREATE TABLE documents (
        key INTEGER PRIMARY KEY, scope INTEGER NOT NULL, number INTEGER NOT NULL, turn INTEGER NOT NULL,
        position INTEGER NOT NULL, role INTEGER NOT NULL, traits INTEGER NOT NULL, size INTEGER NOT NULL,
        terms INTEGER NOT NULL, created_us INTEGER NOT NULL, speaker TEXT, turn_id TEXT NOT NULL, text NOT NULL
    )
    """,
    # It finds the copies of a turn in forks.
    "CREATE INDEX documents_by_turn ON documents (scope, turn_id) WHERE turn_id != ''",
    """
    CREATE TABLE postings (
        scope INTEGER NOT NULL, term TEXT NOT NULL, first INTEGER NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (scope, term, first)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE pending (
        scope INTEGER NOT NULL, number INTEGER NOT NULL, terms TEXT NOT NULL, PRIMARY KEY (scope, number)
    ) WITHOUT ROWID
    """,
    # The last thread that was compared with the storage without being searched.
    "CREATE TABLE checked (is_the_only_one INTEGER PRIMARY KEY CHECK (is_the_only_one = 1), thread_id TEXT NOT NULL)",
    """
    CREATE TABLE speakers (
        scope INTEGER NOT NULL, name TEXT NOT NULL, documents INTEGER NOT NULL, PRIMARY KEY (scope, name)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE vectors (
        scope INTEGER NOT NULL, document INTEGER NOT NULL, model TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (scope, document)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE signs (
        scope INTEGER NOT NULL, first INTEGER NOT NULL, model TEXT NOT NULL, data BLOB NOT NULL,
        PRIMARY KEY (scope, first)
    ) WITHOUT ROWID
    """,
    # The number of a scope's vectors of each model, and the centre of their signs, if these are many.
    """
    CREATE TABLE models (
        scope INTEGER NOT NULL, model TEXT NOT NULL, vectors INTEGER NOT NULL, centre BLOB,
        PRIMARY KEY (scope, model)
    ) WITHOUT ROWID
    """,
)
# These tables outlive a change of shape: their contents are not in the log, or only a model could find them again.
_KEPT_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS forgotten (
        thread_id TEXT NOT NULL, incarnation TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
        PRIMARY KEY (thread_id, incarnation, first, last)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS facts (
        id INTEGER PRIMARY KEY AUTOINCREMENT, scope TEXT NOT NULL, text TEXT NOT NULL, valid_from_us INTEGER NOT NULL,
        valid_until_us INTEGER, superseded_by INTEGER
    )
    """,
    "CREATE INDEX IF NOT EXISTS facts_by_scope ON facts (scope)",
    """
    CREATE TABLE IF NOT EXISTS fact_sources (
        fact INTEGER NOT NULL, thread_id TEXT NOT NULL, incarnation TEXT NOT NULL, turn INTEGER NOT NULL,
        mark TEXT NOT NULL, PRIMARY KEY (fact, thread_id, incarnation, turn)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX IF NOT EXISTS fact_sources_by_thread ON fact_sources (thread_id, turn)",
    "CREATE INDEX IF NOT EXISTS fact_sources_by_mark ON fact_sources (mark)",
    """
    CREATE TABLE IF NOT EXISTS fact_progress (
        thread_id TEXT PRIMARY KEY, incarnation TEXT NOT NULL, through INTEGER NOT NULL, mark TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    # The facts that are corrections. Those of a message have the message, and its words.
    """
    CREATE TABLE IF NOT EXISTS corrections (
        fact INTEGER PRIMARY KEY, turn INTEGER, position INTEGER, created_us INTEGER, thread_id TEXT, turn_id TEXT,
        role TEXT, speaker TEXT, said TEXT
    )
    """,
)
_KEPT = frozenset(("forgotten", "facts", "fact_sources", "fact_progress", "corrections"))


def connect(path: str, *, busy_timeout_s: float) -> sqlite3.Connection:
    """Open the index for use in the calling OS thread. Create it if it is missing or has another shape.

    Raises:
        StorageUnavailable: the file belongs to another program, or to recuerda's storage.
        sqlite3.Error: SQLite cannot open the file, or the file is damaged.
    """
    connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None, check_same_thread=False)
    try:
        _check_owner(connection, path)
        switch_to_wal(connection, busy_timeout_s=busy_timeout_s)
        # A power failure may lose the last entries, but never consistency. They can be read again from the log.
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA secure_delete = ON")
        # A search by meaning reads a thousand pages all over the file. The cache takes no more than the file.
        connection.execute("PRAGMA cache_size = -64000")
        connection.execute("PRAGMA temp_store = MEMORY")
        _make_tables(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def salvage(path: Path) -> list[tuple[str, str, int, int]]:
    """Return the turns that were forgotten on request, from the readable part of a damaged file."""
    with contextlib.suppress(sqlite3.Error), contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT thread_id, incarnation, first, last FROM forgotten").fetchall()
    return []


def restore(connection: sqlite3.Connection, forgotten: list[tuple[str, str, int, int]]) -> None:
    """Put back the rows that `salvage` returned."""
    connection.executemany("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?, ?)", forgotten)


def _check_owner(connection: sqlite3.Connection, path: str) -> None:
    connection.execute("BEGIN")
    owner = connection.execute("PRAGMA application_id").fetchone()[0]
    tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
    connection.execute("COMMIT")
    if owner != APPLICATION_ID and (owner or tables):
        raise StorageUnavailable(f"{path} is not an index of memories; give recall a file of its own")


def _make_tables(connection: sqlite3.Connection) -> None:
    if connection.execute("PRAGMA user_version").fetchone()[0] == SHAPE:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        if connection.execute("PRAGMA user_version").fetchone()[0] != SHAPE:
            names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            for (name,) in names:
                if name not in _KEPT and not name.startswith("sqlite_"):
                    connection.execute(f'DROP TABLE "{name}"')
            for statement in (*_TABLES, *_KEPT_TABLES):
                connection.execute(statement)
            connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            connection.execute(f"PRAGMA user_version = {SHAPE}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
