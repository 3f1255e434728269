"""Every link and every form of the studio leads to a page of the studio."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

from recuerda import MemoryStorage
from recuerda.studio import create_studio
from tests.studio.client import ORIGIN, settings_of, studio_client
from tests.studio.seeded import seed

MOST_PAGES = 150


class Links(HTMLParser):
    """The addresses of a page: of its links, and of its forms with their methods."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.forms: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "form" and given.get("method") == "post":
            self.forms.append(given.get("action") or "")
        for name in ("href", "src", "data-live"):
            if (value := given.get(name)) is not None:
                self.links.append(value)


def kind_of(address: str) -> str:
    """Return an address without numbers and random ids, so that two pages of one kind are followed once."""
    return re.sub(r"\d+|(?<==)[\w-]{16}\b", "N", address)


async def test_every_link_and_form_of_a_page_leads_to_a_page() -> None:
    storage = MemoryStorage()
    await seed(storage)
    settings = settings_of(storage, allow_changes=True, recall_index=":memory:")
    routes = [route for route in create_studio(settings).routes if "POST" in (getattr(route, "methods", None) or ())]
    seen: set[str] = set()
    async with studio_client(settings) as client:
        waiting = ["/threads"]
        while waiting:
            address = waiting.pop(0)
            if kind_of(address) in seen or re.search(r"/live\b|[?&](lang|theme)=", address):
                continue
            seen.add(kind_of(address))
            assert len(seen) < MOST_PAGES, sorted(seen)
            answer = await client.get(address)
            if address == "/threads/rich/export":  # a thread with a damaged turn cannot be exported whole
                assert (answer.status_code, "turn 5" in answer.text) == (409, True)
                continue
            assert answer.status_code == 200, address
            if not answer.headers["content-type"].startswith("text/html"):
                continue
            page = Links(answer.text)
            inner = [urljoin(address, link).partition("#")[0] for link in page.links if "://" not in link]
            waiting += [link for link in inner if link.startswith("/")]
            for form in page.forms:
                path = urljoin(ORIGIN + address, form).removeprefix(ORIGIN).partition("?")[0]
                assert any(getattr(route, "path_regex").match(path) for route in routes), (address, form)  # noqa: B009
