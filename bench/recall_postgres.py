"""The quality and the cost of memories in PostgreSQL: `python -m bench.recall_postgres --data FILE`.

It has the same two parts as `bench.recall`; compare their figures. The server is started on this machine and waits for
the disk at each commit; `--server` names another one. In the second part, the threads are in the same database. So a
search costs what an application would see, with the look-up of the threads that it may return. The size without free
space is the size after `VACUUM FULL`.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from psycopg import AsyncConnection
from psycopg.sql import SQL, Identifier

from bench.recall import (
    RecallCost,
    RecallQuality,
    cost_lines,
    embedder_of,
    measure_cost,
    measure_quality,
    quality_lines,
)
from recuerda.providers.embedding import Embedder
from recuerda.recall.postgres import PostgresRecallIndex
from tests.servers.postgres_server import PostgresServer


async def postgres_quality(server: str, path: Path, *, embedder: Embedder | None) -> RecallQuality:
    """Ask every question of a LoCoMo file. Each conversation has its own schema."""
    run = uuid4().hex[:8]
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as name:
        return await measure_quality(
            path,
            embedder=embedder,
            folder=Path(name),
            index_of=lambda sample: PostgresRecallIndex(server, schema=f"bench_{run}_{sample}"),
        )


async def postgres_cost(server: str, *, memories: int, users: int, dimensions: int = 0) -> RecallCost:
    """Build the memories of many users, search in those of single users, and add turns."""
    schema = f"bench_{uuid4().hex[:8]}"
    url = f"{server}{'&' if '?' in server else '?'}schema={schema}"

    async def compact() -> None:
        async with await AsyncConnection.connect(server, autocommit=True) as connection:
            tables = await connection.execute(
                "SELECT relname FROM pg_class WHERE relnamespace = %s::regnamespace AND relkind = 'r'", (schema,)
            )
            for (name,) in await tables.fetchall():
                await connection.execute(SQL("VACUUM FULL {}").format(Identifier(schema, name)))

    async with PostgresRecallIndex(server, schema=schema) as index:
        return await measure_cost(
            memories=memories, users=users, url=url, index=index, compact=compact, dimensions=dimensions
        )


@contextmanager
def opened_server(given: str | None) -> Generator[str]:
    """Yield the URL of the given server, or start a server and yield its URL."""
    if given is not None:
        yield given
        return
    server = PostgresServer()
    try:
        yield server.url
    finally:
        server.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print the results, and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench.recall_postgres", description=__doc__)
    parser.add_argument("--server", metavar="URL", help="a database to make schemas in; they stay behind")
    parser.add_argument("--data", type=Path, metavar="FILE", help="conversations in LoCoMo's format")
    parser.add_argument("--embedder", metavar="MODEL", help="also search by meaning, with this model of fastembed")
    parser.add_argument(
        "--memories", type=int, default=100_000, metavar="N", help="of the second part; 0 leaves it out"
    )
    parser.add_argument("--users", type=int, default=100, metavar="N", help="whose they are (default 100)")
    parser.add_argument("--dimensions", type=int, default=0, metavar="N", help="also search with made-up vectors")
    options = parser.parse_args(arguments)
    with opened_server(options.server) as server:
        if options.data is not None:
            embedder = embedder_of(options.embedder)
            quality = asyncio.run(postgres_quality(server, options.data, embedder=embedder))
            print("\n".join(quality_lines(quality)), flush=True)
        if options.memories:
            cost = asyncio.run(
                postgres_cost(server, memories=options.memories, users=options.users, dimensions=options.dimensions)
            )
            print("\n".join(cost_lines(cost)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
