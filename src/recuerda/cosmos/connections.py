"""The container, for each event loop through a client of azure-cosmos that belongs to the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Protocol, TypeAlias

from recuerda._drivers.per_loop import PerLoop
from recuerda.cosmos.container import Container, Proxy
from recuerda.errors import StorageUnavailable


class Database(Protocol):
    """The part of azure-cosmos's `DatabaseProxy` that is used."""

    def get_container_client(self, container: str) -> Proxy:
        """Return the proxy of a container."""
        ...

    async def create_container(self, id: str, partition_key: Any, **options: Any) -> object:
        """Create a container."""
        ...


class AccountClient(Protocol):
    """The part of azure-cosmos's `CosmosClient` that is used."""

    def get_database_client(self, database: str) -> Database:
        """Return the proxy of a database."""
        ...

    async def create_database(self, id: str) -> object:
        """Create a database."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


OpenContainer: TypeAlias = Callable[[AccountClient], Awaitable[Container]]
"""Finds the container, or makes it if it is missing."""


class ContainerPerLoop:
    """Give each event loop the container through a client of its own.

    Args:
        make_client: makes a client; called in the loop that is to use it.
        open_container: finds the container, and makes it if it is missing.
        owns: True closes the clients; False leaves them open.
        name: the endpoint, for error messages.
    """

    def __init__(
        self, make_client: Callable[[], AccountClient], open_container: OpenContainer, *, owns: bool, name: str
    ) -> None:
        self._sessions = PerLoop(
            lambda: _Session(make_client(), open_container, owns=owns), _Session.close, refusal=partial(_closed, name)
        )

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Container]:
        """Give the running loop's container to one operation.

        Raises:
            StorageUnavailable: the storage has been closed.
        """
        session = await self._sessions.get()
        async with session.use() as container:
            yield container

    async def close(self) -> None:
        """Let the operations under way finish, in every loop, and close the clients. Closing twice is fine."""
        await self._sessions.close()


class _Session:
    """The client of one event loop, and the number of operations that use it."""

    def __init__(self, client: AccountClient, open_container: OpenContainer, *, owns: bool) -> None:
        self._client = client
        self._open_container = open_container
        self._owns = owns
        self._opening = asyncio.Lock()
        self._container: Container | None = None
        self._users = 0
        self._is_idle = asyncio.Event()
        self._is_idle.set()

    @asynccontextmanager
    async def use(self) -> AsyncGenerator[Container]:
        self._users += 1
        self._is_idle.clear()
        try:
            yield await self._opened()
        finally:
            self._users -= 1
            if not self._users:
                self._is_idle.set()

    async def close(self) -> None:
        await self._is_idle.wait()
        if self._owns:
            await self._client.close()

    async def _opened(self) -> Container:
        async with self._opening:
            if self._container is None:
                self._container = await self._open_container(self._client)
            return self._container


def _closed(name: str) -> StorageUnavailable:
    return StorageUnavailable(f"the storage of {name} has been closed; make a new one")
