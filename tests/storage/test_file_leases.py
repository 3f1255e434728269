"""Leases in files: they follow no wall clock, and a dead holder on another machine does not keep one for ever."""

import asyncio
import os
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from recuerda.file import FileStorage
from recuerda.file.leases import LeaseLine
from recuerda.file.names import files_of
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.base import a_turn
from tests.storage.file_fixtures import folder, storage

__all__ = ["folder", "storage"]

SHORT = timedelta(milliseconds=150)
LONG = timedelta(seconds=30)


def names_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def a_line(*, ttl_us: int) -> LeaseLine:
    """Return a lease of another machine."""
    return LeaseLine(thread_id="a", holder="theirs", until_us=2**62, ttl_us=ttl_us, boot="another", renewal="1")


async def test_a_wall_clock_that_is_put_back_keeps_no_lease(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_ns = time.time_ns()
    assert await storage.take_lease("a", "the dead", SHORT)
    monkeypatch.setattr(time, "time", lambda: now_ns / 1e9 - 3600)
    monkeypatch.setattr(time, "time_ns", lambda: now_ns - 3600 * 10**9)
    assert not await storage.take_lease("a", "other", SHORT)
    await asyncio.sleep(SHORT.total_seconds())
    assert await storage.take_lease("a", "other", SHORT)


async def test_a_lease_holds_between_processes(storage: FileStorage, folder: Path) -> None:
    script = """
import asyncio, sys
from datetime import timedelta
from recuerda.file import FileStorage

async def main():
    async with FileStorage(sys.argv[1]) as storage:
        print(await storage.take_lease("a", "theirs", timedelta(milliseconds=int(sys.argv[2]))))

asyncio.run(main())
"""

    async def take_there(ttl_ms: int) -> str:
        command = [sys.executable, "-c", script, str(folder), str(ttl_ms)]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    assert await storage.take_lease("a", "mine", LONG)
    assert await take_there(100) == "False"
    await storage.release_lease("a", "mine")
    assert await take_there(30_000) == "True"
    assert not await storage.take_lease("a", "mine", LONG)


async def test_a_lease_of_another_machine_ends_when_it_was_seen_for_its_time(
    storage: FileStorage, folder: Path
) -> None:
    await storage.append("a", a_turn())
    theirs = a_line(ttl_us=150_000)
    path = files_of(folder, "a").lease
    path.write_bytes(msgspec.json.encode(theirs))
    assert not await storage.take_lease("a", "mine", LONG)
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(theirs, renewal="2")))
    await asyncio.sleep(0.1)
    assert not await storage.take_lease("a", "mine", LONG)
    await asyncio.sleep(0.1)
    assert not await storage.take_lease("a", "mine", LONG)
    await asyncio.sleep(0.1)
    assert await storage.take_lease("a", "mine", LONG)


async def test_a_lease_of_another_machine_is_listed_by_the_time_of_its_file(storage: FileStorage, folder: Path) -> None:
    await storage.append("a", a_turn())
    path = files_of(folder, "a").lease
    path.write_bytes(msgspec.json.encode(a_line(ttl_us=60_000_000)))
    (listed,) = await storage.list_leases()
    assert listed.thread_id == "a"
    assert 0 < listed.left_us <= 60_000_000
    two_minutes_ago = time.time() - 120
    os.utime(path, (two_minutes_ago, two_minutes_ago))
    assert await storage.list_leases() == []


async def test_a_lease_that_was_written_in_half_is_free(storage: FileStorage, folder: Path) -> None:
    assert await storage.take_lease("a", "theirs", LONG)
    path = files_of(folder, "a").lease
    path.write_bytes(path.read_bytes()[:20])
    assert await storage.list_leases() == []
    assert await storage.take_lease("a", "mine", LONG)


async def test_a_deleted_thread_leaves_no_file(storage: FileStorage, folder: Path) -> None:
    await storage.save_draft("a", DraftStep(turn_id="d", revision=0, number=1, body=b"{}"))
    await storage.take_lease("a", "mine", LONG)
    assert await storage.delete("a")
    assert names_in(folder) == [".locks"]
