"""Facts in the index: they are added, replaced, and removed with the turns that they came from."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from recuerda.recall.facts import Fact, FactSource, NewFact
from recuerda.recall.index import Position
from recuerda.recall.sqlite.schema import THREAD_BITS
from recuerda.recall.sqlite.texts import original_text


def add_facts(
    thread_id: str,
    position: Position,
    turn: int,
    facts: Sequence[NewFact],
    connection: sqlite3.Connection,
    *,
    turn_id: str | None,
) -> None:
    """Store the facts of a turn; see `RecallIndex.add_facts`."""
    through = facts_through(thread_id, position.incarnation, connection)
    if not _has_turn(connection, thread_id, position, turn, turn_id) or (through is not None and through >= turn):
        return
    mark = _mark(connection, _thread_key(connection, thread_id), turn)
    for new in facts:
        number = new.confirms
        if number is None:
            number = connection.execute(
                "INSERT INTO facts (scope, text, valid_from_us) VALUES (?, ?, ?) RETURNING id",
                (position.scope, new.text, new.valid_from_us),
            ).fetchone()[0]
        connection.execute(
            "INSERT OR IGNORE INTO fact_sources VALUES (?, ?, ?, ?, ?)",
            (number, thread_id, position.incarnation, turn, mark),
        )
        connection.executemany(
            "UPDATE facts SET valid_until_us = ?, superseded_by = ? "
            "WHERE id = ? AND scope = ? AND superseded_by IS NULL AND id != ?",
            [(new.valid_from_us, number, old, position.scope, number) for old in new.replaces],
        )
    connection.execute(
        "INSERT OR REPLACE INTO fact_progress VALUES (?, ?, ?, ?)", (thread_id, position.incarnation, turn, mark)
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


def remove_changed(connection: sqlite3.Connection, thread_id: str, turns: Collection[int]) -> int:
    """Remove the facts that came from one of these turns when it had another id or another text; return their number.

    This happens when a body was rewritten, or the storage was put back. The thread is then searched for facts again.
    """
    searched = connection.execute("SELECT 1 FROM fact_progress WHERE thread_id = ?", (thread_id,)).fetchone()
    if searched is None:
        return 0
    marks = connection.execute(
        "SELECT turn, mark FROM fact_sources WHERE thread_id = :thread_id "
        "AND turn IN (SELECT value FROM json_each(:turns)) UNION "
        "SELECT through, mark FROM fact_progress WHERE thread_id = :thread_id "
        "AND through IN (SELECT value FROM json_each(:turns))",
        {"thread_id": thread_id, "turns": msgspec.json.encode(list(turns)).decode()},
    ).fetchall()
    thread = _thread_key(connection, thread_id) if marks else -1
    changed = [turn for turn, mark in marks if mark != _mark(connection, thread, turn)]
    if changed:
        connection.execute("UPDATE fact_progress SET through = 0, mark = '' WHERE thread_id = ?", (thread_id,))
    statement = "DELETE FROM fact_sources WHERE thread_id = ? AND turn = ? RETURNING fact"
    return sum(_remove_sources(connection, statement, (thread_id, turn)) for turn in changed)


def erase_facts(connection: sqlite3.Connection, scope: str) -> int:
    """Delete all facts of a scope, and return their number."""
    statement = "DELETE FROM fact_sources WHERE fact IN (SELECT id FROM facts WHERE scope = ?) RETURNING fact"
    return _remove_sources(connection, statement, (scope,))


def remove_orphans(connection: sqlite3.Connection, thread_id: str, position: Position | None) -> int:
    """Remove facts that have no turns left, and return their number. The facts that they had replaced are valid again.

    Turns after the position are kept as sources: the index has not followed them yet. Without a position, the thread is
    gone.
    """
    if position is None:
        connection.execute("DELETE FROM fact_progress WHERE thread_id = ?", (thread_id,))
        return _remove_sources(connection, "DELETE FROM fact_sources WHERE thread_id = ? RETURNING fact", (thread_id,))
    start = _thread_key(connection, thread_id) << THREAD_BITS
    return _remove_sources(
        connection,
        "DELETE FROM fact_sources WHERE thread_id = ? AND (incarnation != ? OR turn <= ? AND turn NOT IN "
        "(SELECT turn FROM documents WHERE key BETWEEN ? AND ?)) RETURNING fact",
        (thread_id, position.incarnation, position.revision, start, start + (1 << THREAD_BITS) - 1),
    )


def _remove_sources(connection: sqlite3.Connection, statement: str, values: Sequence[str | int]) -> int:
    """Remove sources of facts, and the facts that then have none; return the number of these facts.

    `statement` deletes the sources and returns their facts.
    """
    found = connection.execute(statement, values).fetchall()
    gone = [
        number
        for (number,) in set(found)
        if connection.execute(
            "DELETE FROM facts WHERE id = :fact AND NOT EXISTS (SELECT 1 FROM fact_sources WHERE fact = :fact)",
            {"fact": number},
        ).rowcount
    ]
    connection.executemany(
        "UPDATE facts SET valid_until_us = NULL, superseded_by = NULL WHERE superseded_by = ?",
        [(number,) for number in gone],
    )
    return len(gone)


def _mark(connection: sqlite3.Connection, thread: int, turn: int) -> str:
    """Return a digest of the id and the texts of a turn: another text has another mark."""
    start = thread << THREAD_BITS
    rows = connection.execute(
        "SELECT turn_id, text FROM documents WHERE key BETWEEN ? AND ? AND turn = ? ORDER BY key",
        (start, start + (1 << THREAD_BITS) - 1, turn),
    ).fetchall()
    texts = [(turn_id, original_text(text)) for turn_id, text in rows]
    return hashlib.blake2b(msgspec.json.encode(texts), digest_size=16).hexdigest()


def _thread_key(connection: sqlite3.Connection, thread_id: str) -> int:
    found = connection.execute("SELECT key FROM threads WHERE id = ?", (thread_id,)).fetchone()
    return -1 if found is None else found[0]


def _has_turn(
    connection: sqlite3.Connection, thread_id: str, position: Position, turn: int, turn_id: str | None
) -> bool:
    """Return True if the turn still exists. It may have been undone while the model was working."""
    start = _thread_key(connection, thread_id) << THREAD_BITS
    found = connection.execute(
        "SELECT 1 FROM threads JOIN documents ON documents.key BETWEEN ? AND ? "
        "WHERE threads.id = ? AND incarnation = ? AND turn = ? AND turn_id = coalesce(?, turn_id) LIMIT 1",
        (start, start + (1 << THREAD_BITS) - 1, thread_id, position.incarnation, turn, turn_id),
    ).fetchone()
    return found is not None
