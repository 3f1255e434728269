"""Real Sentinels that watch a primary and its replica, for tests of a failover."""

from __future__ import annotations

import atexit
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any, cast

import redis

from tests.servers.redis_server import START_S, RedisServer, free_port, redis_8

SERVICE = "threads"
CONFIGURATION = """
port {port}
bind 127.0.0.1
dir {folder}
sentinel monitor {service} 127.0.0.1 {primary} {quorum}
sentinel down-after-milliseconds {service} 300
sentinel failover-timeout {service} 1000
"""


class Sentinels:
    """Sentinels that watch one primary. They find its replicas by themselves.

    Args:
        primary: what they watch at first.
        count: the number of Sentinels; more than half of them must agree.
        password: the password of the Sentinels themselves.
    """

    def __init__(self, primary: RedisServer, *, count: int = 1, password: str = "") -> None:
        self._password = password
        self.ports = [free_port() for _ in range(count)]
        self._folders: list[Path] = []
        self._processes: list[subprocess.Popen[bytes]] = []
        atexit.register(self.stop)
        for port in self.ports:
            self._start(port, primary.port, count // 2 + 1)

    @property
    def members(self) -> str:
        """Host and port of each, as in a URL."""
        return ",".join(f"127.0.0.1:{port}" for port in self.ports)

    @property
    def url(self) -> str:
        """A URL that names them."""
        return f"redis+sentinel://{self.members}/{SERVICE}"

    def primary_port(self) -> int:
        """Return the port of the server that the first of them takes for the primary."""
        return int(self._ask("SENTINEL MASTER", SERVICE)["port"])

    def wait_for_replicas(self, count: int = 1) -> None:
        """Return when the first of them knows as many good replicas, and all other Sentinels."""
        self._wait_for("num-slaves", count)
        self._wait_for("num-other-sentinels", len(self.ports) - 1)

    def fail_over(self) -> None:
        """Let them make the replica the primary, and return when they have."""
        before = self.primary_port()
        deadline = time.monotonic() + START_S
        while not self._has_begun() and time.monotonic() < deadline:
            time.sleep(0.02)
        self.wait_for_another_primary(before)

    def wait_for_another_primary(self, before: int) -> None:
        """Return when they name another primary than before."""
        deadline = time.monotonic() + 20
        while self.primary_port() == before:
            if time.monotonic() > deadline:
                raise AssertionError("there was no failover")
            time.sleep(0.01)

    def stop(self) -> None:
        """End them and remove their folders."""
        for process in self._processes:
            process.kill()
            process.wait()
        for folder in self._folders:
            shutil.rmtree(folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def _start(self, port: int, primary: int, quorum: int) -> None:
        folder = Path(tempfile.mkdtemp(prefix="recuerda-sentinel-"))
        self._folders.append(folder)
        text = CONFIGURATION.format(port=port, folder=folder, service=SERVICE, primary=primary, quorum=quorum)
        if self._password:
            text += f"requirepass {self._password}\n"
        (folder / "sentinel.conf").write_text(text)
        with (folder / "log").open("wb") as log:
            words = [redis_8(), folder / "sentinel.conf", "--sentinel"]
            self._processes.append(subprocess.Popen(words, stdout=log, stderr=log))
        deadline = time.monotonic() + START_S
        while not _listens(port):
            if time.monotonic() > deadline:
                raise RuntimeError(f"Sentinel did not start:\n{(folder / 'log').read_text()}")
            time.sleep(0.01)

    def _has_begun(self) -> bool:
        """Ask for a failover. It is refused while the replica has not told its state."""
        try:
            self._ask("SENTINEL FAILOVER", SERVICE)
        except redis.ResponseError:
            return False
        return True

    def _wait_for(self, field: str, count: int) -> None:
        deadline = time.monotonic() + START_S
        while True:
            state: dict[str, Any] = self._ask("SENTINEL MASTER", SERVICE)
            if int(state[field]) >= count:
                return
            if time.monotonic() > deadline:
                raise AssertionError(state)
            time.sleep(0.02)

    def _ask(self, *words: str) -> Any:
        with redis.Redis(port=self.ports[0], password=self._password or None) as client:
            return cast("Any", client).execute_command(*words)


def _listens(port: int) -> bool:
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0
