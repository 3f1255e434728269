"""How a database gets its tables: the files of `migrations/`, in the order of their names, each once.

All that is missing runs in one transaction under an advisory lock, so that any number of processes may start at once.
Versions only go forward. Files are never changed after a release; a later one replaces a function by another name, so
that processes of the version before keep running while the new ones start.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, LiteralString, cast

from psycopg import AsyncConnection, AsyncCursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Composed, Identifier

from recuerda.errors import ConfigurationError, StorageUnavailable


def migrations() -> list[tuple[str, str]]:
    """Return the names of the migrations, in order, with their SQL; `{schema}` stands for the schema's name."""
    folder = files("recuerda.postgres") / "migrations"
    return sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))


async def migrate(connection: AsyncConnection[Any], schema: str, place: str) -> None:
    """Bring a database to this version's schema.

    Args:
        connection: in autocommit mode.
        schema: that holds the tables; it is made if missing.
        place: of the database, for errors.

    Raises:
        StorageUnavailable: the database was migrated by a newer recuerda.
        ConfigurationError: the database's encoding is not UTF-8.
    """
    known = migrations()
    if await _version(connection, schema, place, len(known)) == len(known):
        return
    # An application's connection may have begun a transaction, and with a snapshot that outlasts the wait for the lock.
    await connection.commit()
    async with connection.transaction():
        await connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
        await connection.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended('recuerda migrations of ' || %s, 0))", (schema,)
        )
        version = await _version(connection, schema, place, len(known))
        if version == 0:
            await _create_schema(connection, schema, place)
        for number, (name, text) in enumerate(known[version:], version + 1):
            # Several statements cannot be prepared as one.
            await connection.execute(_compose(text, schema), prepare=False)
            await connection.execute(
                SQL("INSERT INTO {}.schema_migrations (version, name) VALUES (%s, %s)").format(Identifier(schema)),
                (number, name),
            )


async def _version(connection: AsyncConnection[Any], schema: str, place: str, newest: int) -> int:
    # Not by to_regclass: it may answer from a cache of before the wait for the lock.
    is_there = await _row(
        connection,
        SQL("SELECT FROM pg_catalog.pg_tables WHERE schemaname = {} AND tablename = 'schema_migrations'").format(
            schema
        ),
    )
    if is_there is None:
        return 0
    table = Identifier(schema, "schema_migrations")
    row = await _row(connection, SQL("SELECT coalesce(max(version), 0) FROM {}").format(table))
    version: int = row[0] if row else 0
    if version > newest:
        raise StorageUnavailable(
            f"schema {schema!r} of {place} was migrated by a newer recuerda (version {version}, this one knows "
            f"{newest}); upgrade it"
        )
    return version


async def _create_schema(connection: AsyncConnection[Any], schema: str, place: str) -> None:
    if await _row(connection, SQL("SELECT current_setting('server_encoding')")) != ("UTF8",):
        raise ConfigurationError(f"the database of {place} is not of encoding UTF8, so it cannot hold every text")
    # CREATE SCHEMA IF NOT EXISTS asks for the right to make schemas even when there is nothing to make.
    query = SQL("SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}").format(schema)
    if await _row(connection, query) is None:
        await connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))
    await connection.execute(
        SQL(
            "CREATE TABLE {}.schema_migrations ("
            "version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        ).format(Identifier(schema))
    )


async def _row(connection: AsyncConnection[Any], query: SQL | Composed) -> tuple[Any, ...] | None:
    # An application's connection may have a row factory of its own.
    async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(query)
        return await cursor.fetchone()


def _compose(text: str, schema: str) -> Composed:
    # The text is a file of this package, as literal as a string in the code.
    return SQL(cast("LiteralString", text)).format(schema=Identifier(schema))
