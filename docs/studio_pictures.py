"""Take the pictures of the studio that the documentation shows. Run by `make picture`."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from recuerda import Storage
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.servers.browser import find_chromium, running_browser
from tests.studio.browser.serving import studio_of
from tests.studio.browser.story import NOW, StoryClock, agent_of, tell
from tests.studio.client import TOKEN

ASSETS = Path(__file__).with_name("assets")
WIDTH, HEIGHT = 1200, 820
PICTURES = (
    ("studio-thread.png", "/threads/lisbon", "light"),
    ("studio-seen.png", "/threads/lisbon/seen?q=Are+there+window+seats+on+that+flight%3F&max_tokens=620", "dark"),
)


async def main() -> None:
    """Write the pictures."""
    clock = StoryClock(NOW)
    with tempfile.TemporaryDirectory() as folder:
        async with SQLiteStorage(Path(folder) / "memory.db", clock=clock) as storage:
            recall = RecallProvider(storage=storage)
            await tell(storage, clock, recall, attacks=False)
            await _take(storage, clock, recall)
            await recall.close()


async def _take(storage: Storage, clock: StoryClock, recall: RecallProvider) -> None:
    agent = agent_of(storage, recall=recall)
    shown = {"clock": clock, "agent": agent, "storage_name": "sqlite:///memory.db", "allow_changes": True}
    async with studio_of(storage, **shown) as url, running_browser(find_chromium()) as browser:
        for name, path, theme in PICTURES:
            page = await browser.new_page(viewport={"width": WIDTH, "height": HEIGHT})
            await page.goto(f"{url}/?token={TOKEN}&theme={theme}")
            await page.goto(f"{url}{path}{'&' if '?' in path else '?'}theme={theme}")
            await page.evaluate("window.scrollTo(0, 0)")
            await page.screenshot(path=ASSETS / name)
            await page.close()


if __name__ == "__main__":
    asyncio.run(main())
