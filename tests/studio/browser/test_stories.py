"""What a person does in the studio, from the first click to the last, in a real browser."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path

import pytest
from playwright.async_api import Locator, Page, expect

from recuerda import ChatMessage, ChatMessageStore, ChatRequest, FunctionTool, MemoryStorage, Storage, TextContent
from recuerda.agent import ChatUpdate
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.studio.browser.conftest import Visit, studio_of

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(300)]

ANOTHER_PROCESS = """
import asyncio, sys
from recuerda import ChatMessage, ChatMessageStore, open_storage

async def main(url, thread_id):
    async with open_storage(url) as storage:
        store = ChatMessageStore(storage=storage, thread_id=thread_id)
        await store.add_messages([ChatMessage("user", "One more thing."), ChatMessage("assistant", "Gladly.")])

asyncio.run(main(*sys.argv[1:]))
"""


async def test_a_person_finds_a_thread_by_what_was_said_in_it(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await page.get_by_label("Search").fill("window seats")
        await page.get_by_label("User").fill("ana")
        await page.get_by_role("button", name="Filter").click()
        await page.get_by_role("link", name="I only fly after nine").first.click()
        await expect(page.get_by_text("I will remember both.")).to_be_visible()
        await page.get_by_role("link", name="Turn 1").click()
        await expect(page.get_by_role("heading", name="Turn 1", level=1)).to_be_visible()


async def test_the_keyboard_reaches_a_thread_and_opens_its_parts(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        await page.keyboard.press("Escape")
        await expect(page.get_by_role("dialog")).not_to_be_visible()
        await page.keyboard.press("/")
        await expect(page.get_by_label("Search")).to_be_focused()
        await page.keyboard.type("Lisbon")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**q=Lisbon**")
        await page.keyboard.press("j")
        await page.keyboard.press("Enter")
        await expect(page.get_by_role("heading", name="A weekend in Lisbon")).to_be_visible()
        await page.locator(".call > summary").first.focus()
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("IB3106").first).to_be_visible()


async def test_a_key_works_at_once_when_the_help_has_closed(studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await page.keyboard.press("?")
        await expect(page.get_by_role("dialog")).to_be_visible()
        # The browser draws nothing between the two, so the box in the help still has the focus.
        target = await page.evaluate(
            """() => {
                document.getElementById("keys").close();
                const target = document.activeElement;
                target.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true, cancelable: true }));
                return target.localName;
            }"""
        )
        assert target == "input"
        await expect(page.get_by_label("Search")).to_be_focused()


async def test_a_turn_of_another_process_appears(storage: Storage, studio: str, visit: Visit) -> None:
    assert isinstance(storage, SQLiteStorage)
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/threads/ferry")
        await expect(page.locator(".live-on")).to_be_visible()
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", ANOTHER_PROCESS, f"sqlite:///{storage.path}", "ferry"
        )
        assert await process.wait() == 0
        await expect(page.get_by_text("Gladly.")).to_be_visible()
        await expect(page.get_by_role("status")).to_have_text("A turn was added.")
        assert await page.locator(".turn").count() == 2


async def test_earlier_turns_come_while_a_person_scrolls_and_the_text_stays(
    storage: Storage, studio: str, visit: Visit
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="long")
    for number in range(1, 121):
        await store.add_messages([ChatMessage("user", f"Question {number}"), ChatMessage("assistant", "Answer. " * 40)])
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/threads/long")
        await expect(page.get_by_text("Question 120", exact=True)).to_be_in_viewport()
        while (shown := await page.locator(".turn").count()) < 120:
            await page.evaluate("window.scrollTo(0, 0)")
            await expect(page.locator(".turn")).not_to_have_count(shown)
            assert await page.evaluate("window.scrollY") > 0
        numbers = await page.locator(".turn").evaluate_all("all => all.map((one) => one.id)")
        assert numbers == [f"turn-{number}" for number in range(1, 121)]


async def test_a_person_allows_a_payment_with_the_keyboard_alone(storage: Storage, studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/inbox")
        await page.keyboard.press("j")
        await expect(page.get_by_role("link", name="booking")).to_be_focused()
        await press_until(page, "Tab", page.get_by_role("button", name="Allow"))
        await page.keyboard.press("Enter")
        await expect(page.get_by_text("Everything is decided.")).to_be_visible()
        draft = await storage.load_draft("booking")
        assert draft is not None
        assert len(draft.steps) == 2


async def test_a_person_forks_a_thread_and_compares_the_two(storage: Storage, studio: str, visit: Visit) -> None:
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/threads/lisbon/fork?through=2")
        await page.get_by_role("button", name="Make the fork").click()
        await expect(page.get_by_role("link", name="Compare")).to_be_visible()
        await page.get_by_role("link", name="Compare").click()
        await expect(page.get_by_role("heading", name="Turn 3")).to_be_visible()
        assert await page.get_by_role("heading", name="Turn 1").count() == 0
        assert await visitor.accessibility_problems() == []


class GatedClient(ScriptedChatClient):
    """A model that says one word, and the rest when a test lets it."""

    def __init__(self, answers: Sequence[str | ChatMessage]) -> None:
        super().__init__(answers)
        self.may_go_on = asyncio.Event()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
        async for update in super().stream(request):
            yield update
            if any(isinstance(part, TextContent) for part in update.contents):
                await self.may_go_on.wait()


def pay(euros: int) -> str:
    """Pay."""
    return f"{euros} paid"


async def test_a_person_talks_to_an_agent_allows_a_call_and_stops_an_answer(visit: Visit) -> None:
    storage = MemoryStorage()
    client = GatedClient(["The sea is calm.", call("pay", {"euros": 9}), "It is paid.", "Wait a moment."])
    agent = client.create_agent("Clerk", storage=storage, tools=[FunctionTool.of(pay, needs_approval=True)])
    async with studio_of(storage, agent=agent, acting_as="eva") as url, visit(url) as visitor:
        page = visitor.page
        await visitor.open("/chat")
        await page.get_by_role("button", name="New chat").click()
        await page.wait_for_url("**/chat/*")  # before that, the form is sent without a script
        message, run = page.get_by_label("Message"), page.get_by_role("log")
        await message.fill("How is the sea?")
        await page.get_by_role("button", name="Send").click()
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        client.may_go_on.set()
        await expect(page.locator("#turn-1").get_by_text("The sea is calm.")).to_be_visible()
        await message.fill("Pay.")
        await message.press("Control+Enter")
        await page.get_by_role("button", name="Allow").click()
        await expect(page.locator("#turn-2").get_by_text("It is paid.")).to_be_visible()
        assert await visitor.accessibility_problems() == []
        client.may_go_on.clear()
        await message.fill("And then?")
        await message.press("Control+Enter")
        await expect(run.get_by_text("And then?")).to_be_visible()
        await page.get_by_role("button", name="Stop").click()
        await expect(page.locator("#turn-3").get_by_text("Wait")).to_be_visible()
        await page.get_by_role("link", name="What the model saw").first.click()
        await expect(page.get_by_text("How is the sea?").first).to_be_visible()


async def test_a_person_forgets_a_memory_and_finds_no_trace(
    storage: Storage, studio: str, visit: Visit, tmp_path: Path
) -> None:
    def files_with(text: bytes) -> list[str]:
        return [file.name for file in tmp_path.iterdir() if text in file.read_bytes()]

    assert files_with(b"I only fly after nine")
    async with visit(studio) as visitor:
        page = visitor.page
        await visitor.open("/memory?user=ana&q=window+seats")
        memory = page.locator(".message", has_text="I only fly after nine")
        await memory.get_by_role("link", name="Forget this turn").first.click()
        await page.get_by_role("button", name="Forget these memories").click()
        await visitor.open("/memory?user=ana&q=window+seats")
        await expect(page.get_by_role("heading", name="What is found")).to_be_visible()
        assert await page.get_by_text("I only fly after nine").count() == 0
        # The thread keeps what was said in it, until it is deleted too.
        await visitor.open("/threads/porto-2025")
        await page.get_by_text("Change", exact=True).click()
        await page.get_by_role("link", name="Delete the thread").click()
        await page.get_by_role("button", name="Delete the thread").click()
        await expect(page.get_by_role("heading", name="Threads")).to_be_visible()
        for path in ("/memory?user=ana", "/threads?q=window+seats&user=ana", "/threads"):
            await visitor.open(path)
            assert await page.get_by_text("I only fly after nine").count() == 0
        assert await storage.head("porto-2025") is None
    assert files_with(b"When does the ferry")  # the files are the right ones, and hold their text as it is
    async with asyncio.timeout(10):
        while files_with(b"I only fly after nine"):  # noqa: ASYNC110 - a file is cleaned once a second at most
            await asyncio.sleep(0.05)
    assert files_with(b"I only fly after nine") == []


async def test_a_person_without_scripts_reads_earlier_turns_and_decides(
    storage: Storage, studio: str, visit: Visit
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="long")
    for number in range(1, 61):
        await store.add_messages([ChatMessage("user", f"Question {number}"), ChatMessage("assistant", "Answer.")])
    async with visit(studio, has_scripts=False) as visitor:
        page = visitor.page
        await visitor.open("/threads/long")
        await page.get_by_role("link", name="Earlier turns").click()
        await expect(page.get_by_text("Question 20", exact=True)).to_be_visible()
        await visitor.open("/inbox")
        await page.get_by_text("Refuse", exact=True).first.click()
        await page.get_by_label("Reason (may be empty)").fill("Too expensive.")
        await page.get_by_role("button", name="Refuse").last.click()
        await expect(page.get_by_text("Too expensive.")).to_be_visible()


async def press_until(page: Page, key: str, wanted: Locator) -> None:
    """Press a key until something has the focus."""
    for _ in range(40):
        if await wanted.evaluate("(one) => one === document.activeElement"):
            return
        await page.keyboard.press(key)
    raise AssertionError("the focus never came there")
