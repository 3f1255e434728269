"""Creation of the storage's tables from `schema.sql`: once, however many processes start together."""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from recuerda._drivers.postgres.pools import Connection
from recuerda._drivers.postgres.schema import alone, create_schema, first_row, has_table, run_script
from recuerda.errors import StorageUnavailable

VERSION = 1
"""The version of `schema.sql`. A later version will need the steps from this version to that one."""


async def ensure_tables(connection: Connection, schema: str, place: str) -> None:
    """Make the schema and its tables if they are missing.

    Args:
        connection: a connection in autocommit mode, or from an application's own pool.
        schema: the name of the schema that holds the tables.
        place: the place of the database, for error messages.

    Raises:
        StorageUnavailable: a newer recuerda made the tables.
        ConfigurationError: the database's encoding is not UTF-8.
    """
    if await _has_tables(connection, schema, place):
        return
    async with alone(connection, f"recuerda tables of {schema}"):
        if not await _has_tables(connection, schema, place):
            await create_schema(connection, schema, place)
            await run_script(connection, "recuerda.postgres", schema)
            insert = SQL("INSERT INTO {} VALUES ({})").format(Identifier(schema, "schema_version"), VERSION)
            await connection.execute(insert)


async def _has_tables(connection: Connection, schema: str, place: str) -> bool:
    if not await has_table(connection, schema, "schema_version"):
        return False
    row = await first_row(connection, SQL("SELECT version FROM {}").format(Identifier(schema, "schema_version")))
    version: int = row[0] if row else 0
    if version > VERSION:
        raise StorageUnavailable(
            f"schema {schema!r} of {place} was created by a newer recuerda (version {version}; this one knows "
            f"{VERSION}); upgrade recuerda"
        )
    return version == VERSION
