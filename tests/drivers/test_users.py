"""Every client and storage that keeps connections: in several event loops, and in a process that forks."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest

from recuerda.testing.openai_server import ScriptedOpenAIServer
from tests.azure_ai_search.conftest import ADMIN_KEY, definition, fill
from tests.drivers.users import USERS
from tests.servers.azure_search_server import AzureSearchServer
from tests.servers.cosmos_server import cosmos_url
from tests.servers.mem0_platform import Mem0Platform
from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import redis_url

ROOT = Path(__file__).parents[2]


@contextmanager
def address_of(kind: str, folder: Path) -> Generator[tuple[str, ...]]:
    """Run the server of a kind of user, and give the arguments that name it."""
    if kind.startswith("postgres"):
        yield postgres_url(), schema_of(folder)
    elif kind == "redis_storage":
        yield (redis_url(),)
    elif kind == "cosmos_storage":
        yield (cosmos_url(folder),)
    elif kind.startswith("openai"):
        with ScriptedOpenAIServer(default="Hi") as openai:
            yield (openai.base_url,)
    elif kind == "mem0":
        with Mem0Platform() as platform:
            yield platform.host, platform.key
    else:
        with AzureSearchServer() as search:
            asyncio.run(fill(search, definition("docs")))
            yield search.endpoint, ADMIN_KEY, str(search.certificate)


def run(what: str, kind: str, folder: Path) -> None:
    with address_of(kind, folder) as address:
        command = [sys.executable, "-W", "error", "-m", "tests.drivers.forking", what, kind, *address]
        environ = {**os.environ, "MEM0_TELEMETRY": "False", "MEM0_DIR": str(folder)}
        done = subprocess.run(command, cwd=ROOT, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("kind", USERS)
def test_connections_end_with_their_event_loop(kind: str, tmp_path: Path) -> None:
    run("loops", kind, tmp_path)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("kind", USERS)
def test_a_forked_child_neither_disturbs_its_parent_nor_warns(kind: str, tmp_path: Path) -> None:
    run("fork", kind, tmp_path)
