"""The entry of terms into the postings: of pending documents in batches, and of many new documents at once.

An update of a row of postings leaves the old row behind. Most of these leave their space to the next update of their
page, but a row that has to move leaves it to nobody before a vacuum tells the server. PostgreSQL vacuums at most once a
minute. An index of many messages is built in that time, and would keep the free space. So a process vacuums the
postings itself when it has written as many rows as they have.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

import msgspec

from recuerda._drivers.postgres.database import composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.postgres.arrays import number_array, text_array
from recuerda.recall.postgres.packing import Key, Rewritten, chunks_of, rewritten, unpacked_rows
from recuerda.recall.postgres.schema import SHAPE
from recuerda.recall.postings import entered

MAX_WAITING = 128
"""The number of a scope's pending documents at which their terms are entered into the postings."""

MAX_ENTERED = 1_000
"""The largest number of documents that are entered in one transaction. If more are pending, an update waits for it."""

MANY = 32
"""The number of new documents of an update from which on they are entered at once and are never pending."""


_FEW_ROWS = 1_000
"""The number of written rows before which a vacuum is not worth its time."""


class Entering:
    """The statements that enter terms into the postings of one schema.

    Args:
        schema: the name of the schema that holds the tables.
        lock_timeout_ms: the milliseconds to wait for another writer.
    """

    def __init__(self, schema: str, *, lock_timeout_ms: int) -> None:
        composed = composer(schema)
        self._lock_timeout_ms = lock_timeout_ms
        self._packing = PackedRows(schema)
        self._pending = composed(
            "SELECT * FROM {schema}.recall_lock_pending(%s::integer, %s::integer, %s::bigint, %s::integer)"
        )
        self._entered = composed("SELECT {schema}.recall_note_entered(%s::bigint, %s::integer[])")
        self._vacuum = composed("VACUUM (SKIP_LOCKED, TRUNCATE false) {schema}.recall_postings")
        self._rows = composed(
            "SELECT c.reltuples::bigint FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n "
            "ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 'recall_postings'"
        )
        self._schema = schema
        self._written = 0
        self._enough_written = _FEW_ROWS

    @property
    def wants_vacuum(self) -> bool:
        """True if this process has written so many rows that `vacuum` gives back much space."""
        return self._written >= self._enough_written

    async def vacuum(self, connection: Connection) -> None:
        """Give the space of old rows of postings to new ones.

        A role that may not vacuum the table, or another vacuum at the same time, leaves it as it is.

        Args:
            connection: a connection in autocommit mode.
        """
        self._written = 0
        await connection.execute(self._vacuum)
        ((count,),) = await rows(self._rows, (self._schema,), connection)
        self._enough_written = max(_FEW_ROWS, count)

    async def enter_pending(self, scope: int, connection: Connection) -> bool:
        """Enter the terms of a batch of pending documents; return True if more may be pending.

        Args:
            scope: the key of the scope.
            connection: a connection in autocommit mode.
        """
        async with connection.transaction():
            values = (SHAPE, self._lock_timeout_ms, scope, MAX_ENTERED)
            pending = await rows(self._pending, values, connection)
            if pending:
                decoded = await asyncio.to_thread(_decoded, pending)
                await self.enter(scope, decoded, connection)
                await rows(self._entered, (scope, list(decoded)), connection)
        return len(pending) == MAX_ENTERED

    async def enter(self, scope: int, documents: Mapping[int, Mapping[str, int]], connection: Connection) -> None:
        """Enter the terms of documents in the transaction of the connection, which has locked the scope.

        Args:
            scope: the key of the scope.
            documents: the counts of the terms of each document, by number.
            connection: the connection.
        """
        by_term: defaultdict[str, dict[int, int]] = defaultdict(dict)
        for number, counts in documents.items():
            for term, count in counts.items():
                by_term[term][number] = count
        if not by_term:
            return
        bounds = [(term, min(of), max(of)) for term, of in by_term.items()]
        held = await self._packing.between(scope, bounds, connection)
        # A thousand rows take tens of milliseconds, in which the event loop must not wait.
        done = await asyncio.to_thread(_entered, held, by_term)
        self._written += len(done.rows)
        await self._packing.write(scope, done, connection)


def _decoded(pending: Sequence[tuple[int, str]]) -> dict[int, dict[str, int]]:
    """Return the counts of the terms of pending documents by their numbers."""
    return {number: msgspec.json.decode(counts, type=dict[str, int]) for number, counts in pending}


def _entered(held: Mapping[Key, bytes], by_term: Mapping[str, Mapping[int, int]]) -> Rewritten:
    """Return the rows to write when documents are entered.

    Args:
        held: the rows that have, or would have, the chunks of the terms.
        by_term: the counts of each term by the numbers of the documents.
    """
    unpacked = unpacked_rows(held)
    chunks = chunks_of(unpacked, by_term)
    changes = {
        (term, chunk.first): chunk.data for term, counts in by_term.items() for chunk in entered(chunks[term], counts)
    }
    return rewritten(unpacked, changes)


class PackedRows:
    """The statements that read and write the rows of postings of one schema; see `packing.py`."""

    def __init__(self, schema: str) -> None:
        composed = composer(schema)
        self._between = composed(
            "SELECT * FROM {schema}.recall_rows_between(%s::bigint, %s::text[], %s::integer[], %s::integer[])"
        )
        self._all = composed("SELECT term, first, data FROM {schema}.recall_postings WHERE scope = %s::bigint")
        self._write = composed(
            "SELECT {schema}.recall_write_rows(%s::bigint, %s::text[], %s::integer[], %s::text[], %s::integer[], "
            "%s::bytea[])"
        )

    async def between(
        self, scope: int, bounds: Sequence[tuple[str, int, int]], connection: Connection
    ) -> dict[Key, bytes]:
        """Return the rows that have the chunks of terms, each from a lowest to a highest number of a document."""
        terms, *numbers = zip(*bounds, strict=True)
        values = (scope, text_array(terms), *map(number_array, numbers))
        return {(term, first): row for term, first, row in await rows(self._between, values, connection)}

    async def all(self, scope: int, connection: Connection) -> dict[Key, bytes]:
        """Return all rows of a scope."""
        return {(term, first): row for term, first, row in await rows(self._all, (scope,), connection)}

    async def write(self, scope: int, done: Rewritten, connection: Connection) -> None:
        """Write rows, and delete others."""
        if not done.rows and not done.gone:
            return
        gone, written = (
            (text_array([term for term, _ in keys]), number_array([first for _, first in keys]))
            for keys in (done.gone, done.rows)
        )
        await rows(self._write, (scope, *gone, *written, list(done.rows.values())), connection)
