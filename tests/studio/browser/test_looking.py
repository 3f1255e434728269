"""Every page in a real browser: each theme, each language, and the width of a phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
import pytest_asyncio
from playwright.async_api import expect

from recuerda import Storage
from tests.studio.browser.conftest import Visit
from tests.studio.browser.serving import studio_of
from tests.studio.browser.story import PAYLOADS, StoryClock, agent_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

HOSTILE = "/threads/" + quote("<img src=x onerror=alert(1)>", safe="")
PAGES = (
    "/threads",
    "/threads?q=flight&user=ana",
    "/threads?user=nobody",
    "/threads/lisbon",
    "/threads/lisbon/turns/1",
    "/threads/lisbon/branches",
    "/threads/lisbon/fork",
    "/threads/lisbon/export",
    "/threads/booking",
    "/threads/lisbon/seen?max_tokens=300&q=Which+seats",
    f"{HOSTILE}/turns/1/seen?max_tokens=200",
    "/memory",
    "/memory?user=ana&q=window+seats",
    "/health",
    "/chat",
    "/chat/lisbon",
    "/inbox",
    "/import",
    "/users/ana/erase",
    HOSTILE,
)
MARKUP = "script, iframe, style, meta, [onerror], [onclick], [onload], a[href^='javascript:'], img[src^='http']"


@pytest_asyncio.fixture(loop_scope="session")
async def studio(storage: Storage, clock: StoryClock) -> AsyncIterator[str]:
    """The address of a studio on the story with each of its rooms: it has an agent, and allows changes."""
    async with studio_of(storage, clock=clock, agent=agent_of(storage), allow_changes=True) as url:
        yield url


async def test_no_page_keeps_anybody_out(studio: str, visit: Visit) -> None:
    # The other theme has other colours, and the other language other texts; the structure is the same.
    rest = ("color-contrast", "html-has-lang", "html-lang-valid", "valid-lang", "button-name", "link-name", "label")
    for theme, language, rules in (("light", "en", ()), ("dark", "es", rest)):
        async with visit(studio, theme=theme, language=language) as visitor:
            found: dict[str, list[str]] = {}
            for path in PAGES:
                await visitor.open(path)
                assert await visitor.page.locator("html").get_attribute("lang") == language
                found[path] = await visitor.accessibility_problems(*rules)
            assert {path: problems for path, problems in found.items() if problems} == {}, theme


async def test_no_page_is_wider_than_a_phone(studio: str, visit: Visit) -> None:
    async with visit(studio, width=390) as visitor:
        for path in PAGES:
            await visitor.open(path)
            assert await visitor.overflow() == 0, path


async def test_every_room_is_reached_from_the_narrowest_phone(studio: str, visit: Visit) -> None:
    for language in ("en", "es"):
        async with visit(studio, width=320, language=language) as visitor:
            rooms = visitor.page.locator(".rooms a")
            boxes = [await rooms.nth(number).bounding_box() for number in range(await rooms.count())]
            assert len(boxes) == 5
            assert all(box and box["x"] >= 0 and box["x"] + box["width"] <= 320 for box in boxes)
        async with visit(studio, width=360, language=language) as visitor:
            rooms = visitor.page.locator(".rooms a")
            tops = {(box or {"y": 0})["y"] for box in [await rooms.nth(number).bounding_box() for number in range(5)]}
            assert len(tops) == 1  # on one line


async def test_the_buttons_of_a_change_break_no_word_on_a_phone(studio: str, visit: Visit) -> None:
    async with visit(studio, language="es", width=375) as visitor:
        await visitor.open("/users/ana/erase")
        shown = await visitor.page.get_by_role("link", name="Cancelar", exact=True).bounding_box()
        assert shown is not None
        assert shown["height"] < 40  # one line


async def test_the_language_and_the_theme_stay_chosen(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        await visitor.page.get_by_role("link", name="Español").click()
        await visitor.page.get_by_role("link", name="Oscuro").click()
        await visitor.open("/threads")
        html = visitor.page.locator("html")
        assert (await html.get_attribute("lang"), await html.get_attribute("data-theme")) == ("es", "dark")
        shown = await visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shown == "rgb(22, 23, 26)"


async def test_a_hostile_message_does_nothing_on_any_page(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        for path in (
            HOSTILE,
            f"{HOSTILE}/turns/1?whole=1",
            f"{HOSTILE}/branches",
            f"{HOSTILE}/seen",
            f"/chat/{HOSTILE[9:]}",
            "/health",
            "/memory",
            "/threads?q=" + quote(PAYLOADS[1]),
        ):
            await visitor.open(path)
            await visitor.page.evaluate("document.querySelectorAll('details').forEach((part) => { part.open = true; })")
            assert await visitor.page.locator("main").locator(MARKUP).count() == 0
        await visitor.open(HOSTILE)
        await expect(visitor.page.locator(".message-user .mark").first).to_have_text("[U+202E]")
