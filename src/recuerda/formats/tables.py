"""The tables of other programs, in a SQLite file or in a PostgreSQL database. They are only read, in one snapshot."""

from __future__ import annotations

import sqlite3
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any, LiteralString

from recuerda.errors import InvalidInput, MissingExtraError, StateError, StorageUnavailable
from recuerda.formats.source import Source

Row = tuple[Any, ...]

_SQLITE_NAMES = "SELECT name FROM sqlite_master WHERE type = 'table'"
_POSTGRES_NAMES = "SELECT table_name FROM information_schema.tables WHERE table_schema = ANY (current_schemas(false))"


class Tables(ABC):
    """An open database."""

    @abstractmethod
    async def fetch(self, query: LiteralString, *values: object) -> Sequence[Row]:
        """Return the rows of a query, whose values are written as `?`.

        Raises:
            StateError: the database refuses the query, because its tables are not those of the format.
        """

    @abstractmethod
    async def names(self) -> frozenset[str]:
        """Return the names of the tables."""

    async def need(self, *names: str) -> None:
        """Check that there are tables with these names.

        Raises:
            StateError: a table is missing.
        """
        if missing := sorted(set(names) - await self.names()):
            raise StateError(f"the database has no table {missing[0]!r}")


@asynccontextmanager
async def tables_of(source: Source) -> AsyncGenerator[Tables]:
    """Open the database of a source.

    Raises:
        InvalidInput: the source is no SQLite file and no URL of PostgreSQL.
        MissingExtraError: PostgreSQL needs the extra `postgres`.
        StorageUnavailable: the server cannot be reached.
    """
    if source.url is None:
        with closing(_sqlite(source)) as connection:
            yield _SQLite(connection)
        return
    if not source.url.startswith(("postgresql://", "postgres://")):
        raise InvalidInput("this format is read from a SQLite file, or from a URL that starts with postgresql://")
    async with _postgres(source.url) as tables:
        yield tables


def table_names(path: Path) -> frozenset[str]:
    """Return the names of the tables in a SQLite file.

    Raises:
        StateError: the file cannot be read.
    """
    with closing(_sqlite(Source(path=path))) as connection:
        return frozenset(row[0] for row in _rows(connection, _SQLITE_NAMES))


def _sqlite(source: Source) -> sqlite3.Connection:
    path = source.file()
    if not source.is_sqlite:
        raise InvalidInput(f"{path} cannot be read: it is not the file of a SQLite database")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, isolation_level=None)
    connection.execute("BEGIN")  # one snapshot for all queries
    return connection


def _rows(connection: sqlite3.Connection, query: str, values: Sequence[object] = ()) -> list[Row]:
    try:
        return connection.execute(query, tuple(values)).fetchall()
    except sqlite3.Error as error:
        raise StateError(f"the database cannot be read: {error}") from None


class _SQLite(Tables):
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    async def fetch(self, query: LiteralString, *values: object) -> Sequence[Row]:
        return _rows(self._connection, query, values)

    async def names(self) -> frozenset[str]:
        return frozenset(row[0] for row in _rows(self._connection, _SQLITE_NAMES))


@asynccontextmanager
async def _postgres(url: str) -> AsyncGenerator[Tables]:
    try:
        import psycopg
    except ModuleNotFoundError as error:
        raise MissingExtraError(module="recuerda.formats", extra="postgres") from error

    class Postgres(Tables):
        async def fetch(self, query: LiteralString, *values: object) -> Sequence[Row]:
            try:
                cursor = await connection.execute(query.replace("?", "%s"), values)
                return await cursor.fetchall()
            except psycopg.Error as error:
                raise StateError(f"the database cannot be read: {error}") from None

        async def names(self) -> frozenset[str]:
            return frozenset(row[0] for row in await self.fetch(_POSTGRES_NAMES))

    try:
        connection = await psycopg.AsyncConnection.connect(url)
    except psycopg.Error as error:
        raise StorageUnavailable("the PostgreSQL server cannot be reached; see the cause") from error
    async with connection:
        await connection.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
        await connection.set_read_only(True)
        yield Postgres()
        await connection.rollback()
