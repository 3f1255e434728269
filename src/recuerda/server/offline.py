"""The stand-in for the model's server in `recuerda serve --upstream offline`, for a first try without a key.

It listens on a free port on this machine and answers with `OfflineChatClient`. The service speaks to it in the same way
as to any other chat-completions server.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import uvicorn

from recuerda.offline.endpoint import offline_endpoint

OFFLINE = "offline"
"""The value of `--upstream` that chooses the stand-in."""


@asynccontextmanager
async def upstream_url(url: str) -> AsyncGenerator[str]:
    """Yield the URL of the model's server; for "offline", run the stand-in during the block and yield its URL."""
    if url != OFFLINE:
        yield url
        return
    config = uvicorn.Config(offline_endpoint, host="127.0.0.1", port=0, lifespan="off", ws="none", log_config=None)
    server = _Behind(config)
    serving = asyncio.create_task(server.serve())
    try:
        await server.is_listening.wait()
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        server.should_exit = server.force_exit = True
        await serving


class _Behind(uvicorn.Server):
    """A uvicorn server that reports when it listens and leaves the signals to the service's own server."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_listening = asyncio.Event()

    async def startup(self, sockets: object = None) -> None:
        await super().startup(None)
        self.is_listening.set()

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Capture no signal."""
        yield
