"""The format of stored vectors, and their comparison.

A vector of length 1 is stored as a scale and one byte for each dimension. This changes a cosine by about a
thousandth, and takes a quarter of the space of floats. The vectors of a user with few memories are all compared.

For a user with many memories, the signs of the dimensions are compared first, which are one bit each: the more bits two
vectors share, the more similar they are. Only the vectors that share most bits are then compared exactly (Charikar,
"Similarity estimation techniques from rounding algorithms", 2002). The vectors of many models lie in a narrow cone, so
most of their signs are equal. Therefore the signs are those of the differences from a centre, the mean of some vectors.
numpy makes both several times as fast, but is not needed.
"""

from __future__ import annotations

import heapq
import math
from array import array
from collections.abc import Iterable, Sequence
from operator import mul, sub
from statistics import fmean
from typing import Any

MAX_COMPARED = 4_000
"""The largest number of a scope's vectors that are all compared exactly."""

_ALIKE = 12
"""For each vector that is looked for, so many are compared exactly."""
_SCALE_BYTES = 4
_LARGEST = 127
_WORD_BYTES = 8
"""The number of bytes of signs is a multiple of this, so that numpy compares 64 of them at once."""
_ABSENT = 2**32 - 1
"""The distance of what is no vector."""


def unit(vector: Sequence[float]) -> list[float]:
    """Return the vector of length 1 in the same direction. A vector of zeros is returned unchanged."""
    largest = max(map(abs, vector), default=0.0)
    if not largest:
        return list(vector)
    # First by the largest value, because squares of very large and of very small values are no floats.
    scaled = [value / largest for value in vector]
    length = math.hypot(*scaled)
    return [value / length for value in scaled]


def pack(vector: Sequence[float]) -> bytes:
    """Return a vector in the stored format."""
    return packed(*parts(vector))


def parts(vector: Sequence[float]) -> tuple[float, bytes]:
    """Return the two parts of the stored format: the scale, and one byte for each dimension."""
    largest = max(map(abs, vector), default=0.0)
    scale = array("f", [largest / _LARGEST])[0]
    if not scale:
        return 0.0, bytes(len(vector))
    return scale, array("b", [max(-_LARGEST, min(_LARGEST, round(value / scale))) for value in vector]).tobytes()


def packed(scale: float, data: bytes) -> bytes:
    """Return the stored format of a vector from its two parts."""
    return array("f", [scale]).tobytes() + data


def unpacked(data: bytes) -> list[float]:
    """Return the vector of the bytes that `pack` made."""
    scale = array("f", data[:_SCALE_BYTES])[0]
    return [scale * value for value in array("b", data[_SCALE_BYTES:])]


def dimensions_of(size_bytes: int) -> int:
    """Return the number of dimensions of a stored vector with this number of bytes."""
    return size_bytes - _SCALE_BYTES


def most_similar(query: Sequence[float], rows: Sequence[tuple[int, bytes]]) -> dict[int, float]:
    """Return the cosine between each stored vector and the query's vector.

    Vectors of another dimension are left out.
    """
    size = _SCALE_BYTES + len(query)
    fitting = [(key, data) for key, data in rows if len(data) == size]
    if not fitting:
        return {}
    keys = [key for key, _ in fitting]
    numpy = _numpy()
    if numpy is None:
        return {key: _cosine(query, data) for key, data in fitting}
    table = numpy.frombuffer(b"".join([data for _, data in fitting]), dtype="i1").reshape(len(keys), -1)
    scales = table[:, :_SCALE_BYTES].copy().view("=f4")[:, 0]
    cosines = _products(numpy, table[:, _SCALE_BYTES:], query) * scales
    return dict(zip(keys, cosines.tolist(), strict=True))


def similarities(query: Sequence[float], scales: Sequence[float], data: bytes) -> list[float]:
    """Return the cosines between the query's vector and stored vectors of its dimension, whose parts are given."""
    numpy = _numpy()
    if numpy is None or not scales:
        size = len(query)
        return [
            scale * sum(map(mul, array("b", data[place * size : (place + 1) * size]), query))
            for place, scale in enumerate(scales)
        ]
    table = numpy.frombuffer(data, dtype="i1").reshape(len(scales), -1)
    return (_products(numpy, table, query) * numpy.asarray(scales, dtype="=f4")).tolist()


def compared(limit: int) -> int:
    """Return how many of many vectors are compared exactly to find the nearest `limit` of them."""
    return max(limit, min(_ALIKE * limit, MAX_COMPARED))


def centre_of(vectors: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of vectors of one dimension."""
    numpy = _numpy()
    if numpy is None:
        return [fmean(values) for values in zip(*vectors, strict=True)]
    return numpy.mean(numpy.asarray(vectors, dtype="=f8"), axis=0).tolist()


def signs(vector: Sequence[float], centre: Sequence[float]) -> bytes:
    """Return the signs of a vector's dimensions as seen from a centre of the same dimension, one bit for each."""
    bits = sum([1 << place for place, value in enumerate(map(sub, vector, centre)) if value > 0])
    return bits.to_bytes(_WORD_BYTES * -(-len(vector) // (8 * _WORD_BYTES)), "little")


def most_alike(asked: bytes, packs: Sequence[tuple[int, bytes]], limit: int) -> list[int]:
    """Return the numbers of the vectors that share most signs with the query's vector.

    Args:
        asked: the signs of the query's vector.
        packs: the signs of vectors with consecutive numbers, each with the number of the first one. All packs are of
            one length. Signs that are all zero stand for no vector.
        limit: the number of vectors to return.
    """
    numpy = _numpy()
    if numpy is None or not hasattr(numpy, "bitwise_count") or not packs:
        distances = _distances(asked, packs)
        return [number for _, number in heapq.nsmallest(limit, distances)]
    size = len(packs[0][1]) // len(asked)
    table = numpy.frombuffer(b"".join([data for _, data in packs]), dtype="=u8").reshape(-1, len(asked) // _WORD_BYTES)
    apart = numpy.zeros(len(table), dtype="=u4")
    for column, word in enumerate(numpy.frombuffer(asked, dtype="=u8")):
        apart += numpy.bitwise_count(table[:, column] ^ word)
    absent = numpy.flatnonzero(table[:, 0] == 0)
    absent = absent[~table[absent].any(axis=1)]
    apart[absent] = _ABSENT
    places = numpy.argpartition(apart, limit)[:limit] if limit < len(apart) else numpy.arange(len(apart))
    return [packs[place // size][0] + place % size for place in places[apart[places] < _ABSENT].tolist()]


def _cosine(query: Sequence[float], data: bytes) -> float:
    scale = array("f", data[:_SCALE_BYTES])[0]
    return scale * sum(map(mul, array("b", data[_SCALE_BYTES:]), query))


def _distances(asked: bytes, packs: Iterable[tuple[int, bytes]]) -> Iterable[tuple[int, int]]:
    size = len(asked)
    wanted = int.from_bytes(asked, "little")
    for first, data in packs:
        for place in range(len(data) // size):
            bits = int.from_bytes(data[place * size : (place + 1) * size], "little")
            if bits:
                yield (bits ^ wanted).bit_count(), first + place


def _products(numpy: Any, table: Any, query: Sequence[float]) -> Any:
    """Return the product of each row of a table of bytes with a vector.

    `@` would wake a thread of BLAS on each core. For tables of this size, that takes longer than the work.
    """
    return numpy.einsum("ij,j->i", table.astype("=f4"), numpy.asarray(query, dtype="=f4"))


def _numpy() -> Any:
    try:
        import numpy
    except ModuleNotFoundError:
        return None
    return numpy
