"""The pages for people who come from another library compare it fairly, and by examples that run.

Our side of each page runs in `test_examples.py`, theirs in `peers.py`, which needs the other libraries.
"""

from __future__ import annotations

import re

from tests.docs.pages import ROOT, blocks, page_id

PAGES = sorted((ROOT / "docs" / "coming-from").glob("[!i]*.md"))
LOCKS = [(ROOT / "requirements" / name).read_text("utf-8") for name in ("peers.txt", "peers-betas.txt")]
PACKAGES = {
    "Agent Framework": "agent-framework-core",
    "LangGraph": "langgraph",
    "Mem0": "mem0ai",
    "OpenAI Agents SDK": "openai-agents",
    "Pydantic AI": "pydantic-ai-slim",
}


def library(title: str) -> str:
    """Return the library whose example a block is; such a block may import recuerda as well."""
    return title.removesuffix(" (beta)").removesuffix(" and recuerda")


def test_a_page_shows_both_sides_one_after_the_other() -> None:
    for page in PAGES:
        kinds = [block.kind for block in blocks(page) if block.kind in ("theirs", "python")]
        assert kinds[:2] == ["theirs", "python"], page_id(page)


def test_every_block_of_theirs_names_a_library_at_a_locked_version() -> None:
    for block in (block for page in PAGES for block in blocks(page) if block.kind == "theirs"):
        lock = LOCKS[block.title.endswith("(beta)")]
        assert re.search(rf"^{PACKAGES[library(block.title)]}==", lock, re.MULTILINE), block.title


def test_a_page_has_the_words_the_differences_with_tests_and_reasons_to_stay() -> None:
    for page in PAGES:
        text = page.read_text("utf-8")
        headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
        assert {"Words", "What differs"} <= set(headings), page_id(page)
        assert headings[-1].startswith("When to stay with "), page_id(page)
        assert re.search(r"`test_\w+`", text), page_id(page)
