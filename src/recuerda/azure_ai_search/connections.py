"""One SDK client for each event loop, made when it is first needed and closed before its loop ends.

A client's connections belong to the loop in which they were opened. An asynchronous generator, which a loop closes
before it ends, stands guard: so a loop that comes and goes, as under `asyncio.run`, leaves nothing open.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from typing import Any, Protocol

from recuerda.errors import ProviderError


class Client(Protocol):
    """What is used of the SDK's `SearchClient`."""

    async def search(self, **arguments: Any) -> AsyncIterable[dict[str, Any]]:
        """Search; the results come when they are gone through."""
        ...

    async def close(self) -> None:
        """Close the connections."""
        ...


class Connections:
    """Give each event loop its client.

    Args:
        make_client: makes a client; called in the loop that is to use it.
        name: of the service, for messages.
    """

    def __init__(self, make_client: Callable[[], Client], *, name: str) -> None:
        self._make_client = make_client
        self._name = name
        self._mutex = threading.Lock()
        self._clients: dict[asyncio.AbstractEventLoop, tuple[Client, AsyncGenerator[None]]] = {}
        self._is_closed = False

    async def client(self) -> Client:
        """Return the running loop's client.

        Raises:
            ProviderError: everything has been closed.
        """
        loop = asyncio.get_running_loop()
        with self._mutex:
            if self._is_closed:
                raise ProviderError(f"the provider of {self._name} has been closed; make a new one")
            if loop in self._clients:
                return self._clients[loop][0]
            client = self._make_client()
            guard = self._stand_guard(loop, client)
            self._clients[loop] = client, guard
        await anext(guard)  # from here on the loop knows of it
        return client

    async def close(self) -> None:
        """Close all clients, each in its loop. Closing twice is fine."""
        with self._mutex:
            self._is_closed = True
            guards = [(loop, guard) for loop, (_, guard) in self._clients.items()]
        here = asyncio.get_running_loop()
        for loop, guard in guards:
            if loop is here:
                await guard.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(guard.aclose(), loop))

    async def _stand_guard(self, loop: asyncio.AbstractEventLoop, client: Client) -> AsyncGenerator[None]:
        try:
            yield
        finally:
            self._clients.pop(loop, None)
            await client.close()
