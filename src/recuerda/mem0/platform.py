"""The platform's clients: one client for each event loop, created when it is first needed.

The constructor of Mem0's client asks the service whether the key is right. It blocks until the service answers, without
a time limit. So it runs in a thread of its own.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Generator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from recuerda._drivers.per_loop import PerLoop
from recuerda.errors import ProviderError
from recuerda.mem0.memories import Mem0Client, in_thread

_importing = threading.Lock()


class PlatformClients:
    """Give each event loop a client of the platform.

    Args:
        api_key: the platform's key.
        host: the address of a platform of your own; None for Mem0's.
    """

    def __init__(self, *, api_key: str, host: str | None) -> None:
        make = partial(_new_client, api_key, host and host.rstrip("/"))
        self._clients = PerLoop(lambda: _LoopClient(make), _LoopClient.close, refusal=_closed)

    async def get(self) -> Mem0Client:
        """Return the running loop's client. After a failure to create it, the next call tries again.

        Raises:
            ProviderError: the clients have been closed, or the client could not be created.
        """
        return await (await self._clients.get()).get()

    async def close(self) -> None:
        """Close every loop's client, each in its loop. Closing twice is fine."""
        await self._clients.close()


class _LoopClient:
    """The client of one event loop, created at its first call."""

    def __init__(self, make: Callable[[], Any]) -> None:
        self._make = make
        self._client: Any = None
        self._making: asyncio.Task[Mem0Client] | None = None
        self._is_closed = False

    async def get(self) -> Mem0Client:
        if self._client is not None:
            return self._client
        if self._making is None:
            self._making = asyncio.create_task(self._new_client())
            self._making.add_done_callback(self._made)
        # Other callers may wait for the same client, so a cancellation of this caller must not cancel the work.
        return await asyncio.shield(self._making)

    async def close(self) -> None:
        self._is_closed = True
        if self._client is not None:
            await self._client.async_client.aclose()

    async def _new_client(self) -> Mem0Client:
        client = await in_thread(self._make)
        if self._is_closed:
            await client.async_client.aclose()
            raise _closed()
        self._client = client
        return client

    def _made(self, making: asyncio.Task[Mem0Client]) -> None:
        self._making = None
        if not making.cancelled():
            making.exception()  # The error is retrieved here, because there may be no caller left who waits for it.


def _new_client(api_key: str, host: str | None) -> Any:
    with _importing, _own_folder():
        from mem0 import AsyncMemoryClient
    return AsyncMemoryClient(api_key=api_key, host=host)


def _closed() -> ProviderError:
    return ProviderError("this Mem0Provider has been closed: create a new one")


@contextmanager
def _own_folder() -> Generator[None]:
    """Make Mem0 create its folder outside of the home folder when it is imported.

    Mem0 creates a folder in any case. If the folder exists, or `MEM0_DIR` names another, or Mem0 is already imported,
    nothing changes. The platform's client keeps only a random id in the folder.
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
