"""The format of postings, and the best documents of a question: the same for every index.

The documents of a scope have numbers. A thread gets them in blocks of `BLOCK`, so they are dense within the scope, and
the numbers of neighbouring documents are neighbours. The postings of a term are the numbers of the documents that have
it, cut into chunks. A chunk is an array of 16-bit integers: the lowest 16 bits of the numbers of its documents in
ascending order, and again the number of each document that has the term more than once, once for each further time. If
there is such a document, one more byte has the count of the documents, so the length is odd. So a document costs two
bytes for each of its terms, and Python reads a chunk without a loop. The lowest byte of an integer comes first.

A chunk is identified by its term and by a number, its `first`: it holds the documents from there up to the next chunk's
first, within the same 65,536 numbers.
"""

from __future__ import annotations

import heapq
import sys
from array import array
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, KeysView, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from recuerda.recall.ranking import WEIGHTS, idf

BLOCK = 16
"""The number of consecutive numbers that a thread gets at a time."""

MAX_CHUNK = 240
"""The largest number of entries of a chunk, so that several chunks fit into a page of a database."""

MAX_CHUNKS = 250
"""The largest number of chunks that a search reads of a term: those of the highest numbers. This is every chunk of a
term that has fewer than 60,000 documents."""

RANGE_BITS = 16
"""The number of low bits of a document's number that a chunk has."""

MAX_SHARING = 300
"""The largest number of documents that may have a term which counts less than the others. A more common one hardly
changes the order, and there are dozens of them."""

MAX_COMMON = 1_000
MAX_COMMON_SHARE = 0.2
"""The largest number of documents, and the largest share of a scope's documents, that have a term by which documents
are found. A term that exceeds both is as common as a function word. It only orders what the other terms find, if there
are any."""

_LOW = (1 << RANGE_BITS) - 1
_MAX_COUNT = 200
"""The largest count that is stored, because equal numbers must fit into a chunk. A higher count weighs hardly more."""

_COUNTS = [count.to_bytes(2, "little") for count in range(256)]

_NO_SHARES: Mapping[str, float] = {}

_LOOK_UP = 8
"""The number of postings that are read in the time in which one document is looked up."""


class Chunk(NamedTuple):
    """A part of the postings of a term; see the docstring of the module."""

    first: int
    data: bytes


class Postings:
    """The postings of one term.

    Args:
        chunks: the chunks of the term, in ascending order.
    """

    def __init__(self, chunks: Iterable[tuple[int, bytes]]) -> None:
        self._firsts: list[int] = []
        self._parts: list[array[int]] = []
        for first, data in chunks:
            self._firsts.append(first)
            self._parts.append(_integers(data))
        self.frequency: int = sum([part[0] for part in self._parts])
        """The number of documents."""

    @cached_property
    def numbers(self) -> Sequence[int]:
        """The numbers of all documents, in ascending order."""
        found: list[int] = []
        for first, part in zip(self._firsts, self._parts, strict=True):
            base, distinct = first & ~_LOW, part[1 : part[0] + 1]
            found.extend([base + low for low in distinct] if base else distinct)
        return found

    @cached_property
    def repeated(self) -> Mapping[int, int]:
        """The counts of the documents that have the term more than once, by their numbers."""
        return {number: more + 1 for number, more in Counter(self._further).items()}

    @cached_property
    def _further(self) -> Sequence[int]:
        """The numbers of the documents that have the term more than once, once for each further time, ascending."""
        further: list[int] = []
        for first, part in zip(self._firsts, self._parts, strict=True):
            if len(part) > part[0] + 1:
                base, lows = first & ~_LOW, part[part[0] + 1 :]
                further.extend([base + low for low in lows] if base else lows)
        return further

    def best_besides(self, others: Collection[int], limit: int) -> list[int]:
        """Return the documents that have the term most often, at least `limit` of them, without those of `others`.

        Of those that have it equally often, the ones with the highest numbers are returned.
        """
        found: dict[int, None] = {}
        more = self._further
        levels = [more]
        while more := [number for number, following in pairwise(more) if number == following]:
            levels.append(more)
        for level in reversed(levels):
            for number in reversed(level):
                if number not in others:
                    found[number] = None
                    if len(found) == limit:
                        return list(found)
        for first, part in zip(reversed(self._firsts), reversed(self._parts), strict=True):
            base = first & ~_LOW
            found.update(dict.fromkeys([n for low in part[1 : part[0] + 1] if (n := base + low) not in others]))
            if len(found) >= limit:
                break
        return list(found)

    def counts(self, wanted: KeysView[int]) -> dict[int, int]:
        """Return the counts of those of the wanted documents that have the term."""
        if _LOOK_UP * len(wanted) > self.frequency:
            found = dict.fromkeys(filter(wanted.__contains__, self.numbers), 1)
            for number in filter(found.__contains__, self._further):
                found[number] += 1
            return found
        return self._looked_up(sorted(wanted))

    def _looked_up(self, wanted: Sequence[int]) -> dict[int, int]:
        """Return the counts of documents that are wanted in ascending order."""
        # Loops without calls of our own, because a search looks up a thousand documents.
        firsts, parts = self._firsts, self._parts
        found: dict[int, int] = {}
        at = start = 0
        while start < len(wanted):
            at = bisect_right(firsts, wanted[start], at)
            next_range = (wanted[start] | _LOW) + 1
            until = min(next_range, firsts[at]) if at < len(firsts) else next_range
            stop = bisect_left(wanted, until, start)
            if at and firsts[at - 1] >= next_range - _LOW - 1:
                part = parts[at - 1]
                place, end = 1, part[0] + 1
                is_repeated = len(part) > end
                for number in wanted[start:stop]:
                    low = number & _LOW
                    place = bisect_left(part, low, place, end)
                    if place == end:
                        break
                    if part[place] == low:
                        more = bisect_right(part, low, end) - bisect_left(part, low, end) if is_repeated else 0
                        found[number] = 1 + more
            start = stop
        return found


class Matches:
    """The documents of a scope that have terms of a question.

    Args:
        postings: the postings of each term.
        waiting: the counts of the terms in the documents that are not in the postings yet, by number.
        shares: as in `CandidateQuery`. Of these terms, the common ones are left out; see `MAX_SHARING`.
    """

    def __init__(
        self,
        postings: Mapping[str, Postings],
        waiting: Mapping[int, Mapping[str, int]],
        shares: Mapping[str, float] = _NO_SHARES,
    ) -> None:
        common = {term for term in shares if term in postings and postings[term].frequency > MAX_SHARING}
        self._postings = {term: of for term, of in postings.items() if of.frequency and term not in common}
        self._waiting = waiting
        if common:
            self._waiting = {
                number: {term: count for term, count in counts.items() if term not in common}
                for number, counts in waiting.items()
            }
        self._shares = shares
        counted = Counter({term: of.frequency for term, of in self._postings.items()})
        for counts in self._waiting.values():
            counted.update(counts.keys())
        self.frequencies: dict[str, int] = dict(counted)
        """The number of documents that have each term. Terms that no document has are left out."""

    def best(self, documents: int, limit: int) -> list[int]:
        """Return the numbers of the best documents by BM25 without its part for lengths, the best first.

        Of equal ones, the newest come first.

        The terms are added from the rarest to the most common one. Once the common terms that are left cannot lift a
        further document among the best, they are only looked up in the documents that were found before (Turtle and
        Flood, "Query evaluation: strategies and optimizations", 1995).

        Args:
            documents: the number of documents in the scope.
            limit: the number of documents to return.
        """
        shares = self._shares
        worth = {term: idf(of, max(documents, of)) * shares.get(term, 1) for term, of in self.frequencies.items()}
        telling, common = self._parted(documents, worth)
        scores: dict[int, float] = {}
        done, rest, is_closed = 0.0, sum(worth.values()), False
        for term in telling:
            # No score is greater than `done`.
            least = _least(scores, limit) if is_closed or done >= rest else 0.0
            is_closed = is_closed or least >= rest > 0
            postings = self._postings[term]
            if is_closed:
                scores = {number: score for number, score in scores.items() if score + rest >= least}
                _raise(scores, postings.counts(scores.keys()), worth[term])
            elif term == telling[-1]:
                _add_last(scores, postings, worth[term], limit)
            else:
                scores = _added(scores, postings, worth[term])
            done, rest = done + worth[term], rest - worth[term]
        for term in common:
            least = _least(scores, limit)
            scores = {number: score for number, score in scores.items() if score + rest >= least}
            if len(scores) <= MAX_COMMON:
                _raise(scores, self._postings[term].counts(scores.keys()), worth[term])
            rest -= worth[term]
        for number, counts in self._waiting.items():
            scores[number] = sum([worth[term] * _saturated(count) for term, count in counts.items()])
        return _largest(scores, limit)

    def _parted(self, documents: int, worth: Mapping[str, float]) -> tuple[list[str], list[str]]:
        """Return the terms by which documents are found, and those that are too common for it, by their worth."""
        most = max(MAX_COMMON, round(MAX_COMMON_SHARE * documents))
        ordered = sorted(self._postings, key=lambda term: (-worth[term], term))
        telling = [term for term in ordered if self._postings[term].frequency <= most]
        return (telling, [term for term in ordered if term not in telling]) if telling else (ordered, [])

    def of(self, numbers: Collection[int]) -> dict[int, dict[str, int]]:
        """Return the counts of the terms in these documents. Documents without any of the terms are left out."""
        found: dict[int, dict[str, int]] = {}
        wanted = dict.fromkeys(sorted(numbers)).keys()
        for term, postings in self._postings.items():
            for number, count in postings.counts(wanted).items():
                found.setdefault(number, {})[term] = count
        for number in self._waiting.keys() & wanted:
            found[number] = dict(self._waiting[number])
        return found


def entered(chunks: Sequence[tuple[int, bytes]], counts: Mapping[int, int]) -> Iterator[Chunk]:
    """Yield the chunks to write when documents are entered into the postings of a term.

    Args:
        chunks: the chunks that hold the numbers between the lowest and the highest number of the documents.
        counts: how often each document has the term, by number.
    """
    known = dict(chunks)
    firsts = sorted(known)
    parts: dict[int, dict[int, int]] = {}
    for number, count in counts.items():
        parts.setdefault(_first_for(number, firsts), {})[number] = min(count, _MAX_COUNT)
    for first, added in parts.items():
        if (data := _with_more(known.get(first, b""), added)) is not None:
            yield Chunk(first, data)
            continue
        held = _unpacked(first, known[first]) if first in known else {}
        is_behind = not held or min(added) > max(held)
        yield from _cut(first, sorted((held | added).items()), is_behind=is_behind)


def without(chunk: Chunk, numbers: Collection[int]) -> tuple[bytes, set[int]]:
    """Return the data of a chunk without these documents, empty if none is left, and the numbers that it had."""
    held = _unpacked(*chunk)
    gone = {number for number in numbers if held.pop(number, None) is not None}
    return _packed(list(held.items())) if held else b"", gone


def _with_more(data: bytes, added: Mapping[int, int]) -> bytes | None:
    """Return the data of a chunk with further documents in the most common case; None in any other case.

    In it, all documents have the term once, the new ones are behind the others, and the chunk has room.
    """
    if len(data) % 2 or len(data) // 2 + len(added) > MAX_CHUNK or sum(added.values()) != len(added):
        return None
    lows = sorted([number & _LOW for number in added])
    if data and lows[0] <= (data[-2] | data[-1] << 8):
        return None
    return b"".join((data, *[low.to_bytes(2, "little") for low in lows]))


def _first_for(number: int, firsts: Sequence[int]) -> int:
    """Return the `first` of the chunk to which a number belongs, even if there is no such chunk yet."""
    base, at = number & ~_LOW, bisect_right(firsts, number) - 1
    return firsts[at] if at >= 0 and firsts[at] >= base else base


def _integers(data: bytes) -> array[int]:
    """Return the integers of a chunk behind the count of its documents."""
    integers = array("H", _COUNTS[data[-1]] + data[:-1] if len(data) % 2 else _COUNTS[len(data) // 2] + data)
    if sys.byteorder == "big":
        integers.byteswap()
    return integers


def _unpacked(first: int, data: bytes) -> dict[int, int]:
    part, base = _integers(data), first & ~_LOW
    counts = {base + low: 1 for low in part[1 : part[0] + 1]}
    for low in part[part[0] + 1 :]:
        counts[base + low] += 1
    return counts


def _packed(counts: Sequence[tuple[int, int]]) -> bytes:
    further = [number & _LOW for number, count in counts for _ in range(count - 1)]
    integers = array("H", [*[number & _LOW for number, _ in counts], *further])
    if sys.byteorder == "big":
        integers.byteswap()
    return integers.tobytes() + (bytes((len(counts),)) if further else b"")


def _cut(first: int, counts: Sequence[tuple[int, int]], *, is_behind: bool) -> Iterator[Chunk]:
    """Yield chunks of these documents.

    If the new documents are behind the others, more will follow there, so all chunks but the last one are filled.
    """
    total = sum([count for _, count in counts])
    room = MAX_CHUNK if is_behind else -(-total // -(-total // MAX_CHUNK))
    start = size = 0
    for at, (number, count) in enumerate(counts):
        if size and size + count > room:
            yield Chunk(first, _packed(counts[start:at]))
            first, start, size = number, at, 0
        size += count
    yield Chunk(first, _packed(counts[start:]))


def _saturated(count: int) -> float:
    return count / (count + WEIGHTS.k1)


def _least(scores: Mapping[int, float], limit: int) -> float:
    """Return the lowest of the `limit` best scores; 0 if there are not so many."""
    if not len(scores) >= limit > 0:
        return 0.0
    # Many documents have the same words, so there are far fewer different scores.
    counts = Counter(scores.values())
    for score in sorted(counts, reverse=True):
        limit -= counts[score]
        if limit <= 0:
            return score
    return 0.0


def _added(scores: dict[int, float], postings: Postings, worth: float) -> dict[int, float]:
    """Return the scores with those of a further term; the given ones may be changed."""
    once = worth * _saturated(1)
    found = dict.fromkeys(postings.numbers, once)
    for number in scores.keys() & found.keys():
        found[number] += scores[number]
    further = {count: worth * _saturated(count) - once for count in set(postings.repeated.values())}
    for number, count in postings.repeated.items():
        found[number] += further[count]
    scores.update(found)
    return scores


def _add_last(scores: dict[int, float], postings: Postings, worth: float, limit: int) -> None:
    """Add the scores of the last term. Of the documents that have no other term, only the best may be needed."""
    for number in postings.best_besides(scores, limit):
        scores[number] = 0.0
    _raise(scores, postings.counts(scores.keys()), worth)


def _raise(scores: dict[int, float], counts: Mapping[int, int], worth: float) -> None:
    once = worth * _saturated(1)
    for number, count in counts.items():
        scores[number] += once if count == 1 else worth * _saturated(count)


def _largest(scores: Mapping[int, float], limit: int) -> list[int]:
    """Return the documents with the best scores, the best first; of equal ones, the newest first."""
    least = _least(scores, limit)
    found = [number for number, score in scores.items() if score >= least]
    better = sorted([(scores[number], number) for number in found if scores[number] > least], reverse=True)
    equal = [number for number in found if scores[number] == least]
    return [number for _, number in better] + heapq.nlargest(limit - len(better), equal)
