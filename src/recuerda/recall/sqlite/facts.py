"""Facts in the index: they are added, replaced, and removed with the turns that they came from."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

import msgspec

from recuerda.recall.facts import Fact, FactSource, NewFact
from recuerda.recall.index import Position
from recuerda.recall.sqlite.schema import THREAD_BITS


def add_facts(
    thread_id: str, position: Position, turn: int, facts: Sequence[NewFact], connection: sqlite3.Connection
) -> None:
    """Store the facts of a turn; see `RecallIndex.add_facts`."""
    through = facts_through(thread_id, position.incarnation, connection)
    if not _has_turn(connection, thread_id, position, turn) or (through is not None and through >= turn):
        return
    for new in facts:
        number = new.confirms
        if number is None:
            number = connection.execute(
                "INSERT INTO facts (scope, text, valid_from_us) VALUES (?, ?, ?) RETURNING id",
                (position.scope, new.text, new.valid_from_us),
            ).fetchone()[0]
        connection.execute(
            "INSERT OR IGNORE INTO fact_sources VALUES (?, ?, ?, ?)", (number, thread_id, position.incarnation, turn)
        )
        connection.executemany(
            "UPDATE facts SET valid_until_us = ?, superseded_by = ? "
            "WHERE id = ? AND scope = ? AND superseded_by IS NULL AND id != ?",
            [(new.valid_from_us, number, old, position.scope, number) for old in new.replaces],
        )
    connection.execute(
        "INSERT INTO fact_progress VALUES (?, ?, ?) ON CONFLICT (thread_id) DO UPDATE SET "
        "incarnation = excluded.incarnation, through = excluded.through",
        (thread_id, position.incarnation, turn),
    )


def facts_through(thread_id: str, incarnation: str, connection: sqlite3.Connection) -> int | None:
    """See `RecallIndex.facts_through`."""
    found = connection.execute(
        "SELECT through FROM fact_progress WHERE thread_id = ? AND incarnation = ?", (thread_id, incarnation)
    ).fetchone()
    return None if found is None else found[0]


def list_facts(scope: str, connection: sqlite3.Connection, *, has_history: bool) -> list[Fact]:
    """See `RecallIndex.facts`."""
    rows = connection.execute(
        "SELECT id, text, valid_from_us, valid_until_us, superseded_by, "
        "(SELECT json_group_array(json_object('thread_id', thread_id, 'turn', turn)) "
        "FROM fact_sources WHERE fact = facts.id) "
        "FROM facts WHERE scope = ? AND (? OR superseded_by IS NULL) ORDER BY valid_from_us, id",
        (scope, has_history),
    )
    return [
        Fact(
            id=number,
            text=text,
            valid_from_us=valid_from_us,
            valid_until_us=valid_until_us,
            superseded_by=superseded_by,
            sources=msgspec.json.decode(sources, type=tuple[FactSource, ...]),
        )
        for number, text, valid_from_us, valid_until_us, superseded_by, sources in rows
    ]


def remove_orphans(connection: sqlite3.Connection, thread_id: str, position: Position | None) -> None:
    """Remove facts that have no turns left. The facts that they had replaced are valid again.

    Turns after the position are kept as sources: the index has not followed them yet.
    """
    if connection.execute("SELECT 1 FROM fact_sources WHERE thread_id = ? LIMIT 1", (thread_id,)).fetchone() is None:
        return
    if position is None:
        connection.execute("DELETE FROM fact_sources WHERE thread_id = ?", (thread_id,))
    else:
        start = _thread_key(connection, thread_id) << THREAD_BITS
        connection.execute(
            "DELETE FROM fact_sources WHERE thread_id = ? AND (incarnation != ? OR turn <= ? AND turn NOT IN "
            "(SELECT turn FROM documents WHERE key BETWEEN ? AND ?))",
            (thread_id, position.incarnation, position.revision, start, start + (1 << THREAD_BITS) - 1),
        )
    gone = "SELECT id FROM facts WHERE NOT EXISTS (SELECT 1 FROM fact_sources WHERE fact = facts.id)"
    numbers = [number for (number,) in connection.execute(gone)]
    for number in numbers:
        connection.execute("DELETE FROM facts WHERE id = ?", (number,))
    connection.executemany(
        "UPDATE facts SET valid_until_us = NULL, superseded_by = NULL WHERE superseded_by = ?",
        [(number,) for number in numbers],
    )


def _thread_key(connection: sqlite3.Connection, thread_id: str) -> int:
    found = connection.execute("SELECT key FROM threads WHERE id = ?", (thread_id,)).fetchone()
    return -1 if found is None else found[0]


def _has_turn(connection: sqlite3.Connection, thread_id: str, position: Position, turn: int) -> bool:
    """Return True if the turn still exists. It may have been undone while the model was working."""
    start = _thread_key(connection, thread_id) << THREAD_BITS
    found = connection.execute(
        "SELECT 1 FROM threads JOIN documents ON documents.key BETWEEN ? AND ? "
        "WHERE threads.id = ? AND incarnation = ? AND turn = ? LIMIT 1",
        (start, start + (1 << THREAD_BITS) - 1, thread_id, position.incarnation, turn),
    ).fetchone()
    return found is not None
