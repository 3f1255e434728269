"""A SQLite file that loses its name while it is open is noticed before anything is acknowledged."""

import asyncio
import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recuerda._drivers import sqlite_names
from recuerda.errors import StorageUnavailable
from recuerda.sqlite import SQLiteStorage, erasing
from tests.storage.lost_names import OPERATIONS, a_turn

Harm = Callable[[Path], None]


def opened(path: Path) -> SQLiteStorage:
    return SQLiteStorage(path, synchronous="NORMAL")


async def begin(path: Path) -> SQLiteStorage:
    """Return a storage with one turn, whose two connections are open."""
    path.parent.mkdir(exist_ok=True, parents=True)
    storage = opened(path)
    await storage.append("a", a_turn("early"))
    await storage.read("a")
    return storage


async def turns_in(path: Path) -> list[str]:
    async with opened(path) as storage:
        return [record.id for record in (await storage.read("a")).records]


def with_companions(path: Path) -> list[Path]:
    return [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]


def remove(path: Path) -> None:
    for file in with_companions(path):
        file.unlink()


def remove_the_file_alone(path: Path) -> None:
    path.unlink()


def rename(path: Path) -> None:
    path.rename(path.with_suffix(".old"))


def move_all(path: Path) -> None:
    (path.parent / "away").mkdir()
    for file in with_companions(path):
        file.rename(path.parent / "away" / file.name)


def restore_a_backup(path: Path) -> None:
    backup = path.with_suffix(".backup")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("VACUUM INTO ?", (str(backup),))
    for file in with_companions(path)[1:]:
        file.unlink()
    backup.replace(path)


def touch_another(path: Path) -> None:
    path.unlink()
    path.touch()


def remove_the_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def rename_the_folder(path: Path) -> None:
    path.parent.rename(path.parent.with_name(f"{path.parent.name} elsewhere"))


def make_the_folder_anew(path: Path) -> None:
    rename_the_folder(path)
    path.parent.mkdir()


def remove_the_log(path: Path) -> None:
    Path(f"{path}-wal").unlink()


def remove_the_shared_memory(path: Path) -> None:
    Path(f"{path}-shm").unlink()


def replace_the_log(path: Path) -> None:
    other = path.with_suffix(".other")
    other.touch()
    other.replace(f"{path}-wal")


HARMS: tuple[Harm, ...] = (
    remove, remove_the_file_alone, rename, move_all, restore_a_backup, touch_another, remove_the_folder,
    rename_the_folder, make_the_folder_anew, remove_the_log, remove_the_shared_memory, replace_the_log,
)  # fmt: skip


async def test_nothing_is_acknowledged_into_a_file_that_has_lost_its_name(tmp_path: Path) -> None:
    for number, harm in enumerate(HARMS):
        path = tmp_path / f"{number}" / "threads.db"
        storage = await begin(path)
        harm(path)
        with pytest.raises(StorageUnavailable, match=r"(removed or renamed|replaced) while it was open"):
            await storage.append("a", a_turn("late"))
        with pytest.raises(StorageUnavailable):
            await storage.append("a", a_turn("later"))
        await storage.close()
        assert "late" not in await turns_in(path), harm.__name__
        async with opened(path) as anew:
            assert not (await anew.append("a", a_turn("late"))).replayed


async def test_a_read_says_once_that_the_file_is_gone_and_then_reads_what_is_there(tmp_path: Path) -> None:
    nothing: list[str] = []
    for number, (harm, there) in enumerate(((remove, nothing), (rename, nothing), (restore_a_backup, ["early"]))):
        path = tmp_path / f"{number}" / "threads.db"
        storage = await begin(path)
        harm(path)
        with pytest.raises(StorageUnavailable, match=r"open it again|restore a backup"):
            await storage.read("a")
        assert [record.id for record in (await storage.read("a")).records] == there
        assert path.exists() == bool(there), "a read made a file"
        with pytest.raises(StorageUnavailable):
            await storage.append("a", a_turn("late"))
        await storage.close()


async def test_every_operation_notices_a_lost_file(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    for operation in OPERATIONS:
        storage = await begin(path)
        remove(path)
        with pytest.raises(StorageUnavailable, match="was removed or renamed while it was open"):
            await operation(storage)
        await storage.close()
        assert not path.exists()


async def test_a_link_that_is_switched_is_noticed(tmp_path: Path) -> None:
    link, one, two = tmp_path / "threads.db", tmp_path / "1" / "t.db", tmp_path / "2" / "t.db"
    await (await begin(one)).close()
    await (await begin(two)).close()
    link.symlink_to(one)
    storage = await begin(link)
    link.unlink()
    link.symlink_to(two)
    with pytest.raises(StorageUnavailable, match="replaced"):
        await storage.append("a", a_turn("late"))
    await storage.close()
    assert await turns_in(one) == await turns_in(two) == ["early"]


async def test_a_file_that_loses_its_name_during_the_commit_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "threads.db"
    storage = await begin(path)
    harms = iter((lambda: None, lambda: rename(path)))
    look = sqlite_names.OpenFile.problem

    def look_late(file: sqlite_names.OpenFile) -> str | None:
        next(harms, lambda: None)()
        return look(file)

    with monkeypatch.context() as patch:
        patch.setattr(sqlite_names.OpenFile, "problem", look_late)
        with pytest.raises(StorageUnavailable):
            await storage.append("a", a_turn("late"))
    await storage.close()


async def test_turns_in_a_removed_log_are_saved_when_the_storage_is_closed(tmp_path: Path) -> None:
    path = tmp_path / "threads.db"
    storage = await begin(path)
    remove_the_log(path)
    with pytest.raises(StorageUnavailable, match=r"-wal was removed.*SQLite saves what it can"):
        await storage.append("a", a_turn("late"))
    async with opened(path) as anew:  # the first storage has let the file go already
        assert (await anew.append("a", a_turn("later"))).revision == 2
    await storage.close()
    assert await turns_in(path) == ["early", "later"]


async def test_a_change_of_the_working_directory_does_not_change_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path)
    storage = await begin(Path("threads.db"))
    monkeypatch.chdir(tmp_path / "other")
    assert (await storage.append("a", a_turn("late"))).revision == 2
    await storage.close()
    assert not await asyncio.to_thread(os.listdir, tmp_path / "other")


async def test_an_append_looks_at_the_folder_twice_and_a_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "threads.db"
    storage = await begin(path)
    looks: list[str] = []
    stat = os.stat

    def counted(name: Any, **options: Any) -> os.stat_result:
        looks.append(os.fsdecode(name))
        return stat(name, **options)

    monkeypatch.setattr(sqlite_names, "SETTLED_NS", 0)
    await storage.append("a", a_turn("2"))
    await storage.head("a")
    monkeypatch.setattr(os, "stat", counted)
    await storage.append("a", a_turn("3"))
    assert looks == [str(tmp_path)] * 2
    await storage.head("a")
    assert looks == [str(tmp_path)] * 3
    await asyncio.gather(*(storage.append("a", a_turn(f"together {i}")) for i in range(50)))
    assert len(looks) < 3 + 50  # appends that share a commit share the two looks
    monkeypatch.undo()
    await storage.close()


async def test_a_storage_that_has_lost_its_file_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "LATE_S", 0.05)  # after this time, the workers want to empty the log
    path = tmp_path / "threads.db"
    storage = await begin(path)
    remove(path)
    checks: list[None] = []
    check = sqlite_names.Place.check

    def counted(place: sqlite_names.Place, file: sqlite_names.OpenFile) -> None:
        checks.append(None)
        check(place, file)

    monkeypatch.setattr(sqlite_names.Place, "check", counted)
    await asyncio.sleep(0.15)
    assert len(checks) <= 2
    await storage.close()


async def test_another_file_in_the_folder_disturbs_nobody(tmp_path: Path) -> None:
    storage = await begin(tmp_path / "threads.db")
    for number in range(3):
        (tmp_path / f"{number}").touch()
        await storage.append("a", a_turn(f"{number}"))
        (tmp_path / f"{number}").unlink()
        await storage.read("a")
    await storage.close()
    assert len(await turns_in(tmp_path / "threads.db")) == 4
