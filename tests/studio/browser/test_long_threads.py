"""A thread of 100,000 messages in a real browser: it opens, scrolls both ways and jumps, at a cost that stays flat."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import pytest_asyncio
from playwright.async_api import Page, Request, expect

from recuerda import NewTurn
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import ReadQuery, ThreadSlice
from tests.studio.browser.conftest import Visit
from tests.studio.browser.serving import studio_of
from tests.studio.browser.visitor import Visitor

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

TURNS = 50_000
MESSAGES = 2 * TURNS
PAGE = 30
MOST_ENTRIES = 120
MOST_ELEMENTS = 5_000


class CountingStorage(SQLiteStorage):
    """A SQLite storage that counts its reads and the records that they return."""

    reads = 0
    records = 0

    async def _read(self, thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await super()._read(thread_id, query)
        self.reads += 1
        self.records += len(found.records)
        return found


def turn(number: int) -> NewTurn:
    """Return a turn that asks for its number."""
    question, answer = f"Question {number}", "Answer. " * (20 + number % 7 * 30)
    body = f'{{"messages":[{{"role":"user","content":"{question}"}},{{"role":"assistant","content":"{answer}"}}]}}'
    return NewTurn(body=body.encode(), message_count=2)


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def long_storage(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[CountingStorage]:
    """A storage with a thread of 100,000 messages."""
    path: Path = tmp_path_factory.mktemp("long") / "memory.db"
    async with CountingStorage(path) as storage:
        await storage.append_all("long", [turn(number) for number in range(1, TURNS + 1)])
        info = await storage.head("long")
        assert info is not None
        assert info.messages == MESSAGES
        yield storage


@pytest_asyncio.fixture(loop_scope="session")
async def studio(long_storage: CountingStorage) -> AsyncIterator[str]:
    long_storage.reads = long_storage.records = 0
    async with studio_of(long_storage) as url:
        yield url


class Pages:
    """The pages of the thread that a browser asked for."""

    def __init__(self, page: Page) -> None:
        self.count = 0
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        self.count += urlsplit(request.url).path == "/threads/long"


async def numbers(page: Page) -> list[int]:
    """Return the numbers of the turns that the page holds, and check that none is missing between two of them."""
    found = await page.locator(".turn").evaluate_all("all => all.map((one) => Number(one.dataset.key))")
    assert found == list(range(found[0], found[-1] + 1))
    assert len(found) <= MOST_ENTRIES
    assert await page.evaluate("document.querySelectorAll('*').length") <= MOST_ELEMENTS
    return found


async def scroll_to(page: Page, place: str, wanted: int) -> None:
    """Scroll to an end of the page, again and again, until the page holds a turn."""
    for _ in range(60):
        held = await numbers(page)
        if held[0] <= wanted <= held[-1]:
            return
        await page.evaluate(f"window.scrollTo(0, {'0' if place == 'top' else 'document.body.scrollHeight'})")
        edge = page.locator(".turn").first if place == "top" else page.locator(".turn").last
        await expect(edge).not_to_have_attribute("data-key", str(held[0] if place == "top" else held[-1]))
    raise AssertionError(f"turn {wanted} did not come")


async def test_a_thread_of_100_000_messages_scrolls_and_holds_a_part_of_itself(
    long_storage: CountingStorage, studio: str, visit: Visit
) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        asked = Pages(page)
        await visitor.open("/threads/long")
        await expect(page.get_by_text(f"Question {TURNS}", exact=True)).to_be_in_viewport()
        assert len(await numbers(page)) <= 2 * PAGE
        await scroll_to(page, "top", TURNS - 10 * PAGE)
        read = page.get_by_text(f"Question {TURNS - 10 * PAGE}", exact=True)
        await read.scroll_into_view_if_needed()
        # The thread grows meanwhile. The new turn is far away, and comes when the reader goes back to it.
        await long_storage.append("long", turn(TURNS + 1))
        await expect(page.get_by_role("status")).to_have_text("A turn was added.")
        await expect(read).to_be_in_viewport()
        assert TURNS + 1 not in await numbers(page)
        await scroll_to(page, "bottom", TURNS + 1)
        await expect(page.get_by_text(f"Question {TURNS + 1}", exact=True)).to_be_visible()
        # 11 pages up and at most 11 pages back, each of them read once and whole.
        assert asked.count <= 24
        assert long_storage.records <= asked.count * (PAGE + 1) + 3


async def test_a_person_jumps_to_a_turn_to_the_first_and_to_the_newest(
    long_storage: CountingStorage, studio: str, visit: Visit
) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        asked = Pages(page)
        await visitor.open("/threads/long")
        await page.keyboard.press("g")
        await page.keyboard.type("25000")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**from=25000")
        await stands_on_top(visitor, 25_000)
        await scroll_to(page, "top", 24_900)
        await scroll_to(page, "bottom", 25_100)
        await page.get_by_role("link", name="First turn").click()
        await stands_on_top(visitor, 1)
        assert (await numbers(page))[0] == 1
        await expect(page.get_by_role("link", name="Earlier turns")).not_to_be_visible()
        await page.get_by_role("link", name="Last turn").click()
        await page.wait_for_url("**/threads/long")
        await expect(page.locator(".turn").last).to_be_in_viewport()
        assert asked.count <= 24
        assert long_storage.records <= asked.count * (PAGE + 1)


async def stands_on_top(visitor: Visitor, number: int) -> None:
    """Check that a turn is the first one that a person can read."""
    page = visitor.page
    await expect(page.get_by_text(f"Question {number}", exact=True)).to_be_in_viewport()
    found = await page.evaluate(
        "document.elementFromPoint(innerWidth / 2, document.querySelector('.jump').getBoundingClientRect().bottom + 60)"
        "?.closest('.turn')?.dataset.key"
    )
    assert found == str(number)
