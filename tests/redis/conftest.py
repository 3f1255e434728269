"""Servers with settings of their own, which a test may kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.redis_server import RedisServer, prefix_of


@pytest.fixture
def prefix(tmp_path: Path) -> str:
    return prefix_of(tmp_path)


@pytest.fixture
def durable_server() -> Iterator[RedisServer]:
    """Every acknowledged write is on the disk."""
    server = RedisServer("--appendonly", "yes", "--appendfsync", "always")
    yield server
    server.stop()
