"""A SQLite file that may be read and not written: it is shown, and nothing is made beside it."""

from __future__ import annotations

import asyncio
import ctypes
import os
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from recuerda.sqlite import SQLiteStorage
from recuerda.testing.storage_contract.base import a_turn
from tests.cli.processes import COMMAND, CommandLine

PR_CAPBSET_DROP = 24
MAY_WRITE_EVERYWHERE = 1
"""The capability of root that ignores the modes of files (CAP_DAC_OVERRIDE)."""


def obey_modes() -> None:
    """Let the child that is about to start obey the modes of files, also if it is root's."""
    if os.geteuid() == 0:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, MAY_WRITE_EVERYWHERE, 0, 0, 0)


def run(recuerda: CommandLine, *arguments: str, input: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        input=input,
        env=recuerda.environment({}),
        cwd=recuerda.folder,
        preexec_fn=obey_modes,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def shelf(recuerda: CommandLine) -> Iterator[Path]:
    """A folder with a file that holds a thread; the folder can be removed again in the end."""
    folder = recuerda.folder / "shelf"
    folder.mkdir()

    async def fill() -> None:
        async with SQLiteStorage(folder / "threads.db") as storage:
            await storage.append("t", a_turn(), title="A shown thread")

    asyncio.run(fill())
    yield folder
    folder.chmod(0o755)


def test_a_file_that_may_not_be_written_is_read_and_nothing_is_made_beside_it(
    recuerda: CommandLine, shelf: Path
) -> None:
    (shelf / "threads.db").chmod(0o444)
    shelf.chmod(0o555)
    done = run(recuerda, "threads", "--storage", "sqlite:///shelf/threads.db")
    assert (done.returncode, done.stderr) == (0, "")
    assert "A shown thread" in done.stdout
    assert [path.name for path in shelf.iterdir()] == ["threads.db"]
    refused = run(recuerda, "chat", "--model", "offline", "--storage", "sqlite:///shelf/threads.db", input="hello\n")
    assert refused.returncode == 1
    assert "may not be written to" in refused.stderr


def test_a_file_with_a_log_that_may_not_be_written_is_read_with_its_log(recuerda: CommandLine, shelf: Path) -> None:
    with sqlite3.connect(shelf / "threads.db", isolation_level=None) as writer:
        writer.execute("UPDATE threads SET title = 'From the log'")
        there = sorted(shelf.iterdir())
        (shelf / "threads.db").chmod(0o444)
        shelf.chmod(0o555)
        done = run(recuerda, "threads", "--storage", "sqlite:///shelf/threads.db")
        assert (done.returncode, done.stderr) == (0, "")
        assert "From the log" in done.stdout
        assert sorted(shelf.iterdir()) == there
    writer.close()


def test_an_empty_file_that_may_not_be_written_holds_no_thread(recuerda: CommandLine) -> None:
    (recuerda.folder / "empty.db").touch(0o444)
    done = run(recuerda, "threads", "--storage", "sqlite:///empty.db")
    assert (done.returncode, done.stdout) == (0, "")
    assert "there are no threads" in done.stderr
