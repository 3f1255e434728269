"""`recuerda backup` makes a whole and checked copy while other programs use the storage."""

import asyncio
import contextlib
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from recuerda.cli.app import app
from recuerda.errors import ConfigurationError, InvalidInput, RecuerdaError, StorageUnavailable
from recuerda.file import FileStorage
from recuerda.sqlite import SQLiteStorage, backup
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from tests.cli.processes import CommandLine
from tests.modes import modes_in, umask


def a_turn(text: str) -> NewTurn:
    body = json.dumps({"v": 1, "messages": [{"role": "user", "content": text}]}).encode()
    return NewTurn(body=body, message_count=1)


async def turns_in(storage: Storage, thread_id: str = "a") -> list[int]:
    async with storage:
        return [record.number for record in (await storage.read(thread_id)).records]


def run(*arguments: str) -> None:
    """Run the command in this process, and raise its error."""
    done = CliRunner().invoke(app, ["backup", *arguments], catch_exceptions=True)
    if done.exception is not None:
        raise done.exception


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RECUERDA_STORAGE", "sqlite:///threads.db")
    return tmp_path


async def fill(storage: Storage, turns: int = 3) -> None:
    async with storage:
        for number in range(turns):
            await storage.append("a", a_turn(f"number {number}"))
        await storage.save_draft("a", DraftStep(turn_id="d", revision=turns, number=1, body=b"1", created_us=1))


async def test_a_backup_has_everything_that_a_living_writer_was_told(recuerda: CommandLine) -> None:
    folder = recuerda.folder
    for url, storage, copy in (
        ("sqlite:///threads.db", SQLiteStorage(folder / "threads.db"), SQLiteStorage(folder / "copy")),
        ("file:threads", FileStorage(folder / "threads"), FileStorage(folder / "copies")),
    ):
        async with storage:
            await storage.append("a", a_turn("one"))
            await storage.append("b", a_turn("two"), user_id="ana")
            said = await asyncio.to_thread(recuerda.ok, "backup", copy.path.name, "--storage", url, "--json")
            assert json.loads(said) == {
                "target": copy.path.name, "threads": 2, "turns": 2, "sealed": 0, "damage": [],
                "bytes": sum(one.stat().st_size for one in [copy.path, *copy.path.rglob("*")] if one.is_file()),
            }  # fmt: skip
            assert (await storage.append("a", a_turn("three"))).revision == 2
        assert await turns_in(copy) == [1]
    assert {one.name for one in folder.iterdir()} == {"threads.db", "threads", "copy", "copies"}


def test_a_backup_is_the_state_of_one_moment_while_others_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backup, "STEP_PAGES", 1)
    path, reports = tmp_path / "threads.db", list[int]()
    asyncio.run(fill(SQLiteStorage(path), turns=40))
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer:

        def report(done: int, _total: int) -> None:
            reports.append(done)
            writer.execute("DELETE FROM turns WHERE position = (SELECT max(position) FROM turns)")

        backup.back_up(path, tmp_path / "copy.db", progress=report)
    assert reports == sorted(reports)
    assert len(reports) > 3
    assert asyncio.run(turns_in(SQLiteStorage(tmp_path / "copy.db"))) == list(range(1, 41))


OTHER_PROCESS = (
    "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM turns').fetchall(); db.close()"
)


async def test_a_backup_inside_of_the_process_leaves_its_locks_alone(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn("one"))
        await asyncio.to_thread(backup.back_up, path, tmp_path / "copy.db", progress=lambda _done, _total: None)
        # Without our locks, the other process would be the last one to close the file, and delete the log.
        command = [sys.executable, "-c", OTHER_PROCESS, str(path)]
        await asyncio.to_thread(subprocess.run, command, check=True)
        assert set(modes_in(tmp_path)) == {"threads.db", "threads.db-wal", "threads.db-shm", "copy.db"}
        assert (await storage.append("a", a_turn("two"))).revision == 2
    assert await turns_in(SQLiteStorage(path)) == [1, 2]


def test_an_older_backup_is_replaced_only_with_force(folder: Path) -> None:
    with umask(0):
        asyncio.run(fill(SQLiteStorage(folder / "threads.db")))
        run("copy.db")
        with pytest.raises(InvalidInput, match=r"exists already.*--force"):
            run("copy.db")
        (folder / "copy.db").chmod(0o640)
        run("copy.db", "--force")
        run("other.db")
    assert modes_in(folder) == {"copy.db": 0o640, "other.db": 0o600, "threads.db": 0o600}


def test_an_older_backup_of_a_folder_is_replaced_only_with_force(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECUERDA_STORAGE", "file:threads")
    with umask(0):
        asyncio.run(fill(FileStorage(folder / "threads")))
        run("copy")
        with pytest.raises(InvalidInput, match=r"exists already.*--force"):
            run("copy")
        asyncio.run(FileStorage(folder / "threads").append("a", a_turn("late")))
        run("copy", "--force")
    assert asyncio.run(turns_in(FileStorage(folder / "copy"))) == [1, 2, 3, 4]
    assert not [name for name, mode in modes_in(folder).items() if mode & 0o077]
    (folder / "mine").mkdir()
    (folder / "mine" / "novel.txt").touch()
    with pytest.raises(InvalidInput, match="is not a backup"):
        run("mine", "--force")
    assert {one.name for one in folder.iterdir()} == {"threads", "copy", "mine"}


def test_a_damaged_thread_does_not_replace_an_older_backup(recuerda: CommandLine) -> None:
    path = recuerda.folder / "threads.db"
    asyncio.run(fill(SQLiteStorage(path)))
    recuerda.ok("backup", "copy.db", "--storage", "sqlite:///threads.db")
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("UPDATE turns SET body = x'00' WHERE position & 4294967295 = 2")
    older = (recuerda.folder / "copy.db").read_bytes()
    told = recuerda("backup", "copy.db", "--force", "--storage", "sqlite:///threads.db")
    assert told.returncode == 1
    assert "1 finding in the copy" in told.stderr
    assert "copy.db was not replaced" in told.stderr
    assert (recuerda.folder / "copy.db").read_bytes() == older
    (kept,) = recuerda.folder.glob("copy.db.*.part")
    assert asyncio.run(turns_in(SQLiteStorage(kept))) == [1, 2, 3]


def test_a_damaged_file_leaves_no_copy(folder: Path) -> None:
    path = folder / "threads.db"
    asyncio.run(fill(SQLiteStorage(path), turns=300))
    content = bytearray(path.read_bytes())
    content[6 * 8192 : 7 * 8192] = b"\xa5" * 8192
    path.write_bytes(content)
    with pytest.raises(StorageUnavailable, match="is damaged, so no copy was kept"):
        run("copy.db")
    path.write_bytes(b"Dear diary, " * 1000)
    with pytest.raises(StorageUnavailable, match="could not be copied"):
        run("copy.db")
    with contextlib.closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    with pytest.raises(StorageUnavailable, match="is not a file of threads"):
        run("copy.db", "--storage", "sqlite:///other.db")
    assert {one.name for one in folder.iterdir()} == {"threads.db", "other.db"}


def test_a_target_in_use_is_left_alone(folder: Path) -> None:
    asyncio.run(fill(SQLiteStorage(folder / "threads.db")))
    with pytest.raises(ConfigurationError, match="is the storage itself"):
        run("threads.db", "--force")
    (folder / "used.db").touch()
    (folder / "used.db-wal").touch()
    with pytest.raises(InvalidInput, match="is in use"):
        run("used.db", "--force")
    with pytest.raises(StorageUnavailable, match="could not be copied"):
        run("nowhere/copy.db")


def test_force_replaces_nothing_but_backups(folder: Path) -> None:
    asyncio.run(fill(SQLiteStorage(folder / "threads.db")))
    (folder / "novel.txt").write_text("Call me Ishmael.")
    with contextlib.closing(sqlite3.connect(folder / "other.db")) as other:
        other.execute("CREATE TABLE recipes (name TEXT)")
    if sys.platform != "win32":
        os.mkfifo(folder / "pipe")
    before = contents(folder)
    for name in (*(one.name for one in before), "."):
        if name != "threads.db":
            with pytest.raises(InvalidInput, match="is not a backup"):
                run(name, "--force")
    assert contents(folder) == before


def contents(folder: Path) -> dict[Path, tuple[int, int, int, int]]:
    """Return what must not change of the files in a folder. Reading changes the time of the last access."""
    found = {one: one.stat() for one in folder.iterdir()}
    return {one: (stat.st_ino, stat.st_mode, stat.st_size, stat.st_mtime_ns) for one, stat in found.items()}


def test_a_backup_takes_no_name_of_the_storage_and_of_old_logs(folder: Path) -> None:
    asyncio.run(fill(SQLiteStorage(folder / "threads.db")))
    asyncio.run(fill(FileStorage(folder / "threads")))
    for name in ("threads.db-wal", "threads.db-journal", "missing/../threads.db"):
        with pytest.raises(ConfigurationError, match="the storage itself"):
            run(name, "--force")
    with pytest.raises(ConfigurationError, match="the storage itself"):
        run("threads/copy", "--storage", "file:threads")
    # SQLite would apply a log that is left from another file.
    for suffix in ("-wal", "-journal"):
        (folder / f"copy.db{suffix}").touch()
        with pytest.raises(InvalidInput, match="is in use"):
            run("copy.db")
        (folder / f"copy.db{suffix}").unlink()
    assert {one.name for one in folder.iterdir()} == {"threads.db", "threads"}


def test_a_link_to_a_backup_stays_a_link(folder: Path) -> None:
    asyncio.run(fill(SQLiteStorage(folder / "threads.db")))
    (folder / "newest.db").symlink_to("monday.db")
    run("newest.db")
    run("newest.db", "--force")
    assert (folder / "newest.db").is_symlink()
    assert asyncio.run(turns_in(SQLiteStorage(folder / "monday.db"))) == [1, 2, 3]


def test_other_storages_are_sent_to_their_own_tools(folder: Path) -> None:
    for url, tool in (
        ("redis://localhost", "redis-cli --rdb"),
        ("redis+sentinel://localhost:26379/service", "redis-cli --rdb"),
        ("postgresql://localhost/db", "pg_dump"),
        ("cosmos://account.documents.azure.com/db/c", "continuous backup"),
        ("memory:", "RAM"),
    ):
        with pytest.raises(ConfigurationError, match=tool) as raised:
            run("copy", "--storage", url)
        assert "recuerda export --all" in str(raised.value)
    with pytest.raises(RecuerdaError, match="there is no storage"):
        run("copy", "--storage", "sqlite:///typo.db")
    assert list(folder.iterdir()) == []
