"""A person sees why a message was not sent, and why a memory is found."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.studio.browser.conftest import Visit

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]


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
