"""A person sees why a message was not sent, why a memory is found, and how healthy a storage is."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from playwright.async_api import expect

from tests.studio.browser.conftest import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

HOSTILE = "/threads/" + quote("<img src=x onerror=alert(1)>", safe="")
PAGES = (
    "/threads/lisbon/seen?max_messages=4&q=And+now",
    f"{HOSTILE}/turns/1/seen?max_tokens=200",
    "/memory?user=ana",
    "/memory?user=ana&q=flight",
    "/health",
)
MARKUP = "script, iframe, style, meta, [onerror], [onclick], [onload], a[href^='javascript:'], img[src^='http']"


async def test_the_pages_keep_nobody_out_and_no_message_acts_on_them(studio: str, visit: Visit) -> None:
    async with visit(studio, theme="dark", language="es", width=390) as visitor:
        for path in PAGES:
            await visitor.open(path)
            assert await visitor.accessibility_problems() == [], path
            assert await visitor.overflow() == 0, path
            assert await visitor.page.locator("main").locator(MARKUP).count() == 0, path


async def test_a_person_sees_why_a_message_was_not_sent(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/threads/lisbon")
        await page.get_by_role("link", name="What the model saw").last.click()
        await page.get_by_text("Try another window").click()
        await page.get_by_label("Most messages").fill("2")
        await page.get_by_role("button", name="Show what would be sent").click()
        await expect(page.get_by_text("Left out: too many messages").first).to_be_visible()
        await expect(page.get_by_text("Only without this window").first).to_be_visible()
        await expect(page.get_by_text("Without this window:")).to_be_visible()


async def test_a_person_sees_why_a_memory_is_found_and_goes_to_its_turn(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/memory")
        await page.get_by_role("link", name="ana", exact=True).click()
        await page.get_by_label("What would be remembered for").fill("Which flight?")
        await page.get_by_role("button", name="Show").click()
        await page.get_by_text("why?").first.click()
        await expect(page.get_by_role("rowheader", name="It has the word “flight”").first).to_be_visible()
        await page.get_by_role("link", name="turn").first.click()
        await expect(page.locator("h1")).to_contain_text("Turn")
