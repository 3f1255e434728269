"""The vectors in the tables: they are stored, compared with a question's vector, and removed with their documents.

A scope with many vectors has signs, too. A row of `signs` has those of 128 consecutive numbers of documents side by
side, so all of a user are read quickly. The signs are made when the vectors become many, as seen from their mean at
that time.
"""

from __future__ import annotations

import sqlite3
from array import array
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from recuerda.recall.index import SAMPLED, CandidateQuery, Unembedded
from recuerda.recall.postings import BLOCK
from recuerda.recall.sqlite.texts import original_text
from recuerda.recall.vectors import (
    MAX_COMPARED,
    centre_of,
    compared,
    dimensions_of,
    most_alike,
    most_similar,
    pack,
    signs,
    unpacked,
)

_TOGETHER = 128
"""The number of documents whose signs are in one row."""


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
    centre = _centre(connection, key_of_scope, model_id)
    if centre is not None:
        by_number = {number: vectors[key] for _, key, number in found}
        _write_signs(connection, key_of_scope, model_id, _signs_of(by_number, centre))
    elif _counted(connection, key_of_scope, model_id) > MAX_COMPARED:
        _make_signs(connection, key_of_scope, model_id)


def remove_vectors(scope: int, numbers: Mapping[int, int], connection: sqlite3.Connection) -> None:
    """Remove the vectors of documents. `numbers` gives the number of each document by its key."""
    if not _uncount(connection, scope, list(numbers)):
        return
    connection.executemany("DELETE FROM vectors WHERE scope = ? AND document = ?", [(scope, key) for key in numbers])
    _write_signs(connection, scope, None, dict.fromkeys(numbers.values(), b""))


def nearest(scope: int, query: CandidateQuery, connection: sqlite3.Connection) -> dict[int, float]:
    """Return documents with a vector near the query's vector, and their similarities."""
    if query.vector is None:
        return {}
    centre = _centre(connection, scope, query.model_id)
    is_small = _counted(connection, scope, query.model_id) <= MAX_COMPARED
    if is_small or centre is None or len(centre) != len(query.vector):
        rows = connection.execute(
            "SELECT document, data FROM vectors WHERE scope = ? AND model = ?", (scope, query.model_id)
        ).fetchall()
        return most_similar(query.vector, rows)
    asked = signs(query.vector, centre)
    packs = connection.execute(
        "SELECT first, data FROM signs WHERE scope = ? AND model = ?", (scope, query.model_id)
    ).fetchall()
    numbers = most_alike(asked, packs, compared(query.limit))
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


def vector_models(scope: str, connection: sqlite3.Connection) -> dict[str, int]:
    """See `RecallIndex.vector_models`."""
    found = connection.execute(
        "SELECT model, vectors FROM scopes JOIN models ON models.scope = scopes.key WHERE id = ?", (scope,)
    )
    return dict(found.fetchall())


def vector_dimensions(scope: str, model_id: str, connection: sqlite3.Connection) -> int | None:
    """See `RecallIndex.vector_dimensions`."""
    found = connection.execute(
        "SELECT size FROM (SELECT length(data) AS size FROM scopes JOIN vectors ON vectors.scope = scopes.key "
        "WHERE id = ? AND model = ? LIMIT ?) GROUP BY size ORDER BY count(*) DESC LIMIT 1",
        (scope, model_id, SAMPLED),
    ).fetchone()
    dimensions = 0 if found is None else dimensions_of(found[0])
    return dimensions or None


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
        "INSERT INTO models VALUES (?, ?, ?, NULL) "
        "ON CONFLICT (scope, model) DO UPDATE SET vectors = vectors + excluded.vectors",
        (scope, model_id, more),
    )


def _uncount(connection: sqlite3.Connection, scope: int, keys: Sequence[int]) -> int:
    """Count the vectors of documents no more, and return their number."""
    rows: list[tuple[str]] = connection.execute(
        "SELECT model FROM vectors WHERE scope = ? AND document IN (SELECT value FROM json_each(?))",
        (scope, _json(keys)),
    ).fetchall()
    for model_id, count in Counter([model_id for (model_id,) in rows]).items():
        _count(connection, scope, model_id, -count)
    if connection.execute("DELETE FROM models WHERE scope = ? AND vectors < 1", (scope,)).rowcount:
        connection.execute(
            "DELETE FROM signs WHERE scope = :scope AND model NOT IN (SELECT model FROM models WHERE scope = :scope)",
            {"scope": scope},
        )
    return len(rows)


def _centre(connection: sqlite3.Connection, scope: int, model_id: str) -> array[float] | None:
    found = connection.execute("SELECT centre FROM models WHERE scope = ? AND model = ?", (scope, model_id)).fetchone()
    return None if found is None or found[0] is None else array("f", found[0])


def _make_signs(connection: sqlite3.Connection, scope: int, model_id: str) -> None:
    """Give signs to the vectors of a scope. Their centre is the mean of the vectors of the commonest dimension."""
    rows = connection.execute(
        "SELECT number, data FROM vectors JOIN documents ON documents.key = vectors.document "
        "WHERE vectors.scope = ? AND model = ?",
        (scope, model_id),
    )
    by_number = {number: unpacked(data) for number, data in rows}
    ((dimensions, _),) = Counter(map(len, by_number.values())).most_common(1)
    if not dimensions:
        return
    centre = array("f", centre_of([vector for vector in by_number.values() if len(vector) == dimensions]))
    connection.execute(
        "UPDATE models SET centre = ? WHERE scope = ? AND model = ?", (centre.tobytes(), scope, model_id)
    )
    connection.execute("DELETE FROM signs WHERE scope = ?", (scope,))
    _write_signs(connection, scope, model_id, _signs_of(by_number, centre))


def _signs_of(by_number: Mapping[int, Sequence[float]], centre: Sequence[float]) -> dict[int, bytes]:
    """Return the signs of vectors. A vector of another dimension than the centre has none."""
    return {
        number: signs(vector, centre) if len(vector) == len(centre) else b"" for number, vector in by_number.items()
    }


def _write_signs(
    connection: sqlite3.Connection, scope: int, model_id: str | None, by_number: Mapping[int, bytes]
) -> None:
    """Put the signs of documents into their rows, in place of those of another model. Signs without a byte are removed.

    `model_id` is None if signs are only removed, whatever their model.
    """
    by_row: defaultdict[int, dict[int, bytes]] = defaultdict(dict)
    for number, data in by_number.items():
        by_row[number - number % _TOGETHER][number % _TOGETHER] = data
    for first, placed in by_row.items():
        found = connection.execute(
            "SELECT model, data FROM signs WHERE scope = ? AND first = ?", (scope, first)
        ).fetchone()
        model, data = found or (model_id, b"")
        data = _placed(data if model_id in (None, model) else b"", placed)
        if data.strip(b"\0"):
            row = (scope, first, model_id or model, data)
            connection.execute("INSERT OR REPLACE INTO signs VALUES (?, ?, ?, ?)", row)
        else:
            connection.execute("DELETE FROM signs WHERE scope = ? AND first = ?", (scope, first))


def _placed(data: bytes, placed: Mapping[int, bytes]) -> bytes:
    """Return the data of a row with other signs in some places."""
    size = max([len(data) // _TOGETHER, *map(len, placed.values())])
    parts = bytearray(data or bytes(size * _TOGETHER))
    for place, part in placed.items():
        parts[place * size : (place + 1) * size] = part.ljust(size, b"\0")
    return bytes(parts)


def _json(values: Iterable[int]) -> str:
    return msgspec.json.encode(values).decode()
