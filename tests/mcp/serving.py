"""An ASGI application in this event loop, with its lifespan."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn

from tests.servers.asgi import serving


@asynccontextmanager
async def served(app: Any) -> AsyncGenerator[str]:
    """Serve the application, and give its address."""
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_config=None, ws="none"))
    async with serving(server) as url:
        yield url
