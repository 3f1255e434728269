"""The documentation site builds without a warning, has every public name, and asks no other host for anything."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pytest

from tests.test_public_api import HOMES, PUBLIC

ROOT = Path(__file__).parents[2]
PAGES = sorted((ROOT / "docs").rglob("*.md"))
SOURCES = ("docs", "src", "zensical.toml", "CHANGELOG.md")
LOADED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?\b(?:src|href)=\"?((?:https?:)?//[^\"> ]+)")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Build the site in a copy, as `make site` does, and return its folder and what the build said."""
    copy = tmp_path_factory.mktemp("site")
    for name in SOURCES:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, copy / name)
    command = [str(Path(sys.executable).with_name("zensical")), "build", "--strict"]
    done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return copy / "build" / "site", done.stdout + done.stderr


def names_in(inventory: Path) -> set[str]:
    """Return the names of a site's inventory: four lines of text, then one compressed line a name."""
    listing = zlib.decompress(inventory.read_bytes().split(b"\n", 4)[4]).decode()
    return {line.split(" ", 1)[0] for line in listing.splitlines()}


@pytest.mark.timeout(180)
def test_the_site_builds_without_a_warning(build: tuple[Path, str]) -> None:
    _, said = build
    assert "No issues found" in said
    assert [line for line in said.splitlines() if "warn" in line.lower() or line.startswith("griffe")] == []


@pytest.mark.timeout(180)
def test_every_public_name_is_in_the_reference(build: tuple[Path, str]) -> None:
    site, _ = build
    public = {f"recuerda.{name}" for name in PUBLIC}
    public |= {f"{package}.{name}" for package, names in HOMES.items() for name in names}
    assert public - names_in(site / "objects.inv") == set()


@pytest.mark.timeout(180)
def test_a_page_loads_nothing_from_another_host(build: tuple[Path, str]) -> None:
    site, _ = build
    pages = {page.relative_to(site).as_posix(): page.read_text(encoding="utf-8") for page in site.rglob("*.html")}
    assert len(pages) > len(PAGES)  # and the page that says that there is none
    assert {name: found for name, text in pages.items() if (found := LOADED.findall(text))} == {}


def targets(entries: list[object]) -> Iterator[str]:
    """Return the pages of a navigation: each entry is a page, or a title with a page or entries of its own."""
    for entry in entries:
        for value in cast("dict[str, object]", entry).values() if isinstance(entry, dict) else [entry]:
            if isinstance(value, list):
                yield from targets(cast("list[object]", value))
            else:
                yield str(value)


def test_every_page_is_in_the_navigation_once() -> None:
    settings = tomllib.loads((ROOT / "zensical.toml").read_text(encoding="utf-8"))
    assert sorted(targets(settings["project"]["nav"])) == sorted(
        page.relative_to(ROOT / "docs").as_posix() for page in PAGES
    )


def test_every_page_of_the_reference_is_in_its_overview() -> None:
    overview = (ROOT / "docs" / "reference" / "index.md").read_text(encoding="utf-8")
    pages = {page.name for page in (ROOT / "docs" / "reference").glob("*.md")} - {"index.md"}
    assert set(re.findall(r"\]\(([\w-]+\.md)\)", overview)) == pages
