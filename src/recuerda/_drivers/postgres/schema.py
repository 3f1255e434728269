"""Creation of the tables: one process runs the `schema.sql` of a package while the others wait."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from importlib.resources import files
from typing import LiteralString, cast

from psycopg import AsyncCursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier

from recuerda._drivers.postgres.database import Row
from recuerda._drivers.postgres.pools import Connection
from recuerda.errors import ConfigurationError


@asynccontextmanager
async def alone(connection: Connection, name: str) -> AsyncGenerator[None]:
    """Run a transaction while no other connection runs a transaction with the same name."""
    # An application's connection may have begun a transaction, with a snapshot that outlasts the wait for the lock.
    await connection.commit()
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))", (name,))
        yield


async def create_schema(connection: Connection, schema: str, place: str) -> None:
    """Create a schema if it is missing.

    Raises:
        ConfigurationError: the database's encoding is not UTF-8.
    """
    if await first_row(connection, SQL("SELECT current_setting('server_encoding')")) != ("UTF8",):
        raise ConfigurationError(
            f"the database of {place} cannot hold every text; create a database with the encoding UTF8"
        )
    # CREATE SCHEMA IF NOT EXISTS needs the right to create schemas even if the schema exists.
    query = SQL("SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}").format(schema)
    if await first_row(connection, query) is None:
        await connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))


async def run_script(connection: Connection, package: str, schema: str) -> None:
    """Run the `schema.sql` of a package, in which `{schema}` stands for the schema's name."""
    text = (files(package) / "schema.sql").read_text("utf-8")
    # The text comes from a file of this distribution, so it is as trusted as a string in the code. Several statements
    # cannot be prepared as one.
    await connection.execute(SQL(cast("LiteralString", text)).format(schema=Identifier(schema)), prepare=False)


async def has_table(connection: Connection, schema: str, table: str) -> bool:
    """Return whether a table exists."""
    # to_regclass will not do here: it may answer from a cache that is older than the wait for a lock.
    query = SQL("SELECT FROM pg_catalog.pg_tables WHERE schemaname = {} AND tablename = {}").format(schema, table)
    return await first_row(connection, query) is not None


async def first_row(connection: Connection, query: SQL | Composed) -> Row | None:
    """Run a query and return its first row, if it has one."""
    # An application's connection may have a row factory of its own.
    async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(query)
        return await cursor.fetchone()
