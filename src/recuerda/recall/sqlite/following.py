"""The writes to the index: they apply a thread's changes, forget turns, and erase threads."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping, Sequence

import msgspec

from recuerda.recall.index import THREAD_BITS, Forgetting, NewDocument, Position, ThreadUpdate
from recuerda.recall.postings import BLOCK
from recuerda.recall.sqlite.entries import Removed, take_out
from recuerda.recall.sqlite.facts import add_copied, erase_facts, move_facts, remove_changed, remove_orphans
from recuerda.recall.sqlite.meaning import remove_vectors
from recuerda.recall.sqlite.schema import ROLES
from recuerda.recall.sqlite.searching import followed, known_threads
from recuerda.recall.sqlite.texts import original_text, stored_text

MAX_WAITING = 128
"""The number of a scope's pending documents at which their terms are entered into the postings."""

_LAST_TURN = 2**62
_Row = tuple[int, int, int, int, int, int, str | bytes, str | None, int | None]
"""The columns that `_remove` reads of a document."""


class Applied(msgspec.Struct, frozen=True, kw_only=True):
    """The result of an update.

    Attributes:
        is_applied: False if the index had another position.
        removed: the number of removed documents and facts.
        full_scope: the key of the scope, if it has many pending documents.
    """

    is_applied: bool = True
    removed: int = 0
    full_scope: int | None = None


def apply(update: ThreadUpdate, connection: sqlite3.Connection) -> Applied:
    """Apply an update; see `RecallIndex.apply`."""
    found = connection.execute(
        "SELECT threads.key, threads.scope, next, block, scopes.id, incarnation, revision, record_id, edits "
        "FROM threads JOIN scopes ON scopes.key = threads.scope WHERE threads.id = ?",
        (update.thread_id,),
    ).fetchone()
    has = None if found is None else _position(*found[4:])
    if has != update.expected:
        return Applied(is_applied=False)
    removed = 0
    if found is not None:
        removed = _remove_changed(connection, found[0], update)
    if update.position is None:
        connection.execute("DELETE FROM threads WHERE id = ?", (update.thread_id,))
        removed += remove_orphans(connection, update.thread_id, None)
        _drop_unused_scopes(connection, found)
        return Applied(removed=removed)
    scope = _scope_key(connection, update.position.scope)
    if found is None or update.is_fresh:
        thread, following, block = _new_thread(connection, scope, update.thread_id, update.position), 0, 0
    else:
        thread, following, block = found[0], found[2], found[3]
    if update.forgotten:
        _note_forgotten(connection, update.thread_id, update.position.incarnation, update.forgotten)
    added = _not_forgotten(connection, update)
    block = _add(connection, scope, (thread << THREAD_BITS) + following, block, added)
    connection.execute(
        "UPDATE threads SET revision = ?, record_id = ?, edits = ?, next = ?, block = ? WHERE key = ?",
        (
            update.position.revision, update.position.record_id, update.position.edits, following + len(added), block,
            thread,
        ),
    )  # fmt: skip
    turns = {new.document.turn for new in added}
    if has is not None and has.scope != update.position.scope:
        removed += move_facts(connection, update.thread_id, has.incarnation, has.scope, update.position.scope)
    removed += remove_changed(connection, update.thread_id, turns)
    add_copied(connection, update.thread_id, update.position, turns)
    if removed or update.is_fresh:
        removed += remove_orphans(connection, update.thread_id, update.position)
    if update.is_fresh:
        _drop_unused_scopes(connection, found)
    waiting = connection.execute("SELECT waiting FROM scopes WHERE key = ?", (scope,)).fetchone()[0]
    return Applied(removed=removed, full_scope=scope if waiting >= MAX_WAITING else None)


def forget(forgettings: Sequence[Forgetting], connection: sqlite3.Connection) -> int:
    """Delete documents and note their turns as forgotten; see `RecallIndex.forget`."""
    gone = 0
    for forgetting in forgettings:
        thread = connection.execute(
            "SELECT threads.key, scopes.id, incarnation, revision, record_id, edits "
            "FROM threads JOIN scopes ON scopes.key = scope WHERE threads.id = ?",
            (forgetting.thread_id,),
        ).fetchone()
        if thread is not None and thread[1] != forgetting.scope:
            continue
        row = (forgetting.thread_id, forgetting.incarnation, forgetting.first, forgetting.last)
        connection.execute("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?, ?)", row)
        if thread is not None and thread[2] == forgetting.incarnation:
            gone += _remove(connection, thread[0], forgetting.first, forgetting.last)
            remove_orphans(connection, forgetting.thread_id, _position(*thread[1:]))
    return gone


def erase(thread_ids: Sequence[str], scope: str | None, connection: sqlite3.Connection) -> int:
    """Delete everything about threads and a scope; see `RecallIndex.erase`."""
    ids = set(thread_ids)
    if scope is not None:
        ids |= followed(scope, connection).keys()
    gone = sum(_erase(connection, thread_id) for thread_id in sorted(ids))
    return gone if scope is None else gone + erase_facts(connection, scope)


def next_to_check(limit: int, connection: sqlite3.Connection) -> list[str]:
    """See `RecallIndex.next_to_check`."""
    last = connection.execute("SELECT thread_id FROM checked").fetchone()
    found = known_threads(last[0] if last else "", limit, connection)
    if len(found) < limit:
        found += known_threads("", limit - len(found), connection)
    if found:
        connection.execute("INSERT OR REPLACE INTO checked VALUES (1, ?)", (found[-1],))
    return list(dict.fromkeys(found))


def _erase(connection: sqlite3.Connection, thread_id: str) -> int:
    found = connection.execute("SELECT key, scope FROM threads WHERE id = ?", (thread_id,)).fetchone()
    gone = 0 if found is None else _remove(connection, found[0], 0, _LAST_TURN)
    connection.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
    connection.execute("DELETE FROM forgotten WHERE thread_id = ?", (thread_id,))
    connection.execute("UPDATE checked SET thread_id = '' WHERE thread_id = ?", (thread_id,))
    gone += remove_orphans(connection, thread_id, None)
    _drop_unused_scopes(connection, found)
    return gone


def _drop_unused_scopes(connection: sqlite3.Connection, thread: Sequence[int] | None) -> None:
    """Delete the scope of a thread that is gone, if no other thread has it. Its id is the user's."""
    if thread is not None:
        connection.execute(
            "DELETE FROM scopes WHERE key = :scope AND NOT EXISTS (SELECT 1 FROM threads WHERE scope = :scope)",
            {"scope": thread[1]},
        )


def _position(scope: str, incarnation: str, revision: int, record_id: str, edits: int) -> Position:
    return Position(scope=scope, incarnation=incarnation, revision=revision, record_id=record_id, edits=edits)


def _remove_changed(connection: sqlite3.Connection, thread: int, update: ThreadUpdate) -> int:
    if update.is_fresh or update.position is None:
        return _remove(connection, thread, 0, _LAST_TURN)
    removed = (
        _remove(connection, thread, 0, update.first - 1) if _begins_before(connection, thread, update.first) else 0
    )
    return removed + sum(_remove(connection, thread, turn, turn) for turn in update.undone)


def _begins_before(connection: sqlite3.Connection, thread: int, turn: int) -> bool:
    """Return True if a thread has documents of turns before this turn, without reading all of them."""
    found = connection.execute(
        "SELECT turn FROM documents WHERE key BETWEEN ? AND ? ORDER BY key LIMIT 1",
        (thread << THREAD_BITS, ((thread + 1) << THREAD_BITS) - 1),
    ).fetchone()
    return found is not None and found[0] < turn


def _remove(connection: sqlite3.Connection, thread: int, first: int, last: int) -> int:
    start = thread << THREAD_BITS
    rows: list[_Row] = connection.execute(
        "SELECT key, documents.scope, documents.number, size, documents.terms, created_us, text, speaker, "
        "pending.number FROM documents "
        "LEFT JOIN pending ON pending.scope = documents.scope AND pending.number = documents.number "
        "WHERE key BETWEEN ? AND ? AND turn BETWEEN ? AND ?",
        (start, start + (1 << THREAD_BITS) - 1, first, last),
    ).fetchall()
    if rows:
        scope = rows[0][1]
        entered = [
            Removed(number, terms, original_text(text), speaker, created_us)
            for _, _, number, _, terms, created_us, text, speaker, waits in rows
            if waits is None
        ]
        take_out(scope, entered, connection)
        _delete(connection, scope, rows)
        waiting = len(rows) - len(entered)
        connection.execute(
            "UPDATE scopes SET documents = documents - ?, size = size - ?, waiting = waiting - ? WHERE key = ?",
            (len(rows), sum([row[3] for row in rows]), waiting, scope),
        )
        _count_speakers(connection, scope, Counter([speaker for *_, speaker, _ in rows if speaker]), -1)
    return len(rows)


def _delete(connection: sqlite3.Connection, scope: int, rows: Sequence[_Row]) -> None:
    """Delete the rows of documents, and the blocks that have none left."""
    connection.executemany("DELETE FROM pending WHERE scope = ? AND number = ?", [(scope, row[2]) for row in rows])
    remove_vectors(scope, {row[0]: row[2] for row in rows}, connection)
    connection.executemany("DELETE FROM documents WHERE key = ?", [(row[0],) for row in rows])
    connection.executemany(
        "DELETE FROM blocks WHERE scope = ? AND block = ? "
        "AND NOT EXISTS (SELECT 1 FROM documents WHERE key BETWEEN first_key AND first_key + ?)",
        [(scope, block, BLOCK - 1) for block in {row[2] // BLOCK for row in rows}],
    )


def _count_speakers(connection: sqlite3.Connection, scope: int, counts: Mapping[str, int], sign: int) -> None:
    connection.executemany(
        "INSERT INTO speakers VALUES (?, ?, ?) "
        "ON CONFLICT (scope, name) DO UPDATE SET documents = documents + excluded.documents",
        [(scope, name, sign * count) for name, count in counts.items()],
    )
    if sign < 0:
        connection.executemany(
            "DELETE FROM speakers WHERE scope = ? AND name = ? AND documents < 1", [(scope, name) for name in counts]
        )


def _scope_key(connection: sqlite3.Connection, scope: str) -> int:
    found = connection.execute("SELECT key FROM scopes WHERE id = ?", (scope,)).fetchone()
    if found is None:
        found = connection.execute("INSERT INTO scopes VALUES (NULL, ?, 0, 0, 0, 0) RETURNING key", (scope,)).fetchone()
    return found[0]


def _new_thread(connection: sqlite3.Connection, scope: int, thread_id: str, position: Position) -> int:
    connection.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
    row = (thread_id, scope, position.incarnation, position.revision, position.record_id, position.edits)
    return connection.execute(
        "INSERT INTO threads VALUES (NULL, ?, ?, ?, ?, ?, ?, 0, 0) RETURNING key", row
    ).fetchone()[0]


def _note_forgotten(connection: sqlite3.Connection, thread_id: str, incarnation: str, turns: Sequence[int]) -> None:
    """Note turns as forgotten, in ranges, unless they are in a range already."""
    connection.execute(
        "INSERT OR IGNORE INTO forgotten SELECT :thread_id, :incarnation, min(turn), max(turn) FROM ("
        "SELECT value AS turn, value - row_number() OVER (ORDER BY value) AS gap FROM json_each(:turns) "
        "WHERE NOT EXISTS (SELECT 1 FROM forgotten WHERE thread_id = :thread_id AND incarnation = :incarnation "
        "AND value BETWEEN first AND last)) GROUP BY gap",
        {"thread_id": thread_id, "incarnation": incarnation, "turns": msgspec.json.encode(list(turns)).decode()},
    )


def _not_forgotten(connection: sqlite3.Connection, update: ThreadUpdate) -> list[NewDocument]:
    if update.position is None or not update.added:
        return []
    ranges = connection.execute(
        "SELECT first, last FROM forgotten WHERE thread_id = ? AND incarnation = ?",
        (update.thread_id, update.position.incarnation),
    ).fetchall()
    return [new for new in update.added if not any(first <= new.document.turn <= last for first, last in ranges)]


def _add(connection: sqlite3.Connection, scope: int, first_key: int, block: int, added: Sequence[NewDocument]) -> int:
    """Add documents to a thread with consecutive keys, and return its last block."""
    if not added:
        return block
    (blocks,) = connection.execute("SELECT blocks FROM scopes WHERE key = ?", (scope,)).fetchone()
    documents: list[tuple[object, ...]] = []
    waiting: list[tuple[int, int, str]] = []
    times: dict[int, list[int]] = {}
    turn: int | None = None
    for key, new in enumerate(added, first_key):
        of, place = new.document, key % BLOCK
        if not place:
            block, blocks = blocks, blocks + 1
        number = block * BLOCK + place
        documents.append((
            key, scope, number, of.turn, of.position, ROLES.index(of.role), new.traits, new.size, len(new.terms),
            of.created_us, of.speaker, "" if of.turn == turn else of.turn_id, stored_text(of.text),
        ))  # fmt: skip
        turn = of.turn
        waiting.append((scope, number, msgspec.json.encode(new.terms).decode()))
        times.setdefault(key - place, [block]).append(of.created_us)
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", documents)
    connection.executemany("INSERT INTO pending VALUES (?, ?, ?)", waiting)
    connection.executemany(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope, block) DO UPDATE SET "
        "oldest_us = min(oldest_us, excluded.oldest_us), newest_us = max(newest_us, excluded.newest_us)",
        [(scope, of_key, key, min(all_us), max(all_us)) for key, (of_key, *all_us) in times.items()],
    )
    _count_speakers(connection, scope, Counter([new.document.speaker for new in added if new.document.speaker]), 1)
    connection.execute(
        "UPDATE scopes SET documents = documents + ?, size = size + ?, waiting = waiting + ?, blocks = ? WHERE key = ?",
        (len(added), sum([new.size for new in added]), len(added), blocks, scope),
    )
    return block
