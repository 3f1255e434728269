"""A user's type checker knows the type of everything that the package shows, by pyright's own report."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def installed(folder: Path) -> Path:
    """Install the package's files into an environment of their own, beside ours, and return its scripts' folder.

    The report looks at installed packages only, and ours is linked from its sources.
    """
    venv.create(folder, with_pip=False)
    paths = {"base": str(folder), "platbase": str(folder)}
    packages = Path(sysconfig.get_path("purelib", "venv", paths))
    shutil.copytree(ROOT / "src" / "recuerda", packages / "recuerda", ignore=shutil.ignore_patterns("__pycache__"))
    (packages / "ours.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return Path(sysconfig.get_path("scripts", "venv", paths))


@pytest.mark.timeout(300)
def test_every_name_of_the_package_has_a_known_type(tmp_path: Path) -> None:
    scripts = installed(tmp_path / "environment")
    checker = Path(sys.executable).with_name("basedpyright")
    done = subprocess.run(
        [str(checker), "--verifytypes", "recuerda", "--ignoreexternal"],
        cwd=tmp_path,
        env={**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"Type completeness score: (\S+)", done.stdout)
    assert found, done.stdout + done.stderr
    unknown = [line for line in done.stdout.splitlines() if " error: " in line]
    assert (found[1], unknown) == ("100%", [])
