"""What is promised about the package as a whole: its weight, its extras, and the files that are kept in git."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
EXTRAS: dict[str, list[str]] = PROJECT["optional-dependencies"]

# Put together here, so that this file doesn't contain what it forbids.
REGISTRY_HOSTS = ["pypi" + ".org", "pythonhosted" + ".org", "npmjs" + ".org", "npmjs" + ".com", "yarnpkg" + ".com"]
MACHINE_PATHS = ["/" + "work/", "/" + "root/", "/" + "home/", "/" + "Users/", "/" + "opt/", "/" + "tmp/bash"]


def kept_files() -> list[Path]:
    """List what is in git; outside of a checkout, as in an unpacked sdist, there is nothing to check."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git checkout")
    listing = subprocess.run([git, "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True).stdout
    return [path for name in listing.decode().split("\0") if name and (path := ROOT / name).is_file()]


def texts() -> list[tuple[Path, str]]:
    """Read every kept file; an image's bytes are read as well, for a path may hide in its metadata."""
    return [(path.relative_to(ROOT), path.read_bytes().decode(errors="replace")) for path in kept_files()]


def names(requirements: list[str]) -> set[str]:
    return {re.split(r"[^\w.-]", requirement, maxsplit=1)[0] for requirement in requirements}


def python(code: str) -> list[str]:
    """Run `code` in a fresh interpreter and return the words that it prints."""
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=30)
    return run.stdout.split()


def pins(lock: str) -> set[str]:
    text = (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8")
    return set(re.findall(r"^[\w.-]+==[^\s;]+", text, re.MULTILINE))


def test_the_core_requires_msgspec_and_the_stems_of_recall() -> None:
    assert names(PROJECT["dependencies"]) == {"docstring-parser", "msgspec", "snowballstemmer"}


def listed(extra: str) -> set[str]:
    """Return the extras that an extra names."""
    (everything,) = EXTRAS[extra]
    found = re.fullmatch(r"recuerda\[([\w,-]+)\]", everything)
    assert found is not None
    return set(found[1].split(","))


APART = {"crewai"}
"""The extras of frameworks that cannot be installed beside the others."""


def test_all_contains_every_extra_but_the_frameworks() -> None:
    assert listed("all") | listed("interop") | APART == EXTRAS.keys() - {"all", "interop"}
    assert listed("all").isdisjoint(listed("interop"))


def test_the_first_pages_list_every_extra_of_all() -> None:
    for page in ("get-started.md", "es/primeros-pasos.md"):
        rows = re.findall(r"^\| `([\w-]+)` \|", (ROOT / "docs" / page).read_text(encoding="utf-8"), re.MULTILINE)
        assert set(rows) == listed("all") | {"all"}, page


def test_interop_contains_the_extra_of_every_adapter() -> None:
    packages = {path.parent.name for path in (ROOT / "src/recuerda/interop").glob("*/__init__.py")}
    assert packages <= {name.replace("-", "_") for name in listed("interop") | APART}


def test_every_requirement_of_an_extra_has_a_lower_and_an_upper_bound() -> None:
    requirements = [one for extra in EXTRAS.keys() - {"all", "interop"} for one in EXTRAS[extra]]
    assert [one for one in requirements if not (">=" in one and "<" in one)] == []


def test_importing_recuerda_loads_nothing_from_outside_but_msgspec() -> None:
    loaded = python(
        "import sys, msgspec\n"  # which loads typing_extensions where it finds it
        "before = set(sys.modules)\n"
        "import recuerda\n"
        "new = {name.split('.')[0] for name in set(sys.modules) - before}\n"
        "print(*sorted(new - sys.stdlib_module_names))\n"
    )
    assert loaded == ["recuerda"]


def test_importing_recuerda_loads_no_technology_and_no_surface() -> None:
    heavy = {"sqlite3", "recuerda.sqlite", "recuerda.openai", "recuerda.cli", "recuerda.web", "recuerda.testing"}
    loaded = python("import sys, recuerda; print(*sys.modules)")
    assert heavy.isdisjoint(loaded)


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "src/recuerda/py.typed").read_bytes() == b""


def test_no_kept_file_names_a_registry_or_a_machine() -> None:
    # A path may follow a dot or a name (`./work/`, `docs/work/`): only an absolute one belongs to a machine.
    hosts, folders = ("|".join(map(re.escape, words)) for words in (REGISTRY_HOSTS, MACHINE_PATHS))
    forbidden = re.compile(rf"{hosts}|(?<![\w.}}-])(?:{folders})")
    assert [f"{path}: {found[0]}" for path, text in texts() if (found := forbidden.search(text))] == []


@pytest.mark.parametrize("lock", ["tour", "dev"])
def test_every_locked_requirement_has_a_hash(lock: str) -> None:
    entries = re.split(r"\n(?=\S)", (ROOT / f"requirements/{lock}.txt").read_text(encoding="utf-8"))
    assert [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry] == []


def test_the_tour_is_locked_to_the_versions_that_are_tested() -> None:
    assert pins("tour")
    assert pins("tour") <= pins("dev")
