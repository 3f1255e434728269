"""The platform's clients: one for each event loop, made when it is first needed.

A client's connections belong to the loop that opened them, and a program that uses `run` and `run_sync` has two. Its
constructor asks the service whether the key is right, and blocks meanwhile, without a time limit: so it runs in a
thread of its own. Each client sits in an asynchronous generator of its loop, which Python closes with the loop at the
latest.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from recuerda.errors import ProviderError
from recuerda.mem0.memories import Client, in_thread

_CLOSED = "this Mem0Provider has been closed: make a new one"

_importing = threading.Lock()


class PlatformClients:
    """Make the clients of a key, and close them.

    Args:
        api_key: the platform's key.
        host: the address of a platform of your own; None for Mem0's.
    """

    def __init__(self, *, api_key: str, host: str | None) -> None:
        self._api_key = api_key
        self._host = host
        self._mutex = threading.Lock()
        self._leases: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncGenerator[Any]] = WeakKeyDictionary()
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()
        self._making: dict[asyncio.AbstractEventLoop, asyncio.Task[Client]] = {}
        self._is_closed = False

    async def get(self) -> Client:
        """Return the running loop's client. One that could not be made is tried anew the next time.

        Raises:
            ProviderError: after `close`.
        """
        loop = asyncio.get_running_loop()
        with self._mutex:
            if self._is_closed:
                raise ProviderError(_CLOSED)
            if (client := self._clients.get(loop)) is not None:
                return client
            if (making := self._making.get(loop)) is None:
                making = self._making[loop] = loop.create_task(self._make())
                making.add_done_callback(self._made)
        # Others may wait for the same client: a cancellation of this caller is not theirs.
        return await asyncio.shield(making)

    async def close(self) -> None:
        """Close every loop's client, each in its loop; twice is fine."""
        with self._mutex:
            self._is_closed = True
            leases, self._leases = list(self._leases.items()), WeakKeyDictionary()
            self._clients.clear()
        for loop, lease in leases:
            if loop is asyncio.get_running_loop():
                await lease.aclose()
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(_release(lease), loop))

    def _made(self, making: asyncio.Task[Client]) -> None:
        self._making.pop(making.get_loop(), None)
        if not making.cancelled():
            making.exception()  # has been asked for, also where everybody who waited is gone

    async def _make(self) -> Client:
        client = await in_thread(self._new_client)
        lease = _lease(client)
        await anext(lease)  # does not wait for anything, and ties the generator to the loop
        loop = asyncio.get_running_loop()
        with self._mutex:
            if not self._is_closed:
                self._leases[loop], self._clients[loop] = lease, client
                return client
        await lease.aclose()
        raise ProviderError(_CLOSED)

    def _new_client(self) -> Any:
        with _importing, _own_folder():
            from mem0 import AsyncMemoryClient
        return AsyncMemoryClient(api_key=self._api_key, host=self._host and self._host.rstrip("/"))


@contextmanager
def _own_folder() -> Generator[None]:
    """Let Mem0, when it is imported, make its folder elsewhere than at home.

    It makes one in any case. Where there is one, or `MEM0_DIR` names one, or Mem0 is imported already, nothing changes.
    The platform's client keeps nothing in it but a random id.
    """
    if "mem0" in sys.modules or "MEM0_DIR" in os.environ or (Path.home() / ".mem0").exists():
        yield
        return
    folder = tempfile.mkdtemp(prefix="recuerda-mem0-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    os.environ["MEM0_DIR"] = folder
    try:
        yield
    finally:
        del os.environ["MEM0_DIR"]


async def _lease(client: Any) -> AsyncGenerator[Any]:
    try:
        yield client
    finally:
        await client.async_client.aclose()


async def _release(lease: AsyncGenerator[Any]) -> None:
    await lease.aclose()
