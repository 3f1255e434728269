"""The files and folders that commands make are for their owner alone, whatever the umask allows."""

import asyncio
import contextlib
import sqlite3
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recuerda.cli import tour_clerk
from recuerda.cli.app import app
from tests.modes import modes_in, shared_in, umask

SQLITE = "sqlite:///new/threads.db"


def test_commands_make_private_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    for name in ("OPENAI_API_KEY", "RECUERDA_STORAGE"):
        monkeypatch.delenv(name, raising=False)

    def run(*arguments: str, code: int = 0, said: str | None = None) -> None:
        done = CliRunner().invoke(app, arguments, input=said)
        assert done.exit_code == code, (arguments, done.output, done.exception)
        assert shared_in(tmp_path) == [], arguments

    with umask(0):
        run("chat", said="I parked in Oslo.\n")
        run("chat", "--storage", SQLITE, said="I parked in Oslo.\n")
        run("recall", "oslo", "--storage", SQLITE)
        run("export", "--all", "--output", "export.jsonl", "--storage", SQLITE)
        run("import", "export.jsonl", "--storage", "file:imported")
        run("copy", SQLITE, "file:copies/new", "--all")
        run("backup", "backup.db", "--storage", SQLITE)
        run("backup", "backup", "--storage", "file:imported")
        with contextlib.closing(sqlite3.connect("new/threads.db", isolation_level=None)) as other:
            other.execute("UPDATE turns SET body = x'00'")
        run("doctor", SQLITE, "--repair", "--backup", "repaired/copies")
        asyncio.run(_book(tmp_path))
        assert shared_in(tmp_path) == []
    made = {Path(name).name for name in modes_in(tmp_path)}
    assert made >= {"memory.db", "threads.recall.db", "export.jsonl", "imported", "backup", "copies", "booking"}


async def _book(folder: Path) -> None:
    async with tour_clerk.clerk("memory:", folder) as agent:
        await agent.run("Book a room in Lima.")


def test_an_export_keeps_the_mode_of_the_file_that_it_replaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "threads").mkdir()
    (tmp_path / "export.jsonl").touch()
    (tmp_path / "export.jsonl").chmod(0o644)
    done = CliRunner().invoke(app, ["export", "--all", "--output", "export.jsonl", "--storage", "file:threads"])
    assert done.exit_code == 0
    assert modes_in(tmp_path)["export.jsonl"] == 0o644
