"""One Chromium for the session, and a studio on the story that it looks at."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Literal, TypeAlias

import pytest
import pytest_asyncio
from playwright.async_api import Browser

from recuerda import Storage
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.servers.browser import find_chromium, running_browser
from tests.studio.browser.serving import studio_of
from tests.studio.browser.story import NOW, StoryClock, tell
from tests.studio.browser.visitor import Visitor
from tests.studio.client import TOKEN

Scheme: TypeAlias = Literal["light", "dark"]

Visit: TypeAlias = Callable[..., AbstractAsyncContextManager[Visitor]]
"""Opens a browser window on a studio: `visit(url, width=390, language="es", theme="dark")`."""


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
        url: str, *, width: int = 1280, theme: Scheme = "light", language: str = "en", has_scripts: bool = True
    ) -> AsyncGenerator[Visitor]:
        context = await browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=theme,
            locale=language,
            reduced_motion="reduce",
            java_script_enabled=has_scripts,
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
