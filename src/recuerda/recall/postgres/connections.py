"""The connections: a bounded set of them for each event loop that uses the index.

A connection belongs to the loop that it waits on. It is opened by whoever needs it, in their own task, so that errors
reach them and nothing runs in the background that a loop would have to wait for at its end. What a loop that has ended
leaves behind is freed when the next one comes; after a fork, the child has loops of its own and never touches its
parent's connections. Nothing outlives its statement on a connection, so that PgBouncer may share it.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

from psycopg import AsyncConnection
from psycopg.pq import TransactionStatus

from recuerda.errors import StorageBusy, StorageUnavailable
from recuerda.recall.postgres.address import Address

Connection: TypeAlias = AsyncConnection[tuple[Any, ...]]

MAX_IDLE_S = 600.0
"""A connection that nobody used for so long is closed."""


class Connections:
    """Lend connections to whichever event loop asks.

    Args:
        address: where to connect.
        max_connections: of one loop; who finds all of them in use waits.
        timeout_s: how long to wait for one.
    """

    def __init__(self, address: Address, *, max_connections: int, timeout_s: float) -> None:
        self.address = address
        self.max_connections = max_connections
        self.timeout_s = timeout_s
        self._mutex = threading.Lock()
        self._by_loop: dict[asyncio.AbstractEventLoop, _OfLoop] = {}
        self._is_closed = False

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        """Lend a connection in autocommit mode.

        Raises:
            StorageUnavailable: the index has been closed.
            StorageBusy: all connections were in use for too long.
            psycopg.OperationalError: the server cannot be reached.
        """
        mine = self._mine()
        mine.users += 1
        try:
            async with mine.connection() as connection:
                yield connection
        finally:
            mine.leave()

    def drop_idle(self) -> None:
        """Close this loop's idle connections: after a restart of the server, all of them have ended."""
        self._mine().finish()

    async def close(self) -> None:
        """Let what is under way finish, then close every connection."""
        with self._mutex:
            self._is_closed = True
            every = list(self._by_loop.values())
            self._by_loop.clear()
        for one in every:
            await one.close()

    def abandon(self) -> None:
        """Close what nobody will use again, without waiting."""
        for one in self._by_loop.values():
            one.finish()

    def _mine(self) -> _OfLoop:
        loop = asyncio.get_running_loop()
        with self._mutex:
            if self._is_closed:
                raise StorageUnavailable(
                    f"the index of memories in {self.address.place} has been closed; make a new one"
                )
            if loop not in self._by_loop:
                for ended in [one for one in self._by_loop if one.is_closed()]:
                    self._by_loop.pop(ended).finish()
                self._by_loop[loop] = _OfLoop(self, loop)
            return self._by_loop[loop]


class _OfLoop:
    """The connections of one event loop. All but `close` and `finish` runs on it."""

    def __init__(self, shared: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self.users = 0
        self._shared = shared
        self._loop = loop
        self._process = os.getpid()
        self._slots = asyncio.Semaphore(shared.max_connections)
        # The last one returned is the first one lent: it is warm, and the others grow old and are closed.
        self._idle: list[tuple[Connection, float]] = []
        self._is_unused = asyncio.Event()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[Connection]:
        await self._take_slot()
        try:
            connection = self._idle.pop()[0] if self._idle else await self._connect()
            try:
                yield connection
            finally:
                self._put_back(connection)
        finally:
            self._slots.release()

    def leave(self) -> None:
        self.users -= 1
        if self.users == 0:
            self._is_unused.set()

    async def close(self) -> None:
        """Close from any loop: on its own one, if that still runs."""
        if self._loop is asyncio.get_running_loop():
            await self._close()
        elif self._loop.is_running() and self._process == os.getpid():
            closing = asyncio.run_coroutine_threadsafe(self._close(), self._loop)
            # The loop may end before it comes to this, or while it is at it.
            await asyncio.wait([asyncio.wrap_future(closing)], timeout=self._shared.timeout_s)
        self.finish()

    def finish(self) -> None:
        """Close the idle connections; those of a parent process are left to it."""
        if self._process != os.getpid():
            _inherited.append(self)
            return
        while self._idle:
            self._finish_oldest()

    async def _close(self) -> None:
        if self.users:
            self._is_unused.clear()
            await asyncio.wait([asyncio.ensure_future(self._is_unused.wait())], timeout=self._shared.timeout_s)
        self.finish()

    async def _take_slot(self) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(self._shared.timeout_s):
                await self._slots.acquire()
        except TimeoutError:
            raise StorageBusy(
                f"all {self._shared.max_connections} connections to the index of memories in "
                f"{self._shared.address.place} were in use for over {self._shared.timeout_s:g} s; try again, or raise "
                "max_connections"
            ) from None

    async def _connect(self) -> Connection:
        return await AsyncConnection.connect(self._shared.address.conninfo, autocommit=True, prepare_threshold=None)

    def _put_back(self, connection: Connection) -> None:
        now = self._loop.time()
        if connection.pgconn.transaction_status == TransactionStatus.IDLE:
            self._idle.append((connection, now))
        else:
            connection.pgconn.finish()
        while self._idle and self._idle[0][1] < now - MAX_IDLE_S:
            self._finish_oldest()

    def _finish_oldest(self) -> None:
        # Held by a name: a connection must not be collected before it is closed.
        connection, _ = self._idle.pop(0)
        connection.pgconn.finish()


_inherited: list[_OfLoop] = []
"""Of a parent process. They are kept because the driver takes one that is collected for one that was forgotten."""
