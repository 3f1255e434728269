"""Reading the code blocks of a page, and running those in Python.

A Python block with a title, such as ```python title="LangGraph", is another library's example: its kind is `theirs`.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
import io
import re
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCE = re.compile(
    r'^```(?P<kind>[\w-]*)(?: title="(?P<title>[^"\n]*)")?\n(?P<code>.*?)^```$', re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    kind: str
    code: str
    line: int
    follows: bool
    title: str = ""


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found: list[Block] = []
    end = 0
    for match in FENCE.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        kind = "theirs" if match["title"] else match["kind"]
        follows = not text[end : match.start()].strip()
        found.append(Block(kind, match["code"], line, follows=follows, title=match["title"] or ""))
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
