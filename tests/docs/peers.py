"""The other libraries' examples in `docs/coming-from/` run against these libraries themselves.

`make peers` runs this file in environments of its own, which have the libraries from PyPI at locked versions; its name
keeps it out of `make test`. A Python block with a title, such as ```python title="LangGraph", is another library's; the
blocks of a page run in order, in one namespace and an empty folder. A `text` block right behind one is what it prints.
The libraries reach a model on this machine: recuerda's offline stand-in behind OpenAI's interfaces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from tests.docs.offline_model import offline_model
from tests.docs.pages import ROOT, Block, blocks, page_id, run_python

PAGES = sorted((ROOT / "docs" / "coming-from").glob("*.md"))
IS_BETA = "b" in version("agent-framework-core")
"""A beta of Agent Framework cannot be installed beside today's: it has an environment with nothing else."""


@pytest.fixture(autouse=True)
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.chdir(tmp_path)
    with offline_model(monkeypatch, tmp_path):
        yield


def is_theirs(block: Block) -> bool:
    return block.kind == "theirs" and block.title.endswith("(beta)") == IS_BETA


@pytest.mark.parametrize("page", [page for page in PAGES if any(map(is_theirs, blocks(page)))], ids=page_id)
def test_their_side_of_a_page_runs_and_prints_what_it_says(page: Path) -> None:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    with asyncio.Runner() as runner:
        for block in blocks(page):
            if is_theirs(block):
                printed = run_python(block, page, namespace, runner)
            elif block.kind == "text" and block.follows and printed is not None:
                assert printed.strip() == block.code.strip(), f"{page.name}:{block.line}"
                printed = None
            else:
                printed = None
