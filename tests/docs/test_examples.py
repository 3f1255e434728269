"""Every code block of the documentation runs.

Python blocks of a page run in order, in one namespace and an empty folder; a block may await. A `text` block right
behind one is what it prints. Of shell blocks, `recuerda` lines run with a storage of their own, installation lines have
to name extras that exist, and `make` lines tasks that exist (CI runs those themselves).
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import os
import re
import shlex
import subprocess
import sys
import tomllib
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.postgres_server import postgres_url
from tests.servers.redis_search_server import redis_search_url
from tests.small_model import write_small_model

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(r"^```(?P<kind>[\w-]*)\n(?P<code>.*?)^```$", re.MULTILINE | re.DOTALL)
KNOWN_KINDS = {"python", "text", "sh", "json", "sql", "toml"}


@dataclass(frozen=True)
class Block:
    kind: str
    code: str
    line: int
    follows: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        found.append(Block(match["kind"], match["code"], line, follows=not text[end : match.start()].strip()))
        end = match.end()
    return found


def page_id(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def run_python(block: Block, page: Path, namespace: dict[str, Any], runner: asyncio.Runner) -> str:
    source = "\n" * block.line + block.code
    flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
    code = compile(source, str(page), "exec", flags=flags, dont_inherit=True)  # without this file's __future__ imports
    printed = io.StringIO()
    with redirect_stdout(printed):
        if code.co_flags & inspect.CO_COROUTINE:
            runner.run(eval(code, namespace))
        else:
            exec(code, namespace)
    return printed.getvalue()


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
    namespace: dict[str, Any] = {"__name__": "__main__"}
    printed = None
    with asyncio.Runner() as runner:
        for block in blocks(page):
            if block.kind == "python":
                printed = run_python(block, page, namespace, runner)
            elif block.kind == "text" and block.follows and printed is not None:
                assert printed.strip() == block.code.strip(), f"{page.name}:{block.line}"
                printed = None


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_every_block_of_a_page_says_what_it_is(page: Path) -> None:
    assert {block.kind for block in blocks(page)} <= KNOWN_KINDS


@pytest.mark.parametrize("page", PAGES, ids=page_id)
def test_the_shell_lines_of_a_page_work(page: Path, tmp_path: Path) -> None:
    environment = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "XDG_DATA_HOME": str(tmp_path),
    }
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
                done = subprocess.run(
                    ["sh", "-c", line],
                    cwd=tmp_path,
                    env=environment,
                    capture_output=True,
                    text=True,
                    timeout=50,
                    check=False,
                )
                assert done.returncode == 0, f"{line}\n{done.stdout}\n{done.stderr}"


def test_pages_link_only_to_what_is_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#|mailto:)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page_id(page)} links to {target}"
