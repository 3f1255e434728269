"""A folder or a file that loses its name is noticed before anything is acknowledged."""

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recuerda.errors import StorageUnavailable
from recuerda.file import FileStorage, disk
from recuerda.file.names import files_of
from recuerda.file.os_locks import try_lock
from recuerda.storage.records import NewTurn
from tests.storage.lost_names import OPERATIONS, a_turn


def opened(path: Path) -> FileStorage:
    return FileStorage(path, fsync=False)


async def begin(path: Path) -> FileStorage:
    storage = opened(path)
    await storage.append("a", a_turn("early"))
    return storage


async def turns_in(path: Path) -> list[str]:
    async with opened(path) as storage:
        return [record.id for record in (await storage.read("a")).records]


def remove(path: Path) -> None:
    shutil.rmtree(path)


def rename(path: Path) -> None:
    path.rename(path.with_name(f"{path.name} elsewhere"))


def make_anew(path: Path) -> None:
    rename(path)
    path.mkdir()


def restore_a_backup(path: Path) -> None:
    shutil.copytree(path, path.with_name("backup"))
    rename(path)
    path.with_name("backup").rename(path)


def rename_the_parent(path: Path) -> None:
    path.parent.rename(path.parent.with_name("parent elsewhere"))


HARMS: tuple[Callable[[Path], None], ...] = (remove, rename, make_anew, restore_a_backup, rename_the_parent)


async def test_nothing_is_acknowledged_when_the_folder_is_another_one(tmp_path: Path) -> None:
    for number, harm in enumerate(HARMS):
        path = tmp_path / f"{number}" / "threads"
        storage = await begin(path)
        harm(path)
        for name in ("late", "later"):
            with pytest.raises(StorageUnavailable, match=r"(removed or renamed|replaced) while it was open"):
                await storage.append("a", a_turn(name))
        there = [record.id for record in (await storage.read("a")).records]
        assert there == (["early"] if harm is restore_a_backup else []), harm.__name__
        await storage.close()
        async with opened(path) as anew:
            assert not (await anew.append("a", a_turn("late"))).replayed


async def test_a_read_says_once_that_the_folder_is_another_one(tmp_path: Path) -> None:
    for number, harm in enumerate((remove, restore_a_backup)):
        path = tmp_path / f"{number}" / "threads"
        storage = await begin(path)
        harm(path)
        with pytest.raises(StorageUnavailable, match="open it again"):
            await storage.read("a")
        assert len((await storage.read("a")).records) == number
        await storage.close()
        assert path.exists() == bool(number), "a read made the folder"


async def test_a_link_that_is_switched_is_noticed(tmp_path: Path) -> None:
    link, one, two = tmp_path / "threads", tmp_path / "1", tmp_path / "2"
    await (await begin(two)).close()
    one.mkdir()
    link.symlink_to(one)
    storage = await begin(link)
    link.unlink()
    link.symlink_to(two)
    with pytest.raises(StorageUnavailable, match="replaced"):
        await storage.append("a", a_turn("late"))
    await storage.close()
    assert await turns_in(one) == await turns_in(two) == ["early"]


async def test_every_operation_notices_a_lost_folder(tmp_path: Path) -> None:
    path = tmp_path / "threads"
    for operation in OPERATIONS:
        storage = await begin(path)
        remove(path)
        with pytest.raises(StorageUnavailable, match="was removed or renamed while it was open"):
            await operation(storage)
        await storage.close()
        assert not path.exists()


async def test_a_file_that_loses_its_name_during_a_write_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = disk.write_at
    for harm in ("remove", "rename", "replace", "folder"):
        path = tmp_path / harm
        storage = await begin(path)
        log = files_of(path, "a").log

        def write_late(fd: int, offset: int, data: bytes, *, harm: str = harm, log: Path = log) -> None:
            write(fd, offset, data)
            if harm == "folder":
                rename(log.parent)
            else:
                log.rename(log.with_suffix(".old"))
            if harm == "remove":
                log.with_suffix(".old").unlink()
            if harm == "replace":
                log.touch()

        with monkeypatch.context() as patch:
            patch.setattr(disk, "write_at", write_late)
            with pytest.raises(StorageUnavailable, match="during a write, which is not acknowledged"):
                await storage.append("a", a_turn("late"))
        await storage.close()
        old = log.with_suffix(".old")
        assert b"late" not in (old.read_bytes() if old.exists() else b"")


async def test_a_writer_does_not_trust_a_lock_whose_file_was_removed_while_it_waited(tmp_path: Path) -> None:
    path = tmp_path / "threads"
    first, second = await begin(path), opened(path)
    files = files_of(path, "a")
    lock = path / ".locks" / f"{files.stripe:02x}"
    fd = os.open(lock, os.O_RDWR)
    assert try_lock(fd)
    waiting = asyncio.create_task(second.append("a", a_turn("second")))
    await asyncio.sleep(0.05)
    lock.unlink()
    os.close(fd)
    await waiting
    assert lock.exists()
    await first.close()
    await second.close()


async def test_a_thread_whose_file_was_removed_begins_anew(tmp_path: Path) -> None:
    storage = await begin(tmp_path / "threads")
    files_of(tmp_path / "threads", "a").log.unlink()
    assert (await storage.read("a")).info is None
    assert (await storage.append("a", a_turn("new"))).revision == 1
    await storage.close()


async def test_an_append_looks_at_two_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    storage = await begin(tmp_path / "threads")
    looks: list[str] = []
    stat = os.stat

    def counted(name: Any, **options: Any) -> os.stat_result:
        looks.append(Path(name).name)
        return stat(name, **options)

    with monkeypatch.context() as patch:
        patch.setattr(os, "stat", counted)
        await storage.append("a", NewTurn(body=b"{}", message_count=1))
        assert looks == ["threads", files_of(tmp_path / "threads", "a").log.name]
    await storage.close()
