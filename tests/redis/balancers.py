"""A load balancer before two servers, a primary and its replica, and the roles that they change."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from tests.redis.proxy import Proxy
from tests.servers.redis_server import START_S, RedisServer

SYNC = ("--repl-diskless-sync-delay", "0", "--repl-ping-replica-period", "1")
"""A replica is in step at once."""


class Pair:
    """Two servers, of which one is the primary."""

    def __init__(self, *options: str, program: Path | None = None) -> None:
        self.primary = RedisServer(*SYNC, *options, program=program)
        self.replica = RedisServer(*SYNC, *options, program=program)
        self.replica.command("REPLICAOF", "127.0.0.1", str(self.primary.port))
        self.wait_until_in_step()

    def fail_over(self) -> None:
        """Let the two change their roles. All connections stay open."""
        self.wait_until_in_step()
        self.replica.command("REPLICAOF", "NO", "ONE")
        self.primary.command("REPLICAOF", "127.0.0.1", str(self.replica.port))
        self.primary, self.replica = self.replica, self.primary

    def wait_until_in_step(self) -> None:
        """Return when the replica has everything that the primary has."""
        theirs: dict[str, str] = {}
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            mine, theirs = _info(self.primary), _info(self.replica)
            if theirs.get("master_link_status") == "up" and mine["master_repl_offset"] == theirs["slave_repl_offset"]:
                return
            time.sleep(0.002)
        raise AssertionError(theirs)

    def stop(self) -> None:
        """End both."""
        self.primary.stop()
        self.replica.stop()


class Balancer(Proxy):
    """One address that leads to one of several servers. Open connections keep their server."""

    def lead_to(self, server: RedisServer) -> None:
        """Lead new connections to a server."""
        self._server_port = server.port

    async def get_stuck(self, wrong: RedisServer, right: RedisServer, use: Callable[[], Awaitable[object]]) -> None:
        """Let a client open connections to the wrong server, and lead all later connections to the right server."""
        self.drop_connections()
        self.lead_to(wrong)
        await asyncio.gather(*(use() for _ in range(4)))
        self.lead_to(right)


def _info(server: RedisServer) -> dict[str, str]:
    lines = server.command("INFO", "replication").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)
