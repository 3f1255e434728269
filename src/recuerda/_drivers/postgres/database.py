"""A database, reached from any event loop and through restarts of the server."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, LiteralString, TypeAlias, TypeVar

import psycopg
from psycopg import AsyncCursor
from psycopg.rows import tuple_row
from psycopg.sql import SQL, Identifier

from recuerda._drivers.per_loop import PerLoop
from recuerda._drivers.postgres import failures
from recuerda._drivers.postgres.pools import Connection, LoopPool, PoolSettings
from recuerda.errors import StorageUnavailable

T = TypeVar("T")
Row: TypeAlias = tuple[Any, ...]
Work: TypeAlias = Callable[[Connection], Awaitable[T]]

_LONGEST_WAIT_S = 0.05


class Database:
    """Run work on connections to a database; see `PoolSettings` for the settings."""

    def __init__(self, settings: PoolSettings) -> None:
        self._timeout_s = settings.timeout_s
        self._pools = PerLoop(
            partial(LoopPool, settings), LoopPool.close, finish=LoopPool.finish, refusal=partial(_closed, settings.name)
        )
        self._was_reached = False

    async def run(self, work: Work[T], again: Work[T] | None = None) -> T:
        """Run `work` on a connection. Run it again if another transaction conflicted with it or the connection ended.

        If the server answered before, wait for it, because it may be restarting. If the connection is read-only, run
        `work` once more on a new connection, because the server may have become a standby after it was connected.

        Args:
            work: the work; it commits its own transaction.
            again: the work to do when the first attempt may have been committed, because the connection ended during
                the work; `work` by default.

        Raises:
            StorageUnavailable: the database has been closed.
            StorageBusy: all connections were in use for too long.
            psycopg.Error: the work still failed when the timeout was over.
        """
        loop = asyncio.get_running_loop()
        give_up_at: float | None = None
        wait_s = 0.0
        was_renewed = False
        while True:
            pool = await self._pools.get()
            was_begun = False
            try:
                async with pool.connection() as connection:
                    was_begun = True
                    result = await work(connection)
            except psycopg.Error as error:
                if failures.is_read_only(error) and not was_renewed:
                    was_renewed = True
                    await pool.renew()
                    continue
                give_up_at = give_up_at or loop.time() + self._timeout_s
                if not self._may_try_again(error) or loop.time() >= give_up_at:
                    raise
                if failures.is_cut_off(error):
                    pool.finish()  # after a restart of the server, all of them have ended
                    work = again or work if was_begun else work
            else:
                self._was_reached = True
                return result
            await asyncio.sleep(wait_s)
            wait_s = min(0.001 + 2 * wait_s, _LONGEST_WAIT_S)

    async def once(self, work: Work[T]) -> T:
        """Run `work` on a connection. If it fails, the caller decides whether to repeat it.

        Raises:
            StorageUnavailable: the database has been closed.
            StorageBusy: all connections were in use for too long.
            psycopg.Error: the work failed.
        """
        async with (await self._pools.get()).connection() as connection:
            return await work(connection)

    async def close(self) -> None:
        """Wait for the work in progress, then close every connection. Closing twice is fine."""
        await self._pools.close()

    def abandon(self) -> None:
        """Close the connections at once: nobody will use them again."""
        self._pools.finish()

    def _may_try_again(self, error: psycopg.Error) -> bool:
        return failures.is_contention(error) or (failures.is_cut_off(error) and self._was_reached)


def composer(schema: str) -> Callable[[LiteralString], bytes]:
    """Return a function that puts the schema's name into a statement, in place of `{schema}`."""
    name = Identifier(schema)
    # The result is bytes, composed once: composing takes the driver longer than all its other work for a statement.
    return lambda text: SQL(text).format(schema=name).as_bytes()


async def rows(statement: bytes, values: Any, connection: Connection, *, prepare: bool | None = None) -> Sequence[Row]:
    """Run one statement and return its rows as tuples, whatever the row factory of the connection is.

    Args:
        statement: the statement.
        values: its parameters.
        connection: the connection.
        prepare: True prepares the statement on the server, unless a pooler stands in front of it. None leaves it to the
            settings of the pool.
    """
    async with AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement, values, prepare=prepare, binary=True)
        return await cursor.fetchall()


def _closed(name: str) -> StorageUnavailable:
    return StorageUnavailable(f"{name} has been closed; create a new one")
