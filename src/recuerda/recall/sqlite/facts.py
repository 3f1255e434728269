"""Facts in the index: they are added, replaced, and removed with the turns that they came from."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from recuerda.recall.facts import Fact, FactSource, NewFact
from recuerda.recall.index import THREAD_BITS, Correction, Document, Position
from recuerda.recall.sqlite.copies import holders
from recuerda.recall.sqlite.texts import original_text

# The corrected message is named by one of the threads that hold its turn. When that thread loses the turn, another one
# takes its place.
_MOVE_MESSAGE = (
    "UPDATE corrections SET (thread_id, turn) = "
    "(SELECT thread_id, turn FROM fact_sources WHERE fact = corrections.fact LIMIT 1) "
    "WHERE fact = ? AND thread_id IS NOT NULL AND NOT EXISTS (SELECT 1 FROM fact_sources AS source "
    "WHERE source.fact = corrections.fact AND source.thread_id = corrections.thread_id "
    "AND source.turn = corrections.turn)"
)


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
            number = _insert(connection, position.scope, new.text, new.valid_from_us)
        _add_sources(connection, number, thread_id, turn, mark)
        connection.executemany(
            "UPDATE facts SET valid_until_us = max(valid_from_us, ?), superseded_by = ? "
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
        "SELECT id, text, valid_from_us, valid_until_us, superseded_by, said, "
        "(SELECT json_group_array(json_object('thread_id', thread_id, 'turn', turn)) "
        "FROM fact_sources WHERE fact = id) "
        "FROM facts LEFT JOIN corrections ON fact = id "
        "WHERE scope = ? AND (? OR superseded_by IS NULL) ORDER BY valid_from_us, id",
        (scope, has_history),
    )
    return [_fact(row) for row in rows]


def list_corrections(scope: str, connection: sqlite3.Connection) -> list[Correction]:
    """See `RecallIndex.corrections`."""
    rows = connection.execute(
        "SELECT id, text, valid_from_us, valid_until_us, superseded_by, said, "
        "(SELECT json_group_array(json_object('thread_id', thread_id, 'turn', turn)) "
        "FROM fact_sources WHERE fact = id), "
        "thread_id, turn, turn_id, position, role, speaker, created_us "
        "FROM facts JOIN corrections ON fact = id WHERE scope = ? AND said IS NOT NULL ORDER BY id",
        (scope,),
    )
    return [Correction(fact=(fact := _fact(row)), message=_message(row[7:], fact.corrects or "")) for row in rows]


def correct_message(
    message: Document, position: Position, text: str, at_us: int, connection: sqlite3.Connection
) -> int | None:
    """See `RecallIndex.correct_message`."""
    thread_id, turn = message.thread_id, message.turn
    if not _has_turn(connection, thread_id, position, turn, message.turn_id):
        return None
    earlier = connection.execute(
        "SELECT id FROM fact_sources AS source "
        "JOIN facts ON id = source.fact JOIN corrections ON corrections.fact = id "
        "WHERE source.thread_id = ? AND source.turn = ? AND scope = ? AND superseded_by IS NULL "
        "AND turn_id = ? AND position = ? AND said IS NOT NULL",
        (thread_id, turn, position.scope, message.turn_id, message.position),
    ).fetchone()
    if earlier is not None:
        return correct_fact(position.scope, earlier[0], text, at_us, connection)
    fact = _insert(connection, position.scope, text, at_us)
    _add_sources(connection, fact, thread_id, turn, _mark(connection, _thread_key(connection, thread_id), turn))
    row = (fact, turn, message.position, message.created_us, thread_id, message.turn_id)
    connection.execute(
        "INSERT INTO corrections VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*row, message.role, message.speaker, message.text),
    )
    return fact


def correct_fact(scope: str, fact: int, text: str, at_us: int, connection: sqlite3.Connection) -> int | None:
    """See `RecallIndex.correct_fact`."""
    if not _is_valid(connection, scope, fact):
        return None
    new = _insert(connection, scope, text, at_us)
    connection.execute(
        "INSERT INTO fact_sources SELECT ?, thread_id, incarnation, turn, mark FROM fact_sources WHERE fact = ?",
        (new, fact),
    )
    connection.execute(
        "INSERT INTO corrections "
        "SELECT ?, turn, position, created_us, thread_id, turn_id, role, speaker, said "
        "FROM (SELECT 1) LEFT JOIN corrections ON fact = ?",
        (new, fact),
    )
    connection.execute(
        "UPDATE facts SET valid_until_us = max(valid_from_us, ?), superseded_by = ? WHERE id = ?", (at_us, new, fact)
    )
    return new


def take_back(scope: str, fact: int, connection: sqlite3.Connection) -> bool:
    """See `RecallIndex.take_back`."""
    known = connection.execute("SELECT 1 FROM corrections WHERE fact = ?", (fact,)).fetchone()
    if known is None or not _is_valid(connection, scope, fact):
        return False
    return _remove_sources(connection, "DELETE FROM fact_sources WHERE fact = ? RETURNING fact", (fact,)) > 0


def has_corrections(scope: str, connection: sqlite3.Connection) -> bool:
    """Return True if a message or a fact of a scope was corrected."""
    found = connection.execute("SELECT 1 FROM corrections JOIN facts ON id = fact WHERE scope = ? LIMIT 1", (scope,))
    return found.fetchone() is not None


def remove_changed(connection: sqlite3.Connection, thread_id: str, turns: Collection[int]) -> int:
    """Remove the facts that came from one of these turns when it had another id or another text; return their number.

    This happens when a body was rewritten, or the storage was put back. The thread is then searched for facts again.
    """
    has_facts = connection.execute(
        "SELECT 1 FROM fact_progress WHERE thread_id = :thread_id "
        "UNION ALL SELECT 1 FROM fact_sources WHERE thread_id = :thread_id LIMIT 1",
        {"thread_id": thread_id},
    ).fetchone()
    if has_facts is None:
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


def move_facts(connection: sqlite3.Connection, thread_id: str, incarnation: str, scope: str, to: str) -> int:
    """Let the facts of a thread come along to another scope; return the number of facts that the first scope loses.

    A fact that comes from another thread, too, stays there, and the new scope gets a copy. A fact that the new scope
    has already gets only the sources. What replaced a fact and does not come along leaves the fact valid.
    """
    rows = connection.execute(
        "SELECT DISTINCT id, text, valid_from_us, said "
        "FROM fact_sources JOIN facts ON id = fact_sources.fact LEFT JOIN corrections ON corrections.fact = id "
        "WHERE fact_sources.thread_id = ? AND incarnation = ? AND scope = ? ORDER BY id",
        (thread_id, incarnation, scope),
    ).fetchall()
    moved = {row[0]: _copied(connection, row, thread_id, incarnation, to) for row in rows}
    for number, _, valid_from_us, *_ in rows:
        successor, until_us = _successor_among(connection, number, moved)
        if successor is not None:
            connection.execute(
                "UPDATE facts SET superseded_by = ?, valid_until_us = ? WHERE id = ? AND superseded_by IS NULL",
                (moved[successor], max(valid_from_us, until_us), moved[number]),
            )
    for number in moved.values():
        _replace_older(connection, number)
    return _remove_sources(
        connection,
        "DELETE FROM fact_sources WHERE thread_id = ? AND fact IN (SELECT id FROM facts WHERE scope = ?) "
        "RETURNING fact",
        (thread_id, scope),
    )


def _successor_among(connection: sqlite3.Connection, fact: int, among: Collection[int]) -> tuple[int | None, int]:
    """Return the first one of some facts that replaced a fact, also by way of others, and since when."""
    number: int | None = fact
    until_us: int | None = None
    while number is not None and (number == fact or number not in among):
        number, until_us = connection.execute(
            "SELECT superseded_by, valid_until_us FROM facts WHERE id = ?", (number,)
        ).fetchone() or (None, None)
    return number, until_us or 0


def _copied(connection: sqlite3.Connection, row: Sequence[Any], thread_id: str, incarnation: str, to: str) -> int:
    """Return the number of the same fact in another scope, which then comes from the thread."""
    number, text, valid_from_us, said = row
    known = connection.execute(
        "SELECT facts.id FROM fact_sources AS own JOIN fact_sources AS other ON other.mark = own.mark "
        "JOIN facts ON facts.id = other.fact LEFT JOIN corrections ON corrections.fact = facts.id "
        "WHERE own.fact = ? AND own.thread_id = ? AND facts.scope = ? AND facts.text = ? AND valid_from_us = ? "
        "AND said IS ?",
        (number, thread_id, to, text, valid_from_us, said),
    ).fetchone()
    copy = _insert(connection, to, text, valid_from_us) if known is None else known[0]
    connection.execute(
        "INSERT OR IGNORE INTO fact_sources SELECT ?, thread_id, incarnation, turn, mark FROM fact_sources "
        "WHERE fact = ? AND thread_id = ? AND incarnation = ?",
        (copy, number, thread_id, incarnation),
    )
    if known is None:
        connection.execute(
            "INSERT INTO corrections SELECT ?, turn, position, created_us, thread_id, turn_id, role, speaker, said "
            "FROM corrections WHERE fact = ?",
            (copy, number),
        )
        connection.execute(_MOVE_MESSAGE, (copy,))
    return copy


def _replace_older(connection: sqlite3.Connection, number: int) -> None:
    """Let the newer one of two valid corrections of one message replace the older one."""
    connection.execute(
        "UPDATE facts AS older SET superseded_by = newer.id, valid_until_us = newer.valid_from_us "
        "FROM corrections AS its, corrections AS other, facts AS newer "
        "WHERE its.fact = older.id AND newer.id = other.fact AND ? IN (older.id, newer.id) "
        "AND older.scope = newer.scope AND older.superseded_by IS NULL AND newer.superseded_by IS NULL "
        "AND (older.valid_from_us, older.id) < (newer.valid_from_us, newer.id) "
        "AND (its.turn_id, its.position, its.created_us, its.said) "
        "= (other.turn_id, other.position, other.created_us, other.said)",
        (number,),
    )


def add_copied(connection: sqlite3.Connection, thread_id: str, position: Position, turns: Collection[int]) -> None:
    """Let the facts of turns that other threads of the scope hold come from this thread too."""
    if connection.execute("SELECT 1 FROM facts WHERE scope = ? LIMIT 1", (position.scope,)).fetchone() is None:
        return
    thread = _thread_key(connection, thread_id)
    for turn in turns:
        mark = _mark(connection, thread, turn)
        connection.execute(
            "INSERT OR IGNORE INTO fact_sources SELECT DISTINCT fact, ?, ?, ?, mark "
            "FROM fact_sources JOIN facts ON id = fact WHERE mark = ? AND scope = ?",
            (thread_id, position.incarnation, turn, mark, position.scope),
        )


def _add_sources(connection: sqlite3.Connection, fact: int, thread_id: str, turn: int, mark: str) -> None:
    """Let a fact come from a turn, in each thread that holds the turn."""
    connection.executemany(
        "INSERT OR IGNORE INTO fact_sources VALUES (?, ?, ?, ?, ?)",
        [(fact, one.thread_id, one.incarnation, one.turn, mark) for one in holders(thread_id, turn, connection)],
    )


def erase_facts(connection: sqlite3.Connection, scope: str) -> int:
    """Delete all facts of a scope, and return their number."""
    statement = "DELETE FROM fact_sources WHERE fact IN (SELECT id FROM facts WHERE scope = ?) RETURNING fact"
    return _remove_sources(connection, statement, (scope,))


def remove_orphans(connection: sqlite3.Connection, thread_id: str, position: Position | None) -> int:
    """Remove facts that have no turns left, and return their number.

    The facts that they had replaced are valid again, or are replaced by what had replaced the removed facts. Turns
    after the position are kept as sources: the index has not followed them yet. Without a position, the thread is gone.
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
    gone: list[tuple[int, int | None, int | None]] = []
    for (number,) in set(found):
        gone += connection.execute(
            "DELETE FROM facts WHERE id = :fact AND NOT EXISTS (SELECT 1 FROM fact_sources WHERE fact = :fact) "
            "RETURNING id, superseded_by, valid_until_us",
            {"fact": number},
        ).fetchall()
    connection.executemany("DELETE FROM corrections WHERE fact = ?", [(number,) for number, *_ in gone])
    for _ in gone:  # a removed fact may have been replaced by another one
        inherited = connection.executemany(
            "UPDATE facts SET superseded_by = ?, valid_until_us = max(valid_from_us, ?) WHERE superseded_by = ?",
            [(successor, until_us, number) for number, successor, until_us in gone],
        )
        if inherited.rowcount < 1:
            break
    connection.executemany(_MOVE_MESSAGE, [(number,) for (number,) in set(found)])
    return len(gone)


def _insert(connection: sqlite3.Connection, scope: str, text: str, valid_from_us: int) -> int:
    statement = "INSERT INTO facts (scope, text, valid_from_us) VALUES (?, ?, ?) RETURNING id"
    return connection.execute(statement, (scope, text, valid_from_us)).fetchone()[0]


def _is_valid(connection: sqlite3.Connection, scope: str, fact: int) -> bool:
    found = connection.execute(
        "SELECT 1 FROM facts WHERE id = ? AND scope = ? AND superseded_by IS NULL", (fact, scope)
    )
    return found.fetchone() is not None


def _fact(row: Sequence[Any]) -> Fact:
    number, text, valid_from_us, valid_until_us, superseded_by, said, sources = row[:7]
    return Fact(
        id=number,
        text=text,
        valid_from_us=valid_from_us,
        valid_until_us=valid_until_us,
        superseded_by=superseded_by,
        sources=msgspec.json.decode(sources, type=tuple[FactSource, ...]),
        corrects=said,
    )


def _message(row: Sequence[Any], said: str) -> Document:
    thread_id, turn, turn_id, position, role, speaker, created_us = row
    return Document(
        thread_id=thread_id, turn=turn, turn_id=turn_id, position=position, role=role, speaker=speaker,
        created_us=created_us, text=said,
    )  # fmt: skip


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
    """Return True if the scope still has the turn. It may have been undone while the model was working."""
    start = _thread_key(connection, thread_id) << THREAD_BITS
    found = connection.execute(
        "SELECT 1 FROM threads JOIN scopes ON scopes.key = threads.scope JOIN documents "
        "ON documents.key BETWEEN ? AND ? WHERE threads.id = ? AND scopes.id = ? AND incarnation = ? AND turn = ? "
        "AND turn_id = coalesce(?, turn_id) LIMIT 1",
        (start, start + (1 << THREAD_BITS) - 1, thread_id, position.scope, position.incarnation, turn, turn_id),
    ).fetchone()
    return found is not None
