"""The vectors in the tables: they are stored, compared with a question's vector, and removed with their documents.

The rows of `signs` have the signs of a block of documents side by side, so all of a user are read quickly.
"""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from recuerda.recall.index import CandidateQuery, Unembedded
from recuerda.recall.postings import BLOCK
from recuerda.recall.sqlite.texts import original_text
from recuerda.recall.vectors import most_alike, most_similar, pack, signs, unpacked

MAX_COMPARED = 4_000
"""The largest number of a scope's vectors that are all compared exactly."""

_ALIKE = 4
"""For each vector that is looked for, so many are compared exactly."""


def add_vectors(
    scope: str, model_id: str, vectors: Mapping[int, Sequence[float]], connection: sqlite3.Connection
) -> None:
    """Store vectors; see `RecallIndex.add_vectors`."""
    found = connection.execute(
        "SELECT scopes.key, documents.key, number FROM scopes JOIN documents ON documents.scope = scopes.key "
        "WHERE scopes.id = ? AND documents.key IN (SELECT value FROM json_each(?))",
        (scope, _json(list(vectors))),
    ).fetchall()
    if not found:
        return
    key_of_scope = found[0][0]
    _uncount(connection, key_of_scope, [key for _, key, _ in found])
    connection.executemany(
        "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?)",
        [(key_of_scope, key, model_id, pack(vectors[key])) for _, key, _ in found],
    )
    _count(connection, key_of_scope, model_id, len(found))
    _write_signs(connection, key_of_scope, model_id, {number: signs(vectors[key]) for _, key, number in found})


def remove_vectors(scope: int, numbers: Mapping[int, int], connection: sqlite3.Connection) -> None:
    """Remove the vectors of documents. `numbers` gives the number of each document by its key."""
    model_ids = _uncount(connection, scope, list(numbers))
    if not model_ids:
        return
    connection.executemany("DELETE FROM vectors WHERE scope = ? AND document = ?", [(scope, key) for key in numbers])
    for model_id in model_ids:
        _write_signs(connection, scope, model_id, dict.fromkeys(numbers.values(), b""))


def nearest(scope: int, query: CandidateQuery, connection: sqlite3.Connection) -> dict[int, float]:
    """Return documents with a vector near the query's vector, and their similarities."""
    if query.vector is None:
        return {}
    if _counted(connection, scope, query.model_id) <= MAX_COMPARED:
        rows = connection.execute(
            "SELECT document, data FROM vectors WHERE scope = ? AND model = ?", (scope, query.model_id)
        ).fetchall()
        return most_similar(query.vector, rows)
    size = BLOCK * len(signs(query.vector))
    packs = [
        (block * BLOCK, data)
        for block, data in connection.execute(
            "SELECT block, data FROM signs WHERE scope = ? AND model = ?", (scope, query.model_id)
        )
        if len(data) == size
    ]
    numbers = most_alike(query.vector, packs, max(query.limit, min(_ALIKE * query.limit, MAX_COMPARED)))
    return similarities(scope, query, keys_of(connection, scope, numbers), connection)


def similarities(
    scope: int, query: CandidateQuery, keys: Collection[int], connection: sqlite3.Connection
) -> dict[int, float]:
    """Return the similarity of each of these documents that has a vector of the query's model."""
    if query.vector is None or not keys:
        return {}
    rows = connection.execute(
        "SELECT document, data FROM vectors WHERE scope = ? AND document IN (SELECT value FROM json_each(?)) "
        "AND model = ?",
        (scope, _json(sorted(keys)), query.model_id),
    ).fetchall()
    return most_similar(query.vector, rows)


def unembedded(scope: str, model_id: str, limit: int, connection: sqlite3.Connection) -> list[Unembedded]:
    """See `RecallIndex.unembedded`. Nothing is searched for if no vector is missing."""
    found = connection.execute("SELECT key, documents FROM scopes WHERE id = ?", (scope,)).fetchone()
    if found is None:
        return []
    key_of_scope, documents = found
    missing = documents - _counted(connection, key_of_scope, model_id)
    if missing <= 0:
        return []
    rows = connection.execute(
        "SELECT documents.key, text FROM blocks "
        "JOIN documents ON documents.key BETWEEN first_key AND first_key + ? "
        "LEFT JOIN vectors ON vectors.scope = documents.scope AND vectors.document = documents.key AND model = ? "
        "WHERE blocks.scope = ? AND vectors.document IS NULL ORDER BY newest_us DESC, created_us DESC LIMIT ?",
        (BLOCK - 1, model_id, key_of_scope, min(limit, missing)),
    )
    return [Unembedded(key=key, text=original_text(text)) for key, text in rows]


def copied_vectors(
    scope: str, model_id: str, keys: Sequence[int], connection: sqlite3.Connection
) -> dict[int, Sequence[float]]:
    """See `RecallIndex.copied_vectors`. A copy has the same place in its turn, and the same text."""
    rows = connection.execute(
        "WITH own AS (SELECT documents.key, documents.scope, text, (SELECT of.key FROM documents AS of "
        "WHERE of.key <= documents.key AND of.turn_id != '' ORDER BY of.key DESC LIMIT 1) AS first "
        "FROM documents JOIN scopes ON scopes.key = documents.scope "
        "WHERE scopes.id = ? AND documents.key IN (SELECT value FROM json_each(?))) "
        "SELECT own.key, vectors.data FROM own JOIN documents AS start ON start.key = own.first "
        "JOIN documents AS begun ON begun.scope = own.scope AND begun.turn_id = start.turn_id AND begun.turn_id != '' "
        "AND begun.key != start.key "
        "JOIN documents AS copy ON copy.key = begun.key + own.key - own.first AND copy.text = own.text "
        "JOIN vectors ON vectors.scope = own.scope AND vectors.document = copy.key AND model = ?",
        (scope, _json(list(keys)), model_id),
    )
    return {key: unpacked(data) for key, data in rows}


def keys_of(connection: sqlite3.Connection, scope: int, numbers: Sequence[int]) -> list[int]:
    """Return the keys of documents by their numbers."""
    blocks = {number // BLOCK for number in numbers}
    first_keys = dict(
        connection.execute(
            "SELECT block, first_key FROM blocks WHERE scope = ? AND block IN (SELECT value FROM json_each(?))",
            (scope, _json(sorted(blocks))),
        )
    )
    return [first_keys[number // BLOCK] + number % BLOCK for number in numbers]


def _counted(connection: sqlite3.Connection, scope: int, model_id: str) -> int:
    found = connection.execute("SELECT vectors FROM models WHERE scope = ? AND model = ?", (scope, model_id)).fetchone()
    return 0 if found is None else found[0]


def _count(connection: sqlite3.Connection, scope: int, model_id: str, more: int) -> None:
    connection.execute(
        "INSERT INTO models VALUES (?, ?, ?) "
        "ON CONFLICT (scope, model) DO UPDATE SET vectors = vectors + excluded.vectors",
        (scope, model_id, more),
    )


def _uncount(connection: sqlite3.Connection, scope: int, keys: Sequence[int]) -> list[str]:
    """Count the vectors of documents no more, and return their models."""
    rows: list[tuple[str]] = connection.execute(
        "SELECT model FROM vectors WHERE scope = ? AND document IN (SELECT value FROM json_each(?))",
        (scope, _json(keys)),
    ).fetchall()
    counts = Counter([model_id for (model_id,) in rows])
    for model_id, count in counts.items():
        _count(connection, scope, model_id, -count)
    connection.execute("DELETE FROM models WHERE scope = ? AND vectors < 1", (scope,))
    return list(counts)


def _write_signs(connection: sqlite3.Connection, scope: int, model_id: str, by_number: Mapping[int, bytes]) -> None:
    """Put the signs of documents into the rows of their blocks. Signs without a byte are removed."""
    by_block: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
    for number, data in by_number.items():
        by_block[number // BLOCK][number % BLOCK] = data
    for block, placed in by_block.items():
        found = connection.execute(
            "SELECT data FROM signs WHERE scope = ? AND block = ? AND model = ?", (scope, block, model_id)
        ).fetchone()
        data = _placed(b"" if found is None else found[0], placed)
        if data.strip(b"\0"):
            connection.execute("INSERT OR REPLACE INTO signs VALUES (?, ?, ?, ?)", (scope, block, model_id, data))
        else:
            connection.execute("DELETE FROM signs WHERE scope = ? AND block = ?", (scope, block))


def _placed(data: bytes, placed: Mapping[int, bytes]) -> bytes:
    size = max([len(data) // BLOCK, *map(len, placed.values())])
    if len(data) != size * BLOCK:
        data = bytes(size * BLOCK)  # the model has another dimension now
    parts = [data[place * size : (place + 1) * size] for place in range(BLOCK)]
    for place, part in placed.items():
        parts[place] = part.ljust(size, b"\0")
    return b"".join(parts)


def _json(values: Iterable[int]) -> str:
    return msgspec.json.encode(values).decode()
