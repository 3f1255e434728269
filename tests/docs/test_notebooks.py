"""The notebooks run from top to bottom, in a kernel of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import cast

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "docs").rglob("*.ipynb"))


def notebook_id(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.timeout(120)
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::RuntimeWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=notebook_id)
def test_a_notebook_runs(path: Path, tmp_path: Path) -> None:
    read = cast("Callable[..., NotebookNode]", nbformat.read)
    notebook = read(path, as_version=4)
    # A cell that fails raises CellExecutionError.
    NotebookClient(
        notebook, timeout=60, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()


def test_a_notebook_is_committed_without_outputs() -> None:
    for path in NOTEBOOKS:
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        assert all(not cell.get("outputs") for cell in cells), notebook_id(path)


def test_the_story_is_told_in_both_languages() -> None:
    english, spanish = (
        json.loads((ROOT / "docs" / name).read_text(encoding="utf-8"))["cells"]
        for name in ("story.ipynb", "es/historia.ipynb")
    )
    assert [cell["cell_type"] for cell in english] == [cell["cell_type"] for cell in spanish]
