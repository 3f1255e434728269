"""The writes to the index: they apply a thread's changes, enter pending terms, forget turns, and erase threads."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from recuerda.recall.index import Forgetting, NewDocument, Position, ThreadUpdate
from recuerda.recall.sqlite.facts import erase_facts, remove_changed, remove_orphans
from recuerda.recall.sqlite.schema import THREAD_BITS
from recuerda.recall.sqlite.searching import followed, known_threads
from recuerda.recall.text import terms_of

MAX_WAITING = 128
"""The number of a scope's pending documents at which their terms are entered into the postings."""

MAX_ENTERED = 1_000
"""The largest number of documents that are entered in one transaction. This limits how long a search waits for it."""

_LAST_TURN = 2**62
_Row = tuple[int, int, int, str, str, int | None]


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
        "SELECT threads.key, threads.scope, next, scopes.id, incarnation, revision, record_id, edits FROM threads "
        "JOIN scopes ON scopes.key = threads.scope WHERE threads.id = ?",
        (update.thread_id,),
    ).fetchone()
    has = None if found is None else _position(*found[3:])
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
        thread, following = _new_thread(connection, scope, update.thread_id, update.position), 0
    else:
        thread, following = found[0], found[2]
    added = _not_forgotten(connection, update)
    _add(connection, scope, (thread << THREAD_BITS) + following, added)
    connection.execute(
        "UPDATE threads SET revision = ?, record_id = ?, edits = ?, next = ? WHERE key = ?",
        (update.position.revision, update.position.record_id, update.position.edits, following + len(added), thread),
    )
    removed += remove_changed(connection, update.thread_id, {new.document.turn for new in added})
    if removed or update.is_fresh:
        removed += remove_orphans(connection, update.thread_id, update.position)
    if update.is_fresh:
        _drop_unused_scopes(connection, found)
    waiting = connection.execute("SELECT waiting FROM scopes WHERE key = ?", (scope,)).fetchone()[0]
    return Applied(removed=removed, full_scope=scope if waiting >= MAX_WAITING else None)


def enter_waiting(scope: int, connection: sqlite3.Connection) -> bool:
    """Enter the terms of pending documents into the postings; return True if more may be pending."""
    rows = connection.execute(
        "SELECT document, size, terms FROM pending WHERE scope = ? LIMIT ?", (scope, MAX_ENTERED)
    ).fetchall()
    entries = sorted(
        (scope, term, document, count, size)
        for document, size, terms in rows
        for term, count in msgspec.json.decode(terms, type=dict[str, int]).items()
    )
    connection.executemany("INSERT OR REPLACE INTO postings VALUES (?, ?, ?, ?, ?)", entries)
    connection.executemany("DELETE FROM pending WHERE scope = ? AND document = ?", [(scope, row[0]) for row in rows])
    connection.execute("UPDATE scopes SET waiting = max(0, waiting - ?) WHERE key = ?", (len(rows), scope))
    return len(rows) == MAX_ENTERED


def forget(forgettings: Sequence[Forgetting], connection: sqlite3.Connection) -> int:
    """Delete documents and note their turns as forgotten; see `RecallIndex.forget`."""
    gone = 0
    for forgetting in forgettings:
        row = (forgetting.thread_id, forgetting.incarnation, forgetting.first, forgetting.last)
        connection.execute("INSERT OR IGNORE INTO forgotten VALUES (?, ?, ?, ?)", row)
        thread = connection.execute(
            "SELECT threads.key, scopes.id, incarnation, revision, record_id, edits "
            "FROM threads JOIN scopes ON scopes.key = scope "
            "WHERE threads.id = ? AND incarnation = ?",
            row[:2],
        ).fetchone()
        if thread is not None:
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
        "SELECT documents.key, documents.scope, documents.size, text, coalesce(speaker, ''), pending.document "
        "FROM documents LEFT JOIN pending ON pending.scope = documents.scope AND pending.document = documents.key "
        "WHERE key BETWEEN ? AND ? AND turn BETWEEN ? AND ?",
        (start, start + (1 << THREAD_BITS) - 1, first, last),
    ).fetchall()
    for key, scope, size, text, speaker, waits in rows:
        if waits is None:
            # A text always has the same terms, because an index with other terms is rebuilt.
            entries = [(scope, term, key) for term in terms_of(text).counts]
            connection.executemany("DELETE FROM postings WHERE scope = ? AND term = ? AND document = ?", entries)
        connection.execute("DELETE FROM pending WHERE scope = ? AND document = ?", (scope, key))
        connection.execute("DELETE FROM vectors WHERE scope = ? AND document = ?", (scope, key))
        connection.execute("DELETE FROM documents WHERE key = ?", (key,))
        connection.execute(
            "UPDATE scopes SET documents = documents - 1, size = size - ?, waiting = waiting - ? WHERE key = ?",
            (size, waits is not None, scope),
        )
        if speaker:
            connection.execute(
                "UPDATE speakers SET documents = documents - 1 WHERE scope = ? AND name = ?", (scope, speaker)
            )
            connection.execute("DELETE FROM speakers WHERE scope = ? AND name = ? AND documents < 1", (scope, speaker))
    return len(rows)


def _scope_key(connection: sqlite3.Connection, scope: str) -> int:
    found = connection.execute("SELECT key FROM scopes WHERE id = ?", (scope,)).fetchone()
    if found is None:
        found = connection.execute("INSERT INTO scopes VALUES (NULL, ?, 0, 0, 0) RETURNING key", (scope,)).fetchone()
    return found[0]


def _new_thread(connection: sqlite3.Connection, scope: int, thread_id: str, position: Position) -> int:
    connection.execute("DELETE FROM threads WHERE id = ?", (thread_id,))
    row = (thread_id, scope, position.incarnation, position.revision, position.record_id, position.edits)
    return connection.execute("INSERT INTO threads VALUES (NULL, ?, ?, ?, ?, ?, ?, 0) RETURNING key", row).fetchone()[0]


def _not_forgotten(connection: sqlite3.Connection, update: ThreadUpdate) -> list[NewDocument]:
    if update.position is None or not update.added:
        return []
    ranges = connection.execute(
        "SELECT first, last FROM forgotten WHERE thread_id = ? AND incarnation = ?",
        (update.thread_id, update.position.incarnation),
    ).fetchall()
    return [new for new in update.added if not any(first <= new.document.turn <= last for first, last in ranges)]


def _add(connection: sqlite3.Connection, scope: int, first_key: int, added: Iterable[NewDocument]) -> None:
    documents: list[tuple[object, ...]] = []
    waiting: list[tuple[int, int, int, str]] = []
    speakers: Counter[str] = Counter()
    for key, new in enumerate(added, first_key):
        of = new.document
        documents.append((
            key, scope, of.turn, of.position, of.role, of.speaker, of.created_us, new.traits, new.size, of.turn_id,
            of.text,
        ))  # fmt: skip
        waiting.append((scope, key, new.size, msgspec.json.encode(new.terms).decode()))
        if of.speaker:
            speakers[of.speaker] += 1
    if not documents:
        return
    connection.executemany("INSERT INTO documents VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", documents)
    connection.executemany("INSERT INTO pending VALUES (?, ?, ?, ?)", waiting)
    connection.executemany(
        "INSERT INTO speakers VALUES (?, ?, ?) "
        "ON CONFLICT (scope, name) DO UPDATE SET documents = documents + excluded.documents",
        [(scope, name, count) for name, count in speakers.items()],
    )
    connection.execute(
        "UPDATE scopes SET documents = documents + ?, size = size + ?, waiting = waiting + ? WHERE key = ?",
        (len(documents), sum(row[2] for row in waiting), len(documents), scope),
    )


def add_vectors(scope: str, model_id: str, vectors: Mapping[int, bytes], connection: sqlite3.Connection) -> None:
    """Store vectors; see `RecallIndex.add_vectors`."""
    connection.executemany(
        "INSERT OR REPLACE INTO vectors SELECT scope, key, ?, ? FROM documents "
        "WHERE key = ? AND scope = (SELECT key FROM scopes WHERE id = ?)",
        [(model_id, data, key, scope) for key, data in vectors.items()],
    )
