"""The pages of the studio on a storage with a million threads, and on a thread with 100,000 messages.

`python -m bench.studio` prints the time of the first view, in a studio that has rendered nothing yet, and of each click
after it: from the request to the last byte of the answer, without a network and without a browser. Then it does in a
Chromium what a reader of the long thread does, and prints the time until the text is there.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
import time
from pathlib import Path
from statistics import median

import httpx2
from playwright.async_api import Page

from bench.listing import fill_postgres, fill_sqlite
from recuerda import NewTurn, Storage, open_storage
from recuerda.studio import StudioSettings, create_studio
from tests.servers.browser import find_chromium, running_browser
from tests.servers.postgres_server import PostgresServer
from tests.studio.browser.serving import studio_of
from tests.studio.client import TOKEN as TOKEN_OF_THE_TESTS

TOKEN = "the token of a benchmark"
USERS = 10_000
BODY = b'{"messages":[{"role":"user","content":"%s"},{"role":"assistant","content":"%s"}]}' % (
    b"word " * 60,
    b"so " * 100,
)

CLICKS = {
    "the next page": "/threads?cursor={cursor}",
    "the threads of a user": "/threads?user=user-77",
    "words of a title, with a user": "/threads?user=user-77&q=porto",
    "words of a title, of all users": "/threads?q=porto",
    "words that no title has": "/threads?q=no+such+words",
    "a tag and metadata": "/threads?tag=work&metadata=channel%3Dapp",
    "unfinished turns": "/threads?state=unfinished",
    "damaged threads": "/threads?state=damaged",
    "a day": "/threads?since=1970-01-01&until=1970-01-01",
    "archived threads": "/threads?archived=only",
    "a long thread": "/threads/long",
    "its middle": "/threads/long?before=25000",
    "its first turns": "/threads/long?from=1",
    "from a turn on": "/threads/long?from=25000",
    "one of its turns": "/threads/long/turns/123",
    "its forks": "/threads/long/branches",
    "what the model saw with a turn": "/threads/long/turns/25000/seen?max_messages=50",
    "what it would see now": "/threads/long/seen?max_tokens=8000",
    "the health of the storage": "/health",
}
"""The addresses of the clicks by their names."""


async def measure_studio(storage: Storage, *, rounds: int) -> dict[str, float]:
    """Return the milliseconds of the first view and of each click, the median of some rounds."""
    app = create_studio(StudioSettings(storage=storage, token=TOKEN))
    transport = httpx2.ASGITransport(app)
    headers = {"authorization": f"Bearer {TOKEN}"}
    async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1", headers=headers) as client:
        found = {"the first view": await _timed(client, "/threads")}
        listed = await client.get("/api/threads")
        cursor = listed.json()["next_href"].partition("cursor=")[2]
        for name, path in CLICKS.items():
            found[name] = median([await _timed(client, path.format(cursor=cursor)) for _ in range(rounds)])
    return found


async def _timed(client: httpx2.AsyncClient, path: str) -> float:
    started = time.perf_counter()
    answer = await client.get(path)
    taken = time.perf_counter() - started
    assert answer.status_code == 200, (path, answer.text[-500:])
    return taken * 1000


async def measure_reading(storage: Storage, *, rounds: int) -> dict[str, float]:
    """Return the milliseconds until a browser shows what a reader of the long thread asks for: the medians."""
    info = await storage.head("long")
    middle = info.revision // 2 if info else 1
    found: dict[str, list[float]] = {}
    async with studio_of(storage) as url, running_browser(find_chromium()) as browser:
        page = await browser.new_page(viewport={"width": 1280, "height": 900})
        await page.goto(f"{url}/?token={TOKEN_OF_THE_TESTS}")
        for _ in range(rounds + 1):
            steps = {
                "open the list of threads": _listed(page, f"{url}/threads"),
                "click on the next page": _clicked(page, "a[rel=next]"),
                "click on the health": _clicked(page, ".rooms a[href='/health']"),
                "open the long thread": _opened(page, f"{url}/threads/long"),
                "scroll up a page": _scrolled(page),
                "jump to a turn": _jumped(page, middle),
                "scroll up a page from there": _scrolled(page),
            }
            for name, step in steps.items():
                started = time.perf_counter()
                painted = await step
                found.setdefault(name, []).append(painted or (time.perf_counter() - started) * 1000)
    return {
        f"browser: {name}": median(times[1:]) for name, times in found.items()
    }  # the first round starts the browser


_SCROLL_UP = "first => { window.scrollTo(0, 0); return document.querySelector('.turn').dataset.key !== first; }"


# Each waits in the page itself, frame by frame: what Playwright expects is looked at every 100 ms or later.
_IN_VIEW = """selector => {
    const found = [...document.querySelectorAll(selector)].at(-1);
    const box = found?.getBoundingClientRect();
    return Boolean(box && box.bottom > 0 && box.top < window.innerHeight);
}"""
_CLICK = """selector => {
    window.name = performance.timeOrigin + performance.now();
    document.querySelector(selector).click();
}"""
_PAINTED = """async () => {
    const clicked = Number(window.name);
    const [paint] = performance.getEntriesByName('first-contentful-paint');
    return paint && performance.timeOrigin > clicked ? performance.timeOrigin + paint.startTime - clicked : 0;
}"""


async def _listed(page: Page, url: str) -> None:
    await page.goto(url, wait_until="commit")
    await page.wait_for_function(_IN_VIEW, arg="tbody tr:first-child")


async def _clicked(page: Page, selector: str) -> float:
    """Click on a link, and return the milliseconds until its page is painted, by the browser's own clock."""
    await page.evaluate(_CLICK, selector)
    painted = await page.wait_for_function(_PAINTED)
    return float(await painted.json_value())


async def _opened(page: Page, url: str) -> None:
    await page.goto(url, wait_until="commit")
    await page.wait_for_function(_IN_VIEW, arg=".turn")


async def _scrolled(page: Page) -> None:
    first = await page.locator(".turn").first.get_attribute("data-key")
    await page.wait_for_function(_SCROLL_UP, arg=first)


async def _jumped(page: Page, number: int) -> float:
    await page.locator("[data-jump]").fill(str(number))
    taken = await _clicked(page, ".jump button")
    await page.wait_for_function(_IN_VIEW, arg=f"#turn-{number}")
    return taken


async def _fill(storage: Storage, messages: int) -> None:
    """Write the long thread, unless it is there."""
    if await storage.head("long") is None:
        await storage.append_all("long", [NewTurn(body=BODY, message_count=2) for _ in range(messages // 2)])


async def _on_sqlite(folder: Path, options: argparse.Namespace) -> dict[str, float]:
    path = folder / "studio.db"
    url = f"sqlite:///{path.as_posix()}"
    if not path.exists():
        async with open_storage(url) as storage:
            await storage.list_threads()  # makes the tables
            fill_sqlite(path, options.threads, USERS)
            await _fill(storage, options.messages)
    async with open_storage(url) as storage:
        clicks = await measure_studio(storage, rounds=options.rounds)
        return clicks | await measure_reading(storage, rounds=options.rounds)


async def _on_postgres(options: argparse.Namespace) -> dict[str, float]:
    server = PostgresServer()
    try:
        async with open_storage(server.url) as storage:
            await storage.list_threads()
            await fill_postgres(server.url, options.threads, USERS)
            await _fill(storage, options.messages)
        async with open_storage(server.url) as storage:
            clicks = await measure_studio(storage, rounds=options.rounds)
            return clicks | await measure_reading(storage, rounds=options.rounds)
    finally:
        server.stop()


async def _main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="recuerda-bench-") as folder:
        sqlite = await _on_sqlite(Path(options.dir or folder), options)
    postgres = await _on_postgres(options)
    print(f"{options.threads:,} threads, {options.messages:,} messages; milliseconds\n")
    print(f"{'':34}{'SQLite':>10}{'PostgreSQL':>12}")
    for name, taken in sqlite.items():
        print(f"{name:34}{taken:10.0f}{postgres[name]:12.0f}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1_000_000)
    parser.add_argument("--messages", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dir", help="keep the SQLite file in this folder, and use it again")
    asyncio.run(_main(parser.parse_args()))
