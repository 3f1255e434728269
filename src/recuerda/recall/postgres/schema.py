"""Creation of the tables of memories, also after a change of their shape.

`schema.sql` defines the tables. One process runs it while the others wait. Tables of an older shape are dropped and
filled again from the log; tables of a newer shape are left alone. If a table is missing, all tables are created again,
except the tables whose contents are not in the log: the turns that were forgotten on request, and the facts.
"""

from __future__ import annotations

from psycopg.sql import SQL, Identifier

from recuerda._drivers.postgres.database import rows
from recuerda._drivers.postgres.pools import Connection
from recuerda._drivers.postgres.schema import alone, create_schema, first_row, run_script
from recuerda.errors import StorageUnavailable
from recuerda.recall.text import TERMS_VERSION

ANSWER = "assistant"
"""The role of a document whose `is_answer` is true. The role of the others is "user"."""

SHAPE = 24000 + TERMS_VERSION
"""The shape of the memories: 24000 for the twenty-fourth version of the tables, plus the version of the terms."""

_NAMES = (
    "state", "scopes", "threads", "documents", "blocks", "postings", "pending", "leaving", "speakers", "vectors",
    "models", "signs",
)  # fmt: skip
_TABLES = tuple(f"recall_{name}" for name in _NAMES)
"""The tables that can be filled again from the log."""


async def prepare(connection: Connection, schema: str, place: str) -> int:
    """Create the tables unless they exist in this version's shape, and return their epoch.

    The epoch is a number that changes each time the memories are created again, and when the server is restarted.

    Args:
        connection: a connection in autocommit mode.
        schema: the name of the schema that holds the tables. It is created if it is missing.
        place: the place of the database, for error messages.

    Raises:
        StorageUnavailable: a newer recuerda created the memories.
        ConfigurationError: the database's encoding is not UTF-8.
    """
    if await _shape(connection, schema, place) != SHAPE:
        async with alone(connection, f"recuerda memories of {schema}"):
            if await _shape(connection, schema, place) != SHAPE:
                await _make_anew(connection, schema, place)
    row = await first_row(connection, SQL("SELECT {}()").format(Identifier(schema, "recall_epoch")))
    return row[0] if row else 0


async def _shape(connection: Connection, schema: str, place: str) -> int:
    """Return the shape of the memories; 0 if a table is missing."""
    query = b"SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename = ANY (%s)"
    ((count,),) = await rows(query, (schema, list(_TABLES)), connection)
    if count < len(_TABLES):
        return 0
    row = await first_row(connection, SQL("SELECT shape FROM {}").format(Identifier(schema, "recall_state")))
    shape: int = row[0] if row else 0
    if shape > SHAPE:
        raise StorageUnavailable(
            f"the index of memories in schema {schema!r} of {place} was created by a newer recuerda (shape {shape}, "
            f"this one knows {SHAPE}); upgrade recuerda, or name another schema"
        )
    return shape


async def _make_anew(connection: Connection, schema: str, place: str) -> None:
    await create_schema(connection, schema, place)
    tables = SQL(", ").join(Identifier(schema, name) for name in _TABLES)
    await connection.execute(SQL("DROP TABLE IF EXISTS {}").format(tables))
    await _drop_functions(connection, schema)
    await run_script(connection, "recuerda.recall.postgres", schema)
    await connection.execute(
        SQL("INSERT INTO {} (epoch, shape) SELECT extract(epoch FROM clock_timestamp()) * 1000000, {}").format(
            Identifier(schema, "recall_state"), SHAPE
        )
    )


async def _drop_functions(connection: Connection, schema: str) -> None:
    """Drop the functions of another shape, because a function cannot be replaced by one with another result."""
    query = (
        b"SELECT p.oid::pg_catalog.regprocedure::text FROM pg_catalog.pg_proc p "
        b"JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname = %s "
        b"AND p.proname LIKE 'recall\\_%%'"
    )
    for (signature,) in await rows(query, (schema,), connection):
        # The server has quoted the names in the signature.
        await connection.execute(f"DROP FUNCTION {signature}".encode())
