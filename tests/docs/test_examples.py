"""Every code block of the documentation runs.

Python blocks of a page run in order, in one namespace and an empty folder; a block may await. A `text` block right
behind one is what it prints. Of shell blocks, `recuerda` lines run with a storage of their own, installation lines have
to name extras that exist, and `make` lines tasks that exist (CI runs those themselves). A line of words alone runs in a
forked process, which spares the start of an interpreter; any other line runs in a shell. Other libraries are run by
`peers.py`.
"""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest

from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import NewTurn
from tests.docs.offline_model import offline_model
from tests.docs.pages import PAGES, ROOT, blocks, page_id, run_python
from tests.forking import run_module
from tests.servers.postgres_server import postgres_url
from tests.servers.qdrant import open_no_stray_connection
from tests.servers.redis_search_server import redis_search_url
from tests.small_model import write_small_model

SHELL_SYNTAX = re.compile(r"[|<>$&;*?`~=]")
KNOWN_KINDS = {"python", "theirs", "text", "sh", "json", "sql", "toml"}
OF_OTHER_PROGRAMS = {"dockerfile", "ini", "nginx", "yaml"}
"""The kinds of files of other programs, on pages that have tests of their own."""

WITH_OTHER_FILES = ("serve-many-nodes.md", "observability.md")


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_python_of_a_page_runs_and_prints_what_it_says(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    if "REDIS_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("REDIS_URL", redis_search_url())
    if "POSTGRES_URL" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("POSTGRES_URL", postgres_url())
    if "MODEL_FOLDER" in page.read_text(encoding="utf-8"):
        monkeypatch.setenv("MODEL_FOLDER", str(write_small_model(tmp_path / "model")))
    if "AsyncMemory" in page.read_text(encoding="utf-8"):
        open_no_stray_connection()
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    model = offline_model(monkeypatch, tmp_path) if page.parent.name == "interop" else nullcontext()
    with model, asyncio.Runner() as runner:
        for block in blocks(page):
            if block.kind == "python":
                printed = run_python(block, page, namespace, runner)
            elif block.kind == "text" and block.follows and printed is not None:
                assert printed.strip() == block.code.strip(), f"{page.name}:{block.line}"
                printed = None
            elif block.kind == "theirs":
                printed = None


def test_every_block_of_a_page_says_what_it_is() -> None:
    for page in PAGES:
        kinds = {block.kind for block in blocks(page)}
        known = KNOWN_KINDS | OF_OTHER_PROGRAMS if page.name in WITH_OTHER_FILES else KNOWN_KINDS
        assert kinds <= known, page_id(page)


async def _begin(path: Path) -> None:
    async with SQLiteStorage(path, synchronous="NORMAL") as storage:
        await storage.append(
            "default", NewTurn(body=b'{"v":1,"messages":[{"role":"user","content":"Hi."}]}', message_count=1)
        )


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_shell_lines_of_a_page_work(page: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
    if any(block.kind == "sh" for block in blocks(page)):  # a page's reader has a storage already
        asyncio.run(_begin(tmp_path / "memory.db"))
        asyncio.run(_begin(tmp_path / "recuerda" / "memory.db"))
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for block in blocks(page):
        if block.kind != "sh":
            continue
        for line in block.code.replace("\\\n", " ").splitlines():
            words = shlex.split(line, comments=True)
            if not words:
                continue
            if words[0] == "pip":
                named = re.findall(r"\[(.*?)\]", line)
                assert all(extra in extras for names in named for extra in names.split(",")), line
            elif words[0] == "make":
                assert re.search(rf"^{words[1]}:", makefile, re.MULTILINE), line
            elif words[0] in ("git", "cd"):
                continue
            else:
                done = _run(line, words, tmp_path, environment)
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def _run(line: str, words: list[str], folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    if words[0] == "recuerda" and not SHELL_SYNTAX.search(line):
        return run_module("recuerda", *words[1:], folder=folder, environ=environment, timeout_s=50)
    return subprocess.run(
        ["sh", "-c", line], cwd=folder, env=environment, capture_output=True, text=True, timeout=50, check=False
    )


def test_pages_link_only_to_what_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"
