"""Several chunks of postings in one row, because a row for each chunk takes more space than most chunks.

The chunks of a scope (see `recall/postings.py`) are in the order of their terms, and then of their `first`, and are cut
into rows. The key of a row is the key of its first chunk, and the row has all chunks from there up to the key of the
next row, as a leaf of a B-tree. So a chunk is in the last row whose key is not greater. Terms have the order of their
bytes, which is also Python's order of strings.

The data of a row is a MessagePack array with the term, the `first` and the data of each chunk.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Container, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

Key: TypeAlias = tuple[str, int]
"""The key of a chunk, and of a row: a term, and the `first` of the chunk."""

MAX_ROW = 1_000
"""About the largest size of a row, in bytes. Larger rows would have to be rewritten more often."""

_OVERHEAD = 5
"""About the number of bytes of a chunk in a row beside its term and its data."""


Row: TypeAlias = Mapping[Key, bytes]
"""The data of the chunks of a row, in their order."""


class Rewritten(NamedTuple):
    """The rows to write, and the keys of the rows to delete before."""

    rows: dict[Key, bytes]
    gone: list[Key]


def packed(chunks: Iterable[tuple[Key, bytes]]) -> bytes:
    """Return the data of a row with these chunks."""
    values: list[str | int | bytes] = []
    for (term, first), data in chunks:
        values += (term, first, data)
    return msgspec.msgpack.encode(values)


def unpacked(row: bytes) -> Row:
    """Return the chunks of a row."""
    values = msgspec.msgpack.decode(row)
    return {(term, first): data for term, first, data in zip(values[::3], values[1::3], values[2::3], strict=True)}


def unpacked_rows(rows: Mapping[Key, bytes]) -> dict[Key, Row]:
    """Return the chunks of several rows."""
    return {key: unpacked(row) for key, row in rows.items()}


def chunks_in(row: bytes, terms: Container[str]) -> Iterator[tuple[str, int, bytes]]:
    """Yield the term, the `first` and the data of each chunk of a row that has one of these terms."""
    values = msgspec.msgpack.decode(row)
    for at, term in enumerate(values[::3]):
        if term in terms:
            yield term, values[3 * at + 1], values[3 * at + 2]


def terms_in(row: bytes) -> Sequence[str]:
    """Return the terms of the chunks of a row."""
    return msgspec.msgpack.decode(row)[::3]


def chunks_of(rows: Mapping[Key, Row], terms: Collection[str]) -> dict[str, list[tuple[int, bytes]]]:
    """Return the chunks of terms that are in these rows: the `first` and the data of each, in ascending order."""
    found: dict[str, list[tuple[int, bytes]]] = {term: [] for term in terms}
    for key in sorted(rows):
        for (term, first), data in rows[key].items():
            if term in found:
                found[term].append((first, data))
    return found


def rewritten(rows: Mapping[Key, Row], changes: Mapping[Key, bytes]) -> Rewritten:
    """Return the rows as they are after changes of chunks.

    Args:
        rows: the rows that have the changed chunks, or that would have them.
        changes: the new data of chunks; b"" removes a chunk.
    """
    keys = sorted(rows)
    by_row: defaultdict[int, dict[Key, bytes]] = defaultdict(dict)
    for key, data in changes.items():
        by_row[bisect_right(keys, key) - 1][key] = data
    done = Rewritten({}, [])
    for at, changed in by_row.items():
        # Chunks before the first row of the scope get a row of their own.
        held: Row = {} if at < 0 else rows[keys[at]]
        chunks = sorted((key, data) for key, data in {**held, **changed}.items() if data)
        if at >= 0 and (not chunks or chunks[0][0] != keys[at]):
            done.gone.append(keys[at])
        row = packed(chunks)
        if len(row) > MAX_ROW:
            done.rows.update((part[0][0], packed(part)) for part in _cut(chunks, len(row)))
        elif chunks:
            done.rows[chunks[0][0]] = row
    return done


def _cut(chunks: Sequence[tuple[Key, bytes]], total: int) -> Iterator[Sequence[tuple[Key, bytes]]]:
    """Yield parts of about the same size; none is much larger than a row unless it has only one chunk."""
    room = total / -(-total // MAX_ROW)
    start = size = 0
    for at, ((term, _), data) in enumerate(chunks):
        of_chunk = len(term) + len(data) + _OVERHEAD
        if size and size + of_chunk / 2 > room:
            yield chunks[start:at]
            start, size = at, 0
        size += of_chunk
    yield chunks[start:]
