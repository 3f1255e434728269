"""A studio that a browser can reach, in this event loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from starlette.applications import Starlette

from recuerda import Storage
from recuerda.studio import create_studio
from tests.servers.asgi import serving
from tests.studio.client import settings_of


class QuietServer(uvicorn.Server):
    """uvicorn, except that it looks often whether it should stop."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """Serve a studio in this event loop, and give its address."""
    config = uvicorn.Config(
        app, port=0, log_level="error", access_log=False, lifespan="off", ws="none", timeout_graceful_shutdown=1
    )
    async with serving(QuietServer(config)) as url:
        yield url


@asynccontextmanager
async def studio_of(storage: Storage, **settings: Any) -> AsyncGenerator[str]:
    """Run a studio in this event loop, and give its address."""
    app = create_studio(settings_of(storage, **settings))
    async with app.router.lifespan_context(app), served(app) as url:
        yield url
