"""Links to a heading lead to one that is there."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs.pages import PAGES, page_id

CODE = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def text_of(page: Path) -> str:
    return CODE.sub("", page.read_text(encoding="utf-8"))


def anchors(page: Path) -> set[str]:
    """Return the names that GitHub and others give to a page's headings."""
    headings = re.findall(r"^#+ (.+)$", text_of(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


def test_some_links_lead_to_headings() -> None:
    assert sum(len(re.findall(r"\]\([^)]*#", text_of(page))) for page in PAGES) > 3


def lost_links(page: Path) -> list[str]:
    """Return the links of a page to headings that are not there."""
    links = re.findall(r"\]\((?!https?://)([^)#]*)#([^)]+)\)", text_of(page))
    return [
        f"{target}#{name}"
        for target, name in links
        if not name.startswith("recuerda.")  # a name of the reference, whose heading the site makes: its build looks
        and name not in anchors(page.parent / target if target else page)
    ]


def test_links_to_headings_lead_somewhere() -> None:
    assert {page_id(page): lost for page in PAGES if (lost := lost_links(page))} == {}
