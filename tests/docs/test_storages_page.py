"""What `docs/guides/storages.md` promises is tested: every cell of its table leads to tests that exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

from recuerda.storage.registry import URL_SCHEMES

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "guides" / "storages.md"
STORAGES = ["RAM", "JSON Lines", "SQLite", "Redis", "PostgreSQL", "Cosmos DB"]
NUMBERS = re.compile(r"\[(\d+(?:, \d+)*)\]")
NEEDS_NO_TEST = re.compile(r"no\b|ends with it$|.*not tested")


def rows_below(heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading, without its head."""
    section = PAGE.read_text(encoding="utf-8").partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in [lines[0], *lines[2:]]]


def named_tests() -> dict[int, tuple[str, Path]]:
    """Return the tests that the page names, by their numbers."""
    return {
        int(number): (test.strip("`"), ROOT / file.strip("`")) for number, test, file in rows_below("The tests")[1:]
    }


def numbers_in(cell: str) -> list[int]:
    return [int(number) for group in NUMBERS.findall(cell) for number in group.split(",")]


@cache
def functions_of(file: Path) -> set[str]:
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


def test_every_test_that_the_page_names_exists() -> None:
    for number, (test, file) in named_tests().items():
        assert file.is_relative_to(ROOT / "tests") or file.is_relative_to(ROOT / "src" / "recuerda" / "testing"), number
        assert test in functions_of(file), number


def test_every_promise_names_tests_or_says_that_there_are_none() -> None:
    head, *rows = rows_below("What each storage promises")
    assert head[1:] == STORAGES
    assert rows
    for promise, *cells in rows:
        assert len(cells) == len(STORAGES), promise
        for storage, cell in zip(STORAGES, cells, strict=True):
            assert numbers_in(cell) or NEEDS_NO_TEST.match(cell), f"{promise} of {storage}: {cell}"


def test_numbers_and_tests_belong_together() -> None:
    rows = rows_below("What each storage promises")[1:]
    used = {number for row in rows for cell in row for number in numbers_in(cell)}
    assert used == set(named_tests())
    assert sorted(used) == list(range(1, len(used) + 1))


def test_a_test_stands_for_the_storages_that_it_runs_on() -> None:
    own = {"redis": "Redis", "postgres": "PostgreSQL", "cosmos": "Cosmos DB", "sqlite": "SQLite", "file": "JSON Lines"}
    files = {number: file for number, (_, file) in named_tests().items()}
    for _, *cells in rows_below("What each storage promises")[1:]:
        for storage, cell in zip(STORAGES, cells, strict=True):
            for number in numbers_in(cell):
                part = files[number].parent.name
                name = part if part in own else files[number].stem.removeprefix("test_").split("_")[0]
                assert own.get(name, storage) == storage, f"{cell}: {files[number]}"


def test_every_storage_that_a_url_can_name_is_on_the_page() -> None:
    text = PAGE.read_text(encoding="utf-8")
    for scheme, target in URL_SCHEMES.items():
        assert f"`{scheme}:" in text or target.partition(":")[2] in text, scheme
