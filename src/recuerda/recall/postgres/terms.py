"""The terms of a document: their counts while it is pending, and how they leave the postings with it."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from recuerda._drivers.postgres.database import Row, composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.text import probable_terms


def counts_of(terms: Mapping[str, int]) -> str:
    """Return the terms and their counts as a JSON object."""
    return msgspec.json.encode(terms).decode()


class Leaving:
    """The statements that take the terms of removed documents out of the postings of one schema.

    The terms are not stored, but made from the texts again. If a document had other terms, which depend on more than
    its text, all postings of its scope are searched.
    """

    def __init__(self, schema: str) -> None:
        composed = composer(schema)
        self._leaving = composed("SELECT * FROM {schema}.recall_take_leaving()")
        self._take_out = composed("SELECT {schema}.recall_take_out(%s::bigint, %s::integer[], %s::text[])")
        self._search = composed("SELECT {schema}.recall_search_and_take_out(%s::bigint, %s::integer[])")

    async def take_out(self, connection: Connection) -> None:
        """Take out the terms of the documents that the transaction of this connection has removed."""
        by_scope: defaultdict[int, list[Row]] = defaultdict(list)
        for scope, *document in await rows(self._leaving, (), connection):
            by_scope[scope].append(tuple(document))
        for scope, documents in by_scope.items():
            numbers = [number for number, *_ in documents]
            # Thousands of texts take seconds, in which the event loop must not wait.
            terms = await asyncio.to_thread(_joined_terms, documents)
            ((found,),) = await rows(self._take_out, (scope, numbers, terms), connection)
            if found < sum(terms for _, terms, *_ in documents):
                await rows(self._search, (scope, numbers), connection)


def _joined_terms(documents: Sequence[Row]) -> list[str]:
    """Return the terms of each document, separated by newlines. No term has a newline; it is a part of a word."""
    return ["\n".join(probable_terms(text, speaker)) for _, _, speaker, text in documents]
