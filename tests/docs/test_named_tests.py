"""The tests that the documentation names as proofs exist."""

from __future__ import annotations

import ast
import re

from tests.docs.pages import PAGES, ROOT, page_id

NAMED = re.compile(r"`(test_\w+)`")
FILES = re.compile(r"`(tests/[\w/]+\.py)`")


def functions() -> frozenset[str]:
    """Return the names of all tests, also of those that the package ships."""
    trees = [
        ast.parse(file.read_text(encoding="utf-8"))
        for folder in (ROOT / "tests", ROOT / "src" / "recuerda" / "testing")
        for file in folder.rglob("*.py")
    ]
    defined = (node for tree in trees for node in ast.walk(tree))
    return frozenset(node.name for node in defined if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


def test_some_pages_name_tests() -> None:
    assert any(NAMED.search(page.read_text(encoding="utf-8")) for page in PAGES)


def test_a_page_names_only_tests_that_exist() -> None:
    defined = functions()
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert set(NAMED.findall(text)) - defined == set(), page_id(page)
        assert [file for file in FILES.findall(text) if not (ROOT / file).is_file()] == [], page_id(page)
