"""How a database gets the tables of memories, and gets them anew.

The files of `migrations/` run in the order of their names, each once, under an advisory lock, so that any number of
processes may start at once. Versions only go forward. Memories whose terms are of an older version than this one's are
emptied and followed anew from the log; those of a newer version are left alone. Where a table is missing, all are made
anew, except those of what the log does not have: what was forgotten on request, and facts.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any, LiteralString, cast

import msgspec
import psycopg
from psycopg.sql import SQL, Composed, Identifier

from recuerda.errors import ConfigurationError, StorageUnavailable
from recuerda.recall.postgres.connections import Connection
from recuerda.recall.text import TERMS_VERSION

_TABLES = ("migrations", "state", "scopes", "threads", "documents", "speakers", "vectors")
"""All but what the log does not have: what was forgotten, and facts."""


class State(msgspec.Struct, frozen=True):
    """What a process knows of a database.

    Attributes:
        epoch: another number whenever the memories were emptied.
        vector_schema: where pgvector is installed; None where it is not.
    """

    epoch: int
    vector_schema: str | None


def migrations() -> list[tuple[str, str]]:
    """Return the names of the migrations, in order, with their SQL; `{schema}` stands for the schema's name."""
    folder = files("recuerda.recall.postgres") / "migrations"
    return sorted((file.name, file.read_text("utf-8")) for file in folder.iterdir() if file.name.endswith(".sql"))


async def prepare(connection: Connection, schema: str, place: str) -> State:
    """Bring a database to this version's tables and terms.

    Args:
        connection: in autocommit mode.
        schema: that holds the tables; it is made if missing.
        place: of the database, for errors.

    Raises:
        StorageUnavailable: the memories are those of a newer recuerda.
        ConfigurationError: the database's encoding is not UTF-8.
    """
    known = migrations()
    found = await _versions(connection, schema, place, len(known))
    if found != (len(known), TERMS_VERSION):
        async with connection.transaction():
            await connection.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
            await connection.execute(
                "SELECT pg_advisory_xact_lock(hashtextextended('recuerda memories of ' || %s, 0))", (schema,)
            )
            version, terms = await _versions(connection, schema, place, len(known))
            if version == 0:
                await _create_schema(connection, schema, place)
                await _start_anew(connection, schema)
            await _migrate(connection, schema, known[version:], version)
            if terms != TERMS_VERSION:
                await _empty(connection, schema)
    return await state(connection, schema)


async def state(connection: Connection, schema: str) -> State:
    """Look at a database."""
    row = await _row(
        connection,
        SQL(
            "SELECT (SELECT epoch FROM {}), (SELECT n.nspname FROM pg_catalog.pg_extension e "
            "JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace WHERE e.extname = 'vector')"
        ).format(Identifier(schema, "recall_state")),
    )
    return State(*row) if row else State(0, None)


async def create_extension(connection: Connection) -> str | None:
    """Install pgvector into the database; return why not, if it cannot be."""
    try:
        await connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except psycopg.errors.UniqueViolation:
        return None  # another process did it at the same moment
    except (psycopg.ProgrammingError, psycopg.NotSupportedError, psycopg.errors.ReadOnlySqlTransaction) as error:
        return error.diag.message_primary or type(error).__name__
    except psycopg.OperationalError as error:
        # Class 58: the extension's files are not there.
        if not (error.sqlstate or "").startswith("58"):
            raise
        return error.diag.message_primary or type(error).__name__
    return None


async def _versions(connection: Connection, schema: str, place: str, newest: int) -> tuple[int, int]:
    """Return the versions of the tables and of the terms; 0 for none."""
    # Not by to_regclass: it may answer from a cache of before the wait for the lock.
    query = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = %s AND tablename LIKE 'recall\\_%%'"
    has = {name for (name,) in await (await connection.execute(query, (schema,))).fetchall()}
    version = terms = 0
    if "recall_migrations" in has:
        version = await _number(connection, "SELECT max(version) FROM {}", schema, "recall_migrations")
    if "recall_state" in has:
        terms = await _number(connection, "SELECT max(terms) FROM {}", schema, "recall_state")
    for what, number, knows in (("tables", version, newest), ("terms", terms, TERMS_VERSION)):
        if number > knows:
            raise StorageUnavailable(
                f"the index of memories in schema {schema!r} of {place} was made by a newer recuerda ({what} of "
                f"version {number}, this one knows {knows}); upgrade it, or name another schema"
            )
    return (version, terms) if has.issuperset(f"recall_{name}" for name in _TABLES) else (0, 0)


async def _create_schema(connection: Connection, schema: str, place: str) -> None:
    if await _row(connection, SQL("SELECT current_setting('server_encoding')")) != ("UTF8",):
        raise ConfigurationError(f"the database of {place} is not of encoding UTF8, so it cannot hold every text")
    # CREATE SCHEMA IF NOT EXISTS asks for the right to make schemas even when there is nothing to make.
    query = SQL("SELECT FROM pg_catalog.pg_namespace WHERE nspname = {}").format(schema)
    if await _row(connection, query) is None:
        await connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))


async def _start_anew(connection: Connection, schema: str) -> None:
    tables = SQL(", ").join(Identifier(schema, f"recall_{name}") for name in _TABLES)
    await connection.execute(SQL("DROP TABLE IF EXISTS {}").format(tables))
    await connection.execute(
        SQL(
            "CREATE TABLE {} ("
            "version integer PRIMARY KEY, name text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
        ).format(Identifier(schema, "recall_migrations"))
    )


async def _migrate(connection: Connection, schema: str, missing: list[tuple[str, str]], version: int) -> None:
    for number, (name, text) in enumerate(missing, version + 1):
        # Several statements cannot be prepared as one.
        await connection.execute(_compose(text, schema), prepare=False)
        await connection.execute(
            SQL("INSERT INTO {} (version, name) VALUES (%s, %s)").format(Identifier(schema, "recall_migrations")),
            (number, name),
        )


async def _empty(connection: Connection, schema: str) -> None:
    tables = SQL(", ").join(Identifier(schema, f"recall_{name}") for name in _TABLES[1:])
    await connection.execute(SQL("TRUNCATE {}").format(tables))
    await connection.execute(
        SQL("INSERT INTO {} (epoch, terms) SELECT extract(epoch FROM clock_timestamp()) * 1000000, %s").format(
            Identifier(schema, "recall_state")
        ),
        (TERMS_VERSION,),
    )


async def _number(connection: Connection, query: LiteralString, schema: str, table: str) -> int:
    row = await _row(connection, SQL(query).format(Identifier(schema, table)))
    return (row[0] if row else None) or 0


async def _row(connection: Connection, query: SQL | Composed) -> tuple[Any, ...] | None:
    return await (await connection.execute(query)).fetchone()


def _compose(text: str, schema: str) -> Composed:
    # The text is a file of this package, as literal as a string in the code.
    return SQL(cast("LiteralString", text)).format(schema=Identifier(schema))
