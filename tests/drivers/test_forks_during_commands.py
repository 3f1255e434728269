"""A child that was forked while commands were under way closes what it inherited, and neither hangs nor warns."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.servers.postgres_server import postgres_url, schema_of
from tests.servers.redis_server import redis_url

ROOT = Path(__file__).parents[2]


def address_of(kind: str, folder: Path) -> tuple[str, ...]:
    match kind:
        case "redis_storage":
            return (redis_url(),)
        case "postgres_storage":
            return postgres_url(), schema_of(folder)
        case _:
            return (str(folder / "threads.db"),)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")
@pytest.mark.parametrize("kind", ["redis_storage", "postgres_storage", "sqlite_storage"])
def test_a_child_that_was_forked_during_a_command_closes_without_a_warning(kind: str, tmp_path: Path) -> None:
    command = [sys.executable, "-W", "error", "-m", "tests.drivers.forking_during", kind, *address_of(kind, tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
