"""The postings in the tables: pending terms are entered into them, and removed documents are taken out of them."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from recuerda.recall.postings import MAX_CHUNKS, RANGE_BITS, Chunk, Matches, Postings, entered, without
from recuerda.recall.similar_words import LAST_CHARACTER, MAX_LOOKED_AT, LookedUp, similar_terms, to_look_up
from recuerda.recall.text import probable_terms

MAX_ENTERED = 1_000
"""The largest number of documents that are entered in one transaction. This limits how long a search waits for it."""


class Removed(NamedTuple):
    """A removed document whose terms are in the postings: its number, the number of its terms, and their sources."""

    number: int
    terms: int
    text: str
    speaker: str | None
    created_us: int


def matches(scope: int, terms: Collection[str], shares: Mapping[str, float], connection: sqlite3.Connection) -> Matches:
    """Return the documents of a scope that have any of these terms; `shares` is as in `CandidateQuery`."""
    return Matches(
        {term: Postings(_newest_chunks(connection, scope, term)) for term in terms},
        _waiting(connection, scope, frozenset(terms)),
        shares,
    )


def similar(scope: int, words: Mapping[str, Sequence[str]], connection: sqlite3.Connection) -> dict[str, str]:
    """Return the terms of a scope that are similar to the terms of words, each with its word."""
    return {
        term: word
        for word, terms in words.items()
        for term in similar_terms(terms, _looked_up(connection, scope, to_look_up(terms)))
    }


def enter_waiting(scope: int, connection: sqlite3.Connection) -> bool:
    """Enter the terms of pending documents into the postings; return True if more may be pending."""
    rows = connection.execute(
        "SELECT number, terms FROM pending WHERE scope = ? LIMIT ?", (scope, MAX_ENTERED)
    ).fetchall()
    by_term: defaultdict[str, dict[int, int]] = defaultdict(dict)
    for number, terms in rows:
        for term, count in msgspec.json.decode(terms, type=dict[str, int]).items():
            by_term[term][number] = count
    for term in sorted(by_term):
        _enter(connection, scope, term, by_term[term])
    connection.executemany("DELETE FROM pending WHERE scope = ? AND number = ?", [(scope, row[0]) for row in rows])
    connection.execute("UPDATE scopes SET waiting = max(0, waiting - ?) WHERE key = ?", (len(rows), scope))
    return len(rows) == MAX_ENTERED


def take_out(scope: int, removed: Sequence[Removed], connection: sqlite3.Connection) -> None:
    """Take removed documents out of the postings.

    Their terms are not stored, but made from their texts again. If a document had other terms, which depend on more
    than its text, all postings of the scope near its number are read.
    """
    by_term: defaultdict[str, list[int]] = defaultdict(list)
    for document in removed:
        for term in probable_terms(document.text, document.speaker, document.created_us):
            by_term[term].append(document.number)
    left = {document.number: document.terms for document in removed}
    for term in sorted(by_term):
        for number in _take_out_of_term(connection, scope, term, by_term[term]):
            left[number] -= 1
    if missed := [number for number, terms in left.items() if terms]:
        _search_and_take_out(connection, scope, missed)


def _newest_chunks(connection: sqlite3.Connection, scope: int, term: str) -> Iterable[tuple[int, bytes]]:
    rows = connection.execute(
        "SELECT first, data FROM postings WHERE scope = ? AND term = ? ORDER BY first DESC LIMIT ?",
        (scope, term, MAX_CHUNKS),
    ).fetchall()
    return reversed(rows)


def _waiting(connection: sqlite3.Connection, scope: int, wanted: frozenset[str]) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for number, terms in connection.execute("SELECT number, terms FROM pending WHERE scope = ?", (scope,)):
        counts = msgspec.json.decode(terms, type=dict[str, int])
        if met := wanted & counts.keys():
            found[number] = {term: counts[term] for term in met}
    return found


def _looked_up(connection: sqlite3.Connection, scope: int, wanted: LookedUp) -> set[str]:
    rows = connection.execute(
        "SELECT value FROM json_each(?) WHERE EXISTS (SELECT 1 FROM postings WHERE scope = ? AND term = value)",
        (msgspec.json.encode(wanted.spellings).decode(), scope),
    ).fetchall()
    for start in wanted.starts:
        rows += connection.execute(
            "SELECT DISTINCT term FROM postings WHERE scope = ? AND term >= ? AND term < ? LIMIT ?",
            (scope, start, start + LAST_CHARACTER, MAX_LOOKED_AT),
        )
    known = {term for (term,) in rows}
    for (counts,) in connection.execute("SELECT terms FROM pending WHERE scope = ?", (scope,)):
        known.update(filter(wanted.has, msgspec.json.decode(counts, type=dict[str, int])))
    return known


def _enter(connection: sqlite3.Connection, scope: int, term: str, counts: Mapping[int, int]) -> None:
    chunks = connection.execute(
        "SELECT first, data FROM postings WHERE scope = :scope AND term = :term AND first <= :last AND first >= "
        "coalesce((SELECT max(first) FROM postings WHERE scope = :scope AND term = :term AND first <= :first), 0)",
        {"scope": scope, "term": term, "first": min(counts), "last": max(counts)},
    ).fetchall()
    _write(connection, scope, term, entered(chunks, counts))


def _write(connection: sqlite3.Connection, scope: int, term: str, chunks: Iterable[Chunk]) -> None:
    connection.executemany(
        "INSERT INTO postings VALUES (?, ?, ?, ?) ON CONFLICT (scope, term, first) DO UPDATE SET data = excluded.data",
        [(scope, term, first, data) for first, data in chunks],
    )


def _take_out_of_term(connection: sqlite3.Connection, scope: int, term: str, numbers: Sequence[int]) -> set[int]:
    """Return the numbers that the postings of the term had."""
    by_chunk: defaultdict[tuple[int, bytes], list[int]] = defaultdict(list)
    for number in numbers:
        found = connection.execute(
            "SELECT first, data FROM postings WHERE scope = ? AND term = ? AND first BETWEEN ? AND ? "
            "ORDER BY first DESC LIMIT 1",
            (scope, term, number >> RANGE_BITS << RANGE_BITS, number),
        ).fetchone()
        if found is not None:
            by_chunk[found].append(number)
    gone: set[int] = set()
    for (first, data), held in by_chunk.items():
        gone |= _take_out_of_chunk(connection, scope, term, Chunk(first, data), held)
    return gone


def _take_out_of_chunk(
    connection: sqlite3.Connection, scope: int, term: str, chunk: Chunk, numbers: Collection[int]
) -> set[int]:
    data, gone = without(chunk, numbers)
    if gone and data:
        _write(connection, scope, term, [Chunk(chunk.first, data)])
    elif gone:
        connection.execute(
            "DELETE FROM postings WHERE scope = ? AND term = ? AND first = ?", (scope, term, chunk.first)
        )
    return gone


def _search_and_take_out(connection: sqlite3.Connection, scope: int, numbers: Collection[int]) -> None:
    rows = connection.execute(
        "SELECT term, first, data FROM postings WHERE scope = ? AND first BETWEEN ? AND ?",
        (scope, min(numbers) >> RANGE_BITS << RANGE_BITS, max(numbers)),
    ).fetchall()
    for term, first, data in rows:
        _take_out_of_chunk(connection, scope, term, Chunk(first, data), numbers)
