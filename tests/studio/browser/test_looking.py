"""Every page in a real browser: each theme, each language, and the width of a phone."""

from __future__ import annotations

import pytest

from tests.studio.browser.conftest import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

PAGES = ("/threads", "/threads?q=flight&user=ana", "/threads?user=nobody")


async def test_no_page_keeps_anybody_out(studio: str, visit: Visit) -> None:
    for theme, language in (("light", "en"), ("dark", "es")):
        async with visit(studio, theme=theme, language=language) as visitor:
            for path in PAGES:
                await visitor.open(path)
                assert await visitor.page.locator("html").get_attribute("lang") == language
                assert await visitor.accessibility_problems() == [], f"{path} {theme}"


async def test_no_page_is_wider_than_a_phone(studio: str, visit: Visit) -> None:
    async with visit(studio, width=390) as visitor:
        for path in PAGES:
            await visitor.open(path)
            assert await visitor.overflow() == 0, path


async def test_the_language_and_the_theme_stay_chosen(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        await visitor.page.get_by_role("link", name="Español").click()
        await visitor.page.get_by_role("link", name="Oscuro").click()
        await visitor.open("/threads")
        html = visitor.page.locator("html")
        assert (await html.get_attribute("lang"), await html.get_attribute("data-theme")) == ("es", "dark")
        shown = await visitor.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert shown == "rgb(22, 23, 26)"
