"""Test a built wheel, in an environment of its own and without the sources.

    python .ci/wheel_test.py [--all] dist/recuerda-1.2.3-py3-none-any.whl

The tests are copied to a folder that has no `src`, so that only the installed wheel can be imported. The short form
runs the tour and the tests that need no server, on any operating system. `--all` runs every test but those of the
repository itself (its documentation, its packaging); it needs Linux.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("tests", "bench", "docs", "requirements", "pyproject.toml", "README.md")
WITHOUT_SERVERS = ("tests/messages", "tests/offline", "tests/window")
OF_THE_REPOSITORY = ("tests/docs", "tests/bench", "tests/test_packaging.py")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("wheel", type=Path)
    arguments.add_argument("--all", action="store_true", dest="is_whole", help="run every test; needs Linux")
    given = arguments.parse_args()
    with tempfile.TemporaryDirectory(prefix="recuerda-wheel-") as folder:
        check(given.wheel.resolve(), Path(folder), is_whole=given.is_whole)


def check(wheel: Path, folder: Path, *, is_whole: bool) -> None:
    """Install the wheel and run the tests against it."""
    programs = install(wheel, folder / "venv")
    place = folder / "repository"
    place.mkdir()
    for name in COPIED:
        copy(ROOT / name, place / name)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": ""}
    tests = [f"--ignore={path}" for path in OF_THE_REPOSITORY] if is_whole else WITHOUT_SERVERS
    for command in (["recuerda", "tour"], ["python", "-m", "pytest", "-q", "-n", "auto", *tests]):
        print("+", *command, flush=True)
        program = shutil.which(command[0], path=str(programs))
        subprocess.run([str(program), *command[1:]], cwd=place, env=environment, check=True)


def install(wheel: Path, place: Path) -> Path:
    """Make an environment with the locked tools and the wheel; return the folder of its programs."""
    venv.create(place, with_pip=True)
    programs = place / ("Scripts" if sys.platform == "win32" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install", "-q"]
    lock = ROOT / "requirements" / "dev.txt"
    subprocess.run([*pip, "--require-hashes", "--no-deps", "-r", str(lock)], check=True)
    subprocess.run([*pip, "--no-deps", str(wheel)], check=True)
    return programs


def copy(source: Path, target: Path) -> None:
    """Copy a file, or a folder without what was installed or cached in it."""
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("node_modules", "__pycache__", "results"))
    else:
        shutil.copy2(source, target)


if __name__ == "__main__":
    main()
