"""The architecture page and CONTRIBUTING name only files that exist, and every package stands in the drawing."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "recuerda"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_]+/(?:[a-z_]+/)?[a-z_]*(?:\.py)?)`", PAGE)))


def test_the_page_names_files() -> None:
    assert len(NAMED) > 15


def test_every_file_that_the_page_names_exists() -> None:
    assert [name for name in NAMED if not (SOURCE / name).exists()] == []


def test_every_package_is_in_the_drawing() -> None:
    drawing = PAGE[PAGE.index("```text") : PAGE.index("```\n\nFour ideas")]
    packages = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("__", "py."))}
    assert packages - set(re.findall(r"\w+", drawing)) == set()


def test_contributing_names_the_packages() -> None:
    page = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    for package in ("cli", "server", "testing", "agent", "providers", "threads", "window", "_drivers"):
        assert f"`{package}`" in page, package
