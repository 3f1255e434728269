"""The page on observability, as the tests read it."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = (Path(__file__).parents[2] / "docs" / "observability.md").read_text(encoding="utf-8")
DOTTED = re.compile(r"[a-z]+(?:[._][a-z_]+)*\.[a-z_.]+")
"""The names of attributes and metrics, which have dots; the names of spans have none."""


def table(heading: str) -> set[str]:
    """Return the names in the first column of the tables below a heading."""
    section = PAGE[PAGE.index(f"\n{heading}\n") + len(heading) :].split("\n## ")[0]
    cells = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for cell in cells for name in re.findall(r"`([^`]+)`", cell)}
