"""One azure-cosmos client for each event loop, made when it is first needed and closed before its loop ends.

A client's connections belong to the loop in which they were opened. An asynchronous generator, which a loop closes
before it ends, stands guard: so a loop that comes and goes, as under `asyncio.run`, leaves nothing open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from typing import Any, Protocol

from recuerda.cosmos.container import Container, Proxy
from recuerda.errors import StorageUnavailable


class Database(Protocol):
    """What is used of azure-cosmos's `DatabaseProxy`."""

    def get_container_client(self, container: str) -> Proxy:
        """Return the proxy of a container."""
        ...

    async def create_container(self, id: str, partition_key: Any, **options: Any) -> object:
        """Create a container."""
        ...


class Client(Protocol):
    """What is used of azure-cosmos's `CosmosClient`."""

    def get_database_client(self, database: str) -> Database:
        """Return the proxy of a database."""
        ...

    async def create_database(self, id: str) -> object:
        """Create a database."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


_closing: set[Future[None]] = set()
"""Closings that nobody waits for, kept from being collected."""


class _Connection:
    """The client of one event loop, and how many operations are using it."""

    def __init__(self, client: Client, open_container: Callable[[Client], Awaitable[Container]], *, owns: bool) -> None:
        self.loop = asyncio.get_running_loop()
        self._client = client
        self._open_container = open_container
        self._owns = owns
        self._opening = asyncio.Lock()
        self._container: Container | None = None
        self._users = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()
        self.guard = self._stand_guard()

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Container]:
        """Give the container to one operation."""
        self._users += 1
        self._is_idle.clear()
        try:
            yield await self._opened()
        finally:
            self._users -= 1
            if not self._users:
                self._is_idle.set()

    async def _opened(self) -> Container:
        async with self._opening:
            if self._container is None:
                self._container = await self._open_container(self._client)
            return self._container

    async def _stand_guard(self) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await self._is_idle.wait()
            if self._owns:
                await self._client.close()

    async def close(self) -> None:
        """Wait for the operations under way, and close the client."""
        await self.guard.aclose()


class Connections:
    """Give each event loop its client.

    Args:
        make_client: makes a client; called in the loop that is to use it.
        open_container: finds the container, and makes it if need be.
        owns: clients are closed here.
        name: the endpoint, for messages.
    """

    def __init__(
        self,
        make_client: Callable[[], Client],
        open_container: Callable[[Client], Awaitable[Container]],
        *,
        owns: bool,
        name: str,
    ) -> None:
        self._make_client = make_client
        self._open_container = open_container
        self._owns = owns
        self._name = name
        self._connections: dict[asyncio.AbstractEventLoop, _Connection] = {}
        self._mutex = threading.Lock()
        self._is_closed = False

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Container]:
        """Give the running loop's container to one operation.

        Raises:
            StorageUnavailable: everything has been closed.
        """
        connection, is_new = self._connection()
        if is_new:
            await anext(connection.guard)  # from here on the loop knows of it
        async with connection.use() as container:
            yield container

    def _connection(self) -> tuple[_Connection, bool]:
        loop = asyncio.get_running_loop()
        with self._mutex:
            if self._is_closed:
                raise StorageUnavailable(f"the storage of {self._name} has been closed; make a new one")
            if loop in self._connections:
                return self._connections[loop], False
            ended = [one for one in self._connections if one.is_closed()]
            for one in ended:
                del self._connections[one]
            connection = _Connection(self._make_client(), self._open_container, owns=self._owns)
            self._connections[loop] = connection
            return connection, True

    def abandon(self) -> None:
        """Have the clients closed, each in its loop: for a storage that is forgotten without being closed."""
        with self._mutex:
            connections = list(self._connections.values())
            self._connections.clear()
        for connection in connections:
            if connection.loop.is_running():
                _closing.add(asyncio.run_coroutine_threadsafe(connection.close(), connection.loop))
        for done in [one for one in _closing if one.done()]:
            _closing.discard(done)

    async def close(self) -> None:
        """Let what was begun finish, in every loop, and close the clients. Closing twice is fine."""
        with self._mutex:
            self._is_closed = True
            connections = list(self._connections.values())
            self._connections.clear()
        here = asyncio.get_running_loop()
        for connection in connections:
            if connection.loop is here:
                await connection.close()
            elif connection.loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(connection.close(), connection.loop))
