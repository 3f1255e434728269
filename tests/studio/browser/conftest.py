"""One Chromium for the session, and a studio on the story that it looks at."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Literal, TypeAlias

import pytest
import pytest_asyncio
import uvicorn
from playwright.async_api import Browser
from starlette.applications import Starlette

from recuerda import Storage
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from recuerda.studio import create_studio
from tests.servers.browser import find_chromium, running_browser
from tests.studio.browser.story import NOW, StoryClock, tell
from tests.studio.browser.visitor import Visitor
from tests.studio.client import TOKEN, settings_of

Scheme: TypeAlias = Literal["light", "dark"]

Visit: TypeAlias = Callable[..., AbstractAsyncContextManager[Visitor]]
"""Opens a browser window on a studio: `visit(url, width=390, language="es", theme="dark")`."""


class QuietServer(uvicorn.Server):
    """uvicorn, except that it looks often whether it should stop."""

    async def main_loop(self) -> None:
        while not self.should_exit:  # noqa: ASYNC110 - uvicorn sets no event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def served(app: Starlette) -> AsyncGenerator[str]:
    """Serve a studio in this event loop, and give its address."""
    config = uvicorn.Config(
        app, port=0, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    server = QuietServer(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 - uvicorn sets no event
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = server.force_exit = True
        await serving


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """The browser of all tests of this process."""
    async with running_browser(find_chromium()) as browser:
        yield browser


@pytest.fixture
def visit(browser: Browser) -> Visit:
    """Opens a window of the browser on a studio, signs in, and fails the test if a page did what it must not do."""

    @asynccontextmanager
    async def visited(
        url: str, *, width: int = 1280, theme: Scheme = "light", language: str = "en"
    ) -> AsyncGenerator[Visitor]:
        context = await browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=theme, locale=language, reduced_motion="reduce"
        )
        try:
            visitor = Visitor(await context.new_page(), url)
            await visitor.watch(context)
            await visitor.open(f"/?token={TOKEN}")
            yield visitor
            assert visitor.problems == []
        finally:
            await context.close()

    return visited


@pytest.fixture
def clock() -> StoryClock:
    return StoryClock(NOW)


@pytest_asyncio.fixture(loop_scope="session")
async def storage(tmp_path: Path, clock: StoryClock) -> AsyncIterator[Storage]:
    """A storage with the story, and the index of its memories beside it."""
    async with SQLiteStorage(tmp_path / "memory.db", clock=clock) as storage:
        recall = RecallProvider(storage=storage)
        await tell(storage, clock, recall)
        await recall.close()
        yield storage


@pytest_asyncio.fixture(loop_scope="session")
async def studio(storage: Storage, clock: StoryClock) -> AsyncIterator[str]:
    """The address of a studio on the story, in which changes are allowed."""
    async with studio_of(storage, clock=clock, allow_changes=True) as url:
        yield url


@asynccontextmanager
async def studio_of(storage: Storage, **settings: Any) -> AsyncGenerator[str]:
    """Run a studio in this event loop, and give its address."""
    app = create_studio(settings_of(storage, **settings))
    async with app.router.lifespan_context(app), served(app) as url:
        yield url
