"""The reads of the index: candidates of a query, documents and counts.

`recall/postings.py` finds the best documents, and `meaning.py` those that are near in meaning.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain

import msgspec

from recuerda.recall.index import (
    HIGHEST_KEY,
    THREAD_BITS,
    Candidate,
    CandidateQuery,
    Candidates,
    Document,
    Forgetting,
    HeldDocuments,
    IndexStats,
    Position,
    ScopeInfo,
)
from recuerda.recall.postings import BLOCK, Matches
from recuerda.recall.sqlite import entries, meaning
from recuerda.recall.sqlite.facts import has_corrections
from recuerda.recall.sqlite.schema import ROLES
from recuerda.recall.sqlite.texts import original_text

_DocumentRow = tuple[int, str, int, str, int, int, str | None, int, str | bytes]
_CandidateRow = tuple[int, int, int, int, str | None, int, int, int]


def positions(thread_ids: Sequence[str], connection: sqlite3.Connection) -> dict[str, Position]:
    """See `RecallIndex.positions`."""
    rows = connection.execute(
        "SELECT threads.id, scopes.id, incarnation, revision, record_id, edits "
        "FROM threads JOIN scopes ON scopes.key = threads.scope "
        "WHERE threads.id IN (SELECT value FROM json_each(?))",
        (_json(thread_ids),),
    )
    return _positions(rows)


def followed(scope: str | None, connection: sqlite3.Connection) -> dict[str, Position]:
    """See `RecallIndex.followed`."""
    rows = connection.execute(
        "SELECT threads.id, scopes.id, incarnation, revision, record_id, edits "
        "FROM scopes JOIN threads ON scopes.key = threads.scope "
        "WHERE :scope IS NULL OR scopes.id = :scope",
        {"scope": scope},
    )
    return _positions(rows)


def scopes(start: str, end: str, connection: sqlite3.Connection) -> list[str]:
    """See `RecallIndex.scopes`."""
    rows = connection.execute(
        "SELECT id FROM scopes WHERE id >= :start AND id < :end "
        "UNION SELECT scope FROM facts WHERE scope >= :start AND scope < :end",
        {"start": start, "end": end},
    )
    return [scope for (scope,) in rows]


def known_threads(after: str, limit: int, connection: sqlite3.Connection) -> list[str]:
    """See `RecallIndex.known_threads`."""
    rows = connection.execute(
        "SELECT * FROM (SELECT id FROM threads WHERE id > :after ORDER BY id LIMIT :limit) "
        "UNION SELECT * FROM "
        "(SELECT DISTINCT thread_id FROM fact_sources WHERE thread_id > :after ORDER BY thread_id LIMIT :limit) "
        "UNION SELECT * FROM "
        "(SELECT DISTINCT thread_id FROM forgotten WHERE thread_id > :after ORDER BY thread_id LIMIT :limit) "
        "ORDER BY 1 LIMIT :limit",
        {"after": after, "limit": limit},
    )
    return [thread_id for (thread_id,) in rows]


def scope_info(scope: str, connection: sqlite3.Connection) -> ScopeInfo:
    """See `RecallIndex.scope_info`."""
    found = connection.execute("SELECT key, documents, size FROM scopes WHERE id = ?", (scope,)).fetchone()
    if found is None or not found[1]:
        return ScopeInfo()
    names = connection.execute("SELECT name FROM speakers WHERE scope = ?", (found[0],)).fetchall()
    mean = max(1.0, found[2] / found[1])
    return ScopeInfo(
        documents=found[1],
        mean_size=mean,
        speakers=tuple(name for (name,) in names),
        has_corrections=has_corrections(scope, connection),
    )


def overview(
    thread_ids: Sequence[str], scopes: Sequence[str], connection: sqlite3.Connection
) -> tuple[dict[str, Position], dict[str, ScopeInfo]]:
    """See `RecallIndex.overview`."""
    return positions(thread_ids, connection), {scope: scope_info(scope, connection) for scope in scopes}


def candidates(query: CandidateQuery, connection: sqlite3.Connection) -> Candidates:
    """See `RecallIndex.candidates`."""
    row = connection.execute("SELECT key, documents FROM scopes WHERE id = ?", (query.scope,)).fetchone()
    if row is None:
        return Candidates(found={}, frequencies={}, threads={})
    scope, documents = row
    matches = entries.matches(scope, query.terms, query.shares, connection)
    standing_in = entries.similar(scope, query.unknown_words(matches.frequencies), connection)
    if standing_in:
        query = query.with_similar(standing_in)
        matches = entries.matches(scope, query.terms, query.shares, connection)
    similar = meaning.nearest(scope, query, connection)
    hits = [
        meaning.keys_of(connection, scope, matches.best(documents, query.limit)),
        heapq.nlargest(query.limit, similar, key=similar.__getitem__),
        *(_newest_within(connection, scope, start, end, query.limit) for start, end in query.periods),
    ]
    keys = set(chain(*hits))
    for step, best in enumerate(query.neighbours, 1):
        keys.update([key + way for found in hits for key in found[:best] for way in (-step, step)])
    similar |= meaning.similarities(scope, query, keys - similar.keys(), connection)
    candidates = _candidates(connection, scope, keys, matches, similar)
    return Candidates(
        found=candidates,
        frequencies=matches.frequencies,
        threads=_threads(connection, candidates),
        similar=standing_in,
    )


def documents(keys: Sequence[int], connection: sqlite3.Connection) -> dict[int, Document]:
    """See `RecallIndex.documents`."""
    rows: list[_DocumentRow] = connection.execute(
        "SELECT documents.key, threads.id, turn, iif(turn_id != '', turn_id, "
        "(SELECT of.turn_id FROM documents of WHERE of.key < documents.key AND of.turn_id != '' "
        "ORDER BY of.key DESC LIMIT 1)), position, role, speaker, created_us, text FROM documents "
        "JOIN threads ON threads.key = documents.key >> 32 "
        "WHERE documents.key IN (SELECT value FROM json_each(?))",
        (_json(keys),),
    ).fetchall()
    return {
        key: Document(
            thread_id=thread_id, turn=turn, turn_id=turn_id, position=position, role=ROLES[role], speaker=speaker,
            created_us=created_us, text=original_text(text),
        )
        for key, thread_id, turn, turn_id, position, role, speaker, created_us, text in rows
    }  # fmt: skip


def documents_at(
    keys: Sequence[int], connection: sqlite3.Connection
) -> tuple[dict[int, Document], dict[str, Position]]:
    """See `RecallIndex.documents_at`."""
    found = documents(keys, connection)
    return found, positions(sorted({one.thread_id for one in found.values()}), connection)


def held(turns: Sequence[Forgetting], limit: int, connection: sqlite3.Connection) -> HeldDocuments:
    """See `RecallIndex.held`."""
    keys: list[int] = []
    for one in turns:
        rows = connection.execute(
            "SELECT documents.key FROM threads JOIN documents "
            "ON documents.key BETWEEN threads.key << 32 AND (threads.key << 32) + 4294967295 "
            "WHERE threads.id = ? AND threads.scope = (SELECT key FROM scopes WHERE scopes.id = ?) "
            "AND incarnation = ? AND turn BETWEEN ? AND ? ORDER BY documents.key",
            (one.thread_id, one.scope, one.incarnation, one.first, one.last),
        )
        keys += [key for (key,) in rows]
    keys = sorted(set(keys))
    found = documents(keys[:limit], connection)
    return HeldDocuments(count=len(keys), first=tuple(found[key] for key in keys[:limit]))


def newest(scope: str, before: int | None, limit: int, connection: sqlite3.Connection) -> list[int]:
    """See `RecallIndex.newest`."""
    highest = HIGHEST_KEY if before is None else before - 1
    threads = connection.execute(
        "SELECT key FROM threads WHERE scope = (SELECT key FROM scopes WHERE id = ?) AND key <= ? ORDER BY key DESC",
        (scope, highest >> THREAD_BITS),
    )
    keys: list[int] = []
    for (thread,) in threads:
        first = thread << THREAD_BITS
        rows = connection.execute(
            "SELECT key FROM documents WHERE key BETWEEN ? AND ? ORDER BY key DESC LIMIT ?",
            (first, min(first + (1 << THREAD_BITS) - 1, highest), limit - len(keys)),
        )
        keys += [key for (key,) in rows]
        if len(keys) == limit:
            break
    return keys


def forgotten(scope: str, limit: int, connection: sqlite3.Connection) -> list[Forgetting]:
    """See `RecallIndex.forgotten`."""
    rows = connection.execute(
        "SELECT f.thread_id, f.incarnation, f.first, f.last FROM threads t JOIN forgotten f "
        "ON f.thread_id = t.id AND f.incarnation = t.incarnation "
        "WHERE t.scope = (SELECT key FROM scopes WHERE id = ?) ORDER BY t.key DESC, f.first DESC, f.last LIMIT ?",
        (scope, limit),
    )
    return [
        Forgetting(scope=scope, thread_id=thread_id, incarnation=incarnation, first=first, last=last)
        for thread_id, incarnation, first, last in rows
    ]


def stats(connection: sqlite3.Connection) -> IndexStats:
    """See `RecallIndex.stats`."""
    row = connection.execute(
        "SELECT (SELECT count(*) FROM scopes WHERE documents > 0), (SELECT count(*) FROM threads), "
        "(SELECT coalesce(sum(documents), 0) FROM scopes), (SELECT count(*) FROM vectors), "
        "(SELECT count(*) FROM forgotten), "
        "(SELECT page_count * page_size FROM pragma_page_count, pragma_page_size)"
    ).fetchone()
    return IndexStats(
        scopes=row[0], threads=row[1], documents=row[2], vectors=row[3], forgotten=row[4], size_bytes=row[5]
    )


def _newest_within(connection: sqlite3.Connection, scope: int, start: int, end: int, limit: int) -> list[int]:
    """Return the keys of the newest documents of a period. Only the blocks that may have one of them are read."""
    found: list[tuple[int, int]] = []
    blocks = connection.execute(
        "SELECT first_key, newest_us FROM blocks WHERE scope = ? AND newest_us >= ? AND oldest_us < ? "
        "ORDER BY newest_us DESC",
        (scope, start, end),
    )
    for first_key, newest_us in blocks:
        if len(found) >= limit and found[limit - 1][0] >= newest_us:
            break
        rows = connection.execute(
            "SELECT created_us, key FROM documents WHERE key BETWEEN ? AND ? AND created_us >= ? AND created_us < ?",
            (first_key, first_key + BLOCK - 1, start, end),
        )
        found.extend(rows)
        found.sort(reverse=True)
    return [key for _, key in found[:limit]]


def _candidates(
    connection: sqlite3.Connection, scope: int, keys: Iterable[int], matches: Matches, similar: Mapping[int, float]
) -> dict[int, Candidate]:
    rows: list[_CandidateRow] = connection.execute(
        "SELECT key, number, turn, role, speaker, created_us, traits, size FROM documents "
        "WHERE key IN (SELECT value FROM json_each(?)) AND +scope = ?",
        (_json(sorted(keys)), scope),
    ).fetchall()
    met = matches.of([row[1] for row in rows])
    nothing: dict[str, int] = {}
    return {
        key: Candidate(
            key, turn, ROLES[role], speaker, created_us, traits, size, met.get(number, nothing), similar.get(key)
        )
        for key, number, turn, role, speaker, created_us, traits, size in rows
    }


def _threads(connection: sqlite3.Connection, candidates: Iterable[int]) -> dict[int, str]:
    keys = sorted({key >> THREAD_BITS for key in candidates})
    return dict(
        connection.execute("SELECT key, id FROM threads WHERE key IN (SELECT value FROM json_each(?))", (_json(keys),))
    )


def _positions(rows: Iterable[tuple[str, str, str, int, str, int]]) -> dict[str, Position]:
    return {
        thread_id: Position(scope=scope, incarnation=incarnation, revision=revision, record_id=record_id, edits=edits)
        for thread_id, scope, incarnation, revision, record_id, edits in rows
    }


def _json(values: Sequence[str] | Sequence[int]) -> str:
    return msgspec.json.encode(values).decode()
