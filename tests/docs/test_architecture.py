"""The architecture page and CONTRIBUTING name only files that exist, and every package stands in the drawing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "recuerda"
PAGE = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`([a-z_]+/(?:[a-z_]+/)?[a-z_]*(?:\.py)?)`", PAGE)))


def test_the_page_names_files() -> None:
    assert len(NAMED) > 15


@pytest.mark.parametrize("name", NAMED)
def test_a_file_that_the_page_names_exists(name: str) -> None:
    assert (SOURCE / name).exists()


def test_every_package_is_in_the_drawing() -> None:
    drawing = PAGE[PAGE.index("```text") : PAGE.index("```\n\nFour ideas")]
    packages = {path.stem for path in SOURCE.iterdir() if not path.name.startswith(("__", "py."))}
    assert packages - set(re.findall(r"\w+", drawing)) == set()


@pytest.mark.parametrize("package", ["cli", "server", "testing", "agent", "providers", "threads", "window", "_drivers"])
def test_contributing_names_the_package(package: str) -> None:
    assert f"`{package}`" in (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
