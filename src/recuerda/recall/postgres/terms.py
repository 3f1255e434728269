"""The terms of a document: their counts while it is pending, and how they leave the postings with it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence

import msgspec

from recuerda._drivers.postgres.database import Row, composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.postgres.entering import PackedRows
from recuerda.recall.postgres.packing import Key, rewritten, unpacked_rows
from recuerda.recall.postgres.packing import Row as Chunks
from recuerda.recall.postgres.texts import original_text
from recuerda.recall.postings import RANGE_BITS, Chunk, without
from recuerda.recall.text import probable_terms

HIGHEST_COUNT = 2**15 - 1
"""The highest number of a document's terms, and of its words, that is stored. It stands for any higher number, too."""


def counts_of(terms: Mapping[str, int]) -> str:
    """Return the terms and their counts as a JSON object."""
    return msgspec.json.encode(terms).decode()


class Leaving:
    """The statements that take the terms of removed documents out of the postings of one schema.

    The terms are not stored, but made from the texts again. If a document had other terms, which depend on more than
    its text, or more terms than are counted, all postings of its scope are searched.
    """

    def __init__(self, schema: str) -> None:
        self._leaving = composer(schema)("SELECT * FROM {schema}.recall_take_leaving()")
        self._packing = PackedRows(schema)

    async def take_out(self, connection: Connection) -> None:
        """Take out the terms of the documents that the transaction of this connection has removed."""
        by_scope: defaultdict[int, list[Row]] = defaultdict(list)
        for scope, *document in await rows(self._leaving, (), connection):
            by_scope[scope].append(tuple(document))
        for scope, documents in by_scope.items():
            await self._take_out_of(scope, documents, connection)

    async def _take_out_of(self, scope: int, documents: Sequence[Row], connection: Connection) -> None:
        # Thousands of texts take seconds, in which the event loop must not wait.
        by_term = await asyncio.to_thread(_numbers_by_term, documents)
        bounds = [(term, number, number) for term, numbers in by_term.items() for number in numbers]
        held = await asyncio.to_thread(unpacked_rows, await self._packing.between(scope, bounds, connection))
        changes: dict[Key, bytes] = {}
        found = _take_out(held, lambda term: by_term.get(term, ()), changes)
        if missed := [number for number, terms, *_ in documents if found[number] < terms or terms == HIGHEST_COUNT]:
            held = await asyncio.to_thread(unpacked_rows, await self._packing.all(scope, connection))
            await asyncio.to_thread(_take_out, held, lambda _: missed, changes)
        await self._packing.write(scope, rewritten(held, changes), connection)


def _numbers_by_term(documents: Sequence[Row]) -> dict[str, list[int]]:
    """Return the numbers of the documents that probably have each term."""
    numbers: defaultdict[str, list[int]] = defaultdict(list)
    for number, _, created_us, speaker, data in documents:
        for term in probable_terms(original_text(data), speaker, created_us):
            numbers[term].append(number)
    return numbers


def _take_out(
    held: Mapping[Key, Chunks], numbers_of: Callable[[str], Sequence[int]], changes: dict[Key, bytes]
) -> Counter[int]:
    """Note the changes of chunks without documents, and return the number of terms that each document had there.

    Args:
        held: rows of postings.
        numbers_of: returns the numbers of the documents to take out of the chunks of a term.
        changes: the changes; a later one begins with the earlier one.
    """
    found: Counter[int] = Counter()
    for row in held.values():
        for (term, first), of_chunk in row.items():
            numbers = [number for number in numbers_of(term) if number >> RANGE_BITS == first >> RANGE_BITS]
            if numbers and (data := changes.get((term, first), of_chunk)):
                left, gone = without(Chunk(first, data), numbers)
                if gone:
                    changes[term, first] = left
                    found.update(gone)
    return found
