"""Several chunks of postings in one row, because a row for each chunk takes more space than most chunks.

The chunks of a scope (see `recall/postings.py`) are in the order of their terms, and then of their `first`, and are cut
into rows. The key of a row is the key of its first chunk, and the row has all chunks from there up to the key of the
next row, as a leaf of a B-tree. So a chunk is in the last row whose key is not greater. Terms have the order of their
bytes, which is also Python's order of strings.

The data of a row is a MessagePack array with the term, the `first` and the data of each chunk. Most chunks have one
document that has the term once: the row has only its number.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, TypeAlias

import msgspec

from recuerda.recall.postings import Chunk

Key: TypeAlias = tuple[str, int]
"""The key of a chunk, and of a row: a term, and the `first` of the chunk."""

MAX_ROW = 1_000
"""About the largest size of a row, in bytes. Larger rows would have to be rewritten more often."""

_OVERHEAD = 6
"""The largest number of bytes of a chunk in a row beside its term and its data, for numbers below 65,536."""

_ALONE = b"\x01\x00"
"""The beginning of the data of a chunk with one document that has the term once."""


class Rewritten(NamedTuple):
    """The rows to write, and the keys of the rows to delete before."""

    rows: dict[Key, bytes]
    gone: list[Key]


def packed(chunks: Sequence[tuple[Key, bytes]]) -> bytes:
    """Return the data of a row with these chunks."""
    values: list[str | int | bytes] = []
    for (term, first), data in chunks:
        values += (term, first, data[2:] if len(data) == 4 and data.startswith(_ALONE) else data)
    return msgspec.msgpack.encode(values)


def unpacked(row: bytes) -> Iterator[tuple[str, Chunk]]:
    """Yield the chunks of a row, each with its term."""
    values = msgspec.msgpack.decode(row)
    for term, first, data in zip(values[::3], values[1::3], values[2::3], strict=True):
        yield term, Chunk(first, _ALONE + data if len(data) == 2 else data)


def chunks_of(rows: Mapping[Key, bytes], terms: Sequence[str]) -> dict[str, list[Chunk]]:
    """Return the chunks of terms that are in these rows, in ascending order."""
    found: dict[str, list[Chunk]] = {term: [] for term in terms}
    for _, row in sorted(rows.items()):
        for term, chunk in unpacked(row):
            if term in found:
                found[term].append(chunk)
    return found


def rewritten(rows: Mapping[Key, bytes], changes: Mapping[Key, bytes]) -> Rewritten:
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
        held = {} if at < 0 else {(term, chunk.first): chunk.data for term, chunk in unpacked(rows[keys[at]])}
        chunks = sorted((key, data) for key, data in (held | changed).items() if data)
        if at >= 0 and (not chunks or chunks[0][0] != keys[at]):
            done.gone.append(keys[at])
        done.rows.update((part[0][0], packed(part)) for part in _cut(chunks))
    return done


def _cut(chunks: Sequence[tuple[Key, bytes]]) -> Iterator[Sequence[tuple[Key, bytes]]]:
    """Yield parts of about the same size, none of which is larger than a row unless it has only one chunk."""
    sizes = [len(term.encode()) + len(data) + _OVERHEAD for (term, _), data in chunks]
    parts = -(-sum(sizes) // MAX_ROW)
    room = sum(sizes) / max(1, parts)
    start = size = 0
    for at, of_chunk in enumerate(sizes):
        if size and size + of_chunk / 2 > room:
            yield chunks[start:at]
            start, size = at, 0
        size += of_chunk
    if chunks:
        yield chunks[start:]
