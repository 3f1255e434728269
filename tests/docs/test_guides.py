"""Each name of the package stands in a guide: a reader finds it where it is used, not in the reference alone."""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, blocks
from tests.test_public_api import PUBLIC

GUIDES = ("guides", "concepts", "coming-from")


def words_of_the_guides() -> frozenset[str]:
    pages = [page for folder in GUIDES for page in (ROOT / "docs" / folder).glob("*.md")]
    return frozenset(word for page in pages for word in re.findall(r"\w+", page.read_text(encoding="utf-8")))


def test_every_public_name_stands_in_a_guide() -> None:
    assert set(PUBLIC) - words_of_the_guides() == set()


def test_every_guide_is_in_the_overview() -> None:
    overview = (ROOT / "docs" / "guides" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs" / "guides").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", overview)) == pages


def test_the_web_backend_is_as_short_as_its_page_says() -> None:
    (app,) = [block for block in blocks(ROOT / "docs/guides/web-backend.md") if block.code.startswith('"""app.py"""')]
    assert sum(bool(line.strip()) for line in app.code.splitlines()) < 120
