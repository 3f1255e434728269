"""A pool of connections for each event loop, without a task in the background.

The caller that needs a connection opens it, in its own task. So an error reaches the caller at once, and an event loop
has nothing to wait for at its end. For this reason the pool is not a `psycopg_pool`: a worker of `psycopg_pool` that is
connecting swallows its cancellation, and then `asyncio.run` never returns. An application may still pass a pool of its
own.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from recuerda._drivers.per_loop import keep_for_ever
from recuerda._drivers.postgres import failures
from recuerda._drivers.postgres.address import PostgresAddress
from recuerda.errors import StorageBusy

Connection: TypeAlias = AsyncConnection[Any]

_ONLY_IF_ASKED = 2**31
"""The number of executions after which a statement is prepared without being asked for: never."""

MAX_IDLE_S = 600.0
"""A connection that was idle for longer is closed."""


class GivenPool(Protocol):
    """The one method that an application's own pool must have. `psycopg_pool.AsyncConnectionPool` has it."""

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection; commit at the end, or roll back after an error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """How a pool connects.

    Attributes:
        address: where to connect.
        name: the name of the storage or index, for error messages.
        max_connections: the largest number of connections of one event loop. A caller waits while all of them are in
            use.
        timeout_s: the seconds that a caller waits for a connection.
        prepares: True prepares all statements on the server, unless a pooler stands in front of it. False prepares only
            those for which the caller asks: others have types that may be dropped and created again, or another plan
            for other values.
        given: an application's own pool to use instead; it is never closed here. None: the connections are opened here.
    """

    address: PostgresAddress
    name: str
    max_connections: int
    timeout_s: float
    prepares: bool
    given: GivenPool | None = None


class LoopPool:
    """The connections of one event loop. Every method but `finish` runs in that loop."""

    def __init__(self, settings: PoolSettings) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._process = os.getpid()
        self._slots = asyncio.Semaphore(settings.max_connections)
        # The connection that was returned last is lent first: it is warm, and unneeded connections grow old and are
        # closed.
        self._idle: list[tuple[Connection, float]] = []
        self._renewals = 0
        self._users = 0
        self._is_unused = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection; it is in autocommit mode, unless the application's own pool gave it.

        A connection that turns out to be read-only is closed, so that no pool lends it again.

        Raises:
            StorageBusy: all connections were in use for too long.
            psycopg.OperationalError: the server cannot be reached.
        """
        self._users += 1
        try:
            async with self._settings.given.connection() if self._settings.given else self._own() as connection:
                try:
                    yield connection
                except Exception as error:
                    if failures.is_read_only(error):
                        connection.pgconn.finish()
                    raise
        finally:
            self._users -= 1
            if not self._users:
                self._is_unused.set()

    async def renew(self) -> None:
        """Close the idle connections. A connection that is in use is closed when it is returned."""
        self._renewals += 1
        self.finish()
        # psycopg_pool 3.3 has this method.
        if drain := getattr(self._settings.given, "drain", None):
            await drain()

    async def close(self) -> None:
        """Wait for the work in progress, then close every connection."""
        if self._users:
            self._is_unused.clear()
            await asyncio.wait([asyncio.ensure_future(self._is_unused.wait())], timeout=self._settings.timeout_s)
        self.finish()

    def finish(self) -> None:
        """Close the idle connections, from any thread."""
        while self._idle:
            self._finish_oldest()

    @asynccontextmanager
    async def _own(self) -> AsyncGenerator[Connection]:
        await self._take_slot()
        renewals = self._renewals
        try:
            connection = self._idle.pop()[0] if self._idle else await self._connect()
            try:
                yield connection
            finally:
                self._put_back(connection, is_old=renewals != self._renewals)
        finally:
            self._slots.release()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._settings.timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise StorageBusy(
                f"all {self._settings.max_connections} connections of {self._settings.name} were in use for over "
                f"{self._settings.timeout_s:g} s; try again, or raise max_connections"
            ) from None

    async def _connect(self) -> Connection:
        # No setting outlives its statement on a connection, so PgBouncer can share the connection.
        connection: Connection = await AsyncConnection.connect(
            self._settings.address.conninfo, autocommit=True, prepare_threshold=None
        )
        try:
            if await is_direct(connection):
                connection.prepare_threshold = 0 if self._settings.prepares else _ONLY_IF_ASKED
        except BaseException:
            await connection.close()
            raise
        return connection

    def _put_back(self, connection: Connection, *, is_old: bool) -> None:
        if self._process != os.getpid():
            # A child that was forked in the middle of the work comes here too, but the connection belongs to its
            # parent.
            keep_for_ever(connection)
            return
        now = self._loop.time()
        if connection.pgconn.transaction_status == TransactionStatus.IDLE and not is_old:
            self._idle.append((connection, now))
        else:
            connection.pgconn.finish()
        while self._idle and self._idle[0][1] < now - MAX_IDLE_S:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        # Held by a name: a connection must not be collected before it is closed.
        connection, _ = self._idle.pop(0)
        connection.pgconn.finish()


async def is_direct(connection: Connection) -> bool:
    """Return whether the other end of the connection is the server itself, so that a prepared statement stays there.

    A pooler such as PgBouncer stands for many server processes, so it reports a process id of its own.
    """
    found = await connection.execute("SELECT pg_backend_pid()")
    return await found.fetchone() == (connection.info.backend_pid,)
