"""The reads of the index: candidates of a query, documents and counts.

All postings of a rare term are read. A term that many documents have says little and would cost the most. So once there
are enough candidates, such a term is looked up only for them. Vectors are compared one by one within the scope, with
numpy if it is installed.
"""

from __future__ import annotations

import heapq
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import msgspec

from recuerda.recall.index import (
    NEIGHBOUR_REACH,
    Candidate,
    CandidateQuery,
    Candidates,
    Document,
    IndexStats,
    Position,
    ScopeInfo,
    Unembedded,
)
from recuerda.recall.ranking import WEIGHTS, idf
from recuerda.recall.sqlite.schema import THREAD_BITS
from recuerda.recall.vectors import most_similar

MANY_POSTINGS = 5_000
"""The largest number of postings that are read of a term. The newest postings are read."""

_Matches = dict[int, dict[str, int]]


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
    return ScopeInfo(documents=found[1], mean_size=mean, speakers=tuple(name for (name,) in names))


def candidates(query: CandidateQuery, connection: sqlite3.Connection) -> Candidates:
    """See `RecallIndex.candidates`."""
    found = connection.execute("SELECT key, documents FROM scopes WHERE id = ?", (query.scope,)).fetchone()
    if found is None:
        return Candidates(found={}, frequencies={}, threads={})
    scope, documents = found
    matches, frequencies = _matches(connection, scope, query)
    best = _best(matches, frequencies, documents, query.limit)
    similar = _similarities(connection, scope, query)
    keys = {*best, *heapq.nlargest(query.limit, similar, key=similar.__getitem__)}
    keys.update(_keys_of_periods(connection, scope, query))
    keys.update([key + step for key in keys for step in range(-NEIGHBOUR_REACH, NEIGHBOUR_REACH + 1)])
    candidates = _candidates(connection, scope, keys, matches, similar)
    return Candidates(found=candidates, frequencies=frequencies, threads=_threads(connection, candidates))


def documents(keys: Sequence[int], connection: sqlite3.Connection) -> dict[int, Document]:
    """See `RecallIndex.documents`."""
    rows = connection.execute(
        "SELECT documents.key, threads.id, turn, turn_id, position, role, speaker, created_us, text FROM documents "
        "JOIN threads ON threads.key = documents.key >> 32 "
        "WHERE documents.key IN (SELECT value FROM json_each(?))",
        (_json(keys),),
    )
    return {
        key: Document(
            thread_id=thread_id, turn=turn, turn_id=turn_id, position=position, role=role, speaker=speaker,
            created_us=created_us, text=text,
        )
        for key, thread_id, turn, turn_id, position, role, speaker, created_us, text in rows
    }  # fmt: skip


def unembedded(scope: str, model_id: str, limit: int, connection: sqlite3.Connection) -> list[Unembedded]:
    """See `RecallIndex.unembedded`."""
    rows = connection.execute(
        "SELECT documents.key, documents.text FROM scopes JOIN documents ON documents.scope = scopes.key "
        "LEFT JOIN vectors ON vectors.scope = documents.scope AND vectors.document = documents.key AND model = ? "
        "WHERE scopes.id = ? AND vectors.document IS NULL ORDER BY documents.created_us DESC LIMIT ?",
        (model_id, scope, limit),
    )
    return [Unembedded(key=key, text=text) for key, text in rows]


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


def _matches(connection: sqlite3.Connection, scope: int, query: CandidateQuery) -> tuple[_Matches, dict[str, int]]:
    wanted = frozenset(query.terms)
    matches: _Matches = {}
    waiting: dict[str, int] = {}
    for key, terms in connection.execute("SELECT document, terms FROM pending WHERE scope = ?", (scope,)):
        counts = msgspec.json.decode(terms, type=dict[str, int])
        if met := wanted & counts.keys():
            matches[key] = {term: counts[term] for term in met}
            for term in met:
                waiting[term] = waiting.get(term, 0) + 1
    frequencies: dict[str, int] = {}
    for term in wanted:
        count = connection.execute("SELECT count(*) FROM postings WHERE scope = ? AND term = ?", (scope, term))
        frequencies[term] = count.fetchone()[0] + waiting.get(term, 0)
    found = {term: frequency for term, frequency in frequencies.items() if frequency}
    for term in sorted(found, key=lambda term: (found[term], term)):
        for key, count in _postings(connection, scope, term, frequency=found[term], matches=matches, limit=query.limit):
            matches.setdefault(key, {})[term] = count
    return matches, found


def _postings(
    connection: sqlite3.Connection, scope: int, term: str, *, frequency: int, matches: _Matches, limit: int
) -> Iterable[tuple[int, int]]:
    if len(matches) >= limit and frequency > max(4 * limit, len(matches)):
        return connection.execute(
            "SELECT document, count FROM postings WHERE scope = ? AND term = ? "
            "AND document IN (SELECT value FROM json_each(?))",
            (scope, term, _json(list(matches))),
        )
    return connection.execute(
        "SELECT document, count FROM postings WHERE scope = ? AND term = ? ORDER BY document DESC LIMIT ?",
        (scope, term, MANY_POSTINGS),
    )


def _best(matches: _Matches, frequencies: Mapping[str, int], documents: int, limit: int) -> list[int]:
    if len(matches) <= limit:
        return list(matches)
    worth = {term: idf(frequency, max(documents, frequency)) for term, frequency in frequencies.items()}
    k1 = WEIGHTS.k1

    def score(key: int) -> float:
        return sum(worth[term] * count / (count + k1) for term, count in matches[key].items())

    return heapq.nlargest(limit, matches, key=score)


def _similarities(connection: sqlite3.Connection, scope: int, query: CandidateQuery) -> dict[int, float]:
    if query.vector is None:
        return {}
    rows = connection.execute(
        "SELECT document, data FROM vectors WHERE scope = ? AND model = ?", (scope, query.model_id)
    ).fetchall()
    return most_similar(query.vector, rows)


def _keys_of_periods(connection: sqlite3.Connection, scope: int, query: CandidateQuery) -> Iterable[int]:
    for start, end in query.periods:
        rows = connection.execute(
            "SELECT key FROM documents WHERE scope = ? AND created_us >= ? AND created_us < ? "
            "ORDER BY created_us DESC LIMIT ?",
            (scope, start, end, query.limit),
        )
        yield from (key for (key,) in rows)


def _candidates(
    connection: sqlite3.Connection,
    scope: int,
    keys: Iterable[int],
    matches: _Matches,
    similar: Mapping[int, float],
) -> dict[int, Candidate]:
    rows = connection.execute(
        "SELECT key, turn, role, speaker, created_us, traits, size FROM documents "
        "WHERE key IN (SELECT value FROM json_each(?)) AND +scope = ?",
        (_json(sorted(keys)), scope),
    )
    nothing: dict[str, int] = {}
    return {
        key: Candidate(key, turn, role, speaker, created_us, traits, size, matches.get(key, nothing), similar.get(key))
        for key, turn, role, speaker, created_us, traits, size in rows
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
