"""A table of ours in a SQLite file that an export wrote for another program: facts that the program has no place for.

The other program does not look at the table. See `supplement.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path

import msgspec

from recuerda.errors import StateError
from recuerda.formats.supplement import Supplement
from recuerda.formats.tables import Tables

_TABLE = "recuerda_threads"
_CREATE = f"CREATE TABLE IF NOT EXISTS {_TABLE} (thread TEXT PRIMARY KEY, facts TEXT NOT NULL)"
_INSERT = "INSERT INTO recuerda_threads VALUES (?, ?)"


def opened(path: Path, schema: str) -> sqlite3.Connection:
    """Open an empty SQLite file to write, with the tables of a format and with ours. One transaction has everything."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(f"{schema};{_CREATE};")
    connection.execute("BEGIN")
    return connection


def put_facts(connection: sqlite3.Connection, thread: str, facts: Supplement) -> None:
    """Write the facts of a thread, which has this id in the other program's tables."""
    connection.execute(_INSERT, (thread, msgspec.json.encode(facts).decode()))


async def facts_in(tables: Tables) -> Mapping[str, Supplement]:
    """Return the facts of threads by the ids that they have in the other program's tables.

    Raises:
        StateError: the facts cannot be read.
    """
    if _TABLE not in await tables.names():
        return {}
    rows = await tables.fetch("SELECT thread, facts FROM recuerda_threads")
    return {thread: _facts(thread, facts) for thread, facts in rows}


def _facts(thread: str, facts: object) -> Supplement:
    try:
        return msgspec.json.decode(str(facts), type=Supplement)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError) as error:
        raise StateError(f"the facts of thread {thread!r} in the table {_TABLE} cannot be read: {error}") from None
