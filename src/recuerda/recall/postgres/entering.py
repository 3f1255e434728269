"""The entry of pending terms into the postings, in one transaction for each batch."""

from __future__ import annotations

from collections import defaultdict

import msgspec

from recuerda._drivers.postgres.database import composer, rows
from recuerda._drivers.postgres.pools import Connection
from recuerda.recall.postgres.schema import SHAPE
from recuerda.recall.postings import entered

MAX_WAITING = 128
"""The number of a scope's pending documents at which their terms are entered into the postings."""

MAX_ENTERED = 1_000
"""The largest number of documents that are entered in one transaction. If more are pending, an update waits for it."""


class Entering:
    """The statements that enter pending terms into the postings of one schema.

    Args:
        schema: the name of the schema that holds the tables.
        lock_timeout_ms: the milliseconds to wait for another writer.
    """

    def __init__(self, schema: str, *, lock_timeout_ms: int) -> None:
        composed = composer(schema)
        self._lock_timeout_ms = lock_timeout_ms
        self._pending = composed(
            "SELECT * FROM {schema}.recall_lock_pending(%s::integer, %s::integer, %s::bigint, %s::integer)"
        )
        self._chunks = composed(
            "SELECT * FROM {schema}.recall_chunks_of(%s::bigint, %s::text[], %s::integer[], %s::integer[])"
        )
        self._enter = composed(
            "SELECT {schema}.recall_enter(%s::bigint, %s::integer[], %s::text[], %s::integer[], %s::bytea[])"
        )

    async def enter(self, scope: int, connection: Connection) -> bool:
        """Enter the terms of a batch of pending documents; return True if more may be pending.

        Args:
            scope: the key of the scope.
            connection: a connection in autocommit mode.
        """
        async with connection.transaction():
            values = (SHAPE, self._lock_timeout_ms, scope, MAX_ENTERED)
            pending = await rows(self._pending, values, connection)
            by_term: defaultdict[str, dict[int, int]] = defaultdict(dict)
            for number, counts in pending:
                for term, count in msgspec.json.decode(counts, type=dict[str, int]).items():
                    by_term[term][number] = count
            if by_term:
                await self._write(scope, [number for number, _ in pending], dict(sorted(by_term.items())), connection)
        return len(pending) == MAX_ENTERED

    async def _write(
        self, scope: int, numbers: list[int], by_term: dict[str, dict[int, int]], connection: Connection
    ) -> None:
        terms = list(by_term)
        bounds = [min(of) for of in by_term.values()], [max(of) for of in by_term.values()]
        chunks: defaultdict[int, list[tuple[int, bytes]]] = defaultdict(list)
        for n, first, data in await rows(self._chunks, (scope, terms, *bounds), connection):
            chunks[n].append((first, data))
        written = [
            (term, chunk.first, chunk.data)
            for n, (term, counts) in enumerate(by_term.items(), 1)
            for chunk in entered(chunks[n], counts)
        ]
        columns = [list(column) for column in zip(*written, strict=True)]
        await rows(self._enter, (scope, numbers, *columns), connection)
