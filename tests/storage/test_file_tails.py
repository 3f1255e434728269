"""The end of a file that a storage keeps in memory is the end that the file has."""

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from recuerda.errors import ThreadConflict
from recuerda.file import FileStorage, writing
from recuerda.file import log as file_log
from recuerda.file.disk import opened
from recuerda.file.lines import State, thread_info
from recuerda.file.log import Log
from recuerda.file.names import files_of
from recuerda.file.tails import MAX_FILES, MAX_METADATA, Tail, Tails
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.base import a_turn, bodies, fill
from tests.storage.file_fixtures import folder, log, reads
from tests.storage.operations import OPERATIONS, prepared

__all__ = ["folder", "log", "reads"]


def edit_later(path: Path, edit: Callable[[bytes], bytes]) -> None:
    """Edit a file, a second after its last change."""
    changed = path.stat()
    path.write_bytes(edit(path.read_bytes()))
    os.utime(path, ns=(changed.st_atime_ns, changed.st_mtime_ns + 10**9))


def without_newline(data: bytes) -> bytes:
    return data.removesuffix(b"\n")


def with_torn_line(data: bytes) -> bytes:
    return data + b'{"numb'


def put_in_place(new: Path, path: Path) -> None:
    new.replace(path)


@pytest.fixture(params=[True, False], ids=["fsync", "no fsync"])
async def storage(folder: Path, request: pytest.FixtureRequest) -> AsyncIterator[FileStorage]:
    async with FileStorage(folder, fsync=request.param) as storage:
        yield storage


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Compare each end that is found in memory with the file, and give the paths of the files."""
    paths: list[str] = []
    find = Tails.find

    def compared(self: Tails, path: str, mark: Any, fd: int) -> Tail | None:
        tail = find(self, path, mark, fd)
        if tail is not None:
            paths.append(path)
            with opened(Path(path), os.O_RDONLY) as again:
                anew = Log(again, path)
                assert tail.state == anew.state
                if tail.settings is not None:
                    held = anew.settings()
                    assert held is not None
                    assert thread_info(tail.settings, tail.state) == thread_info(held, anew.state)
        return tail

    monkeypatch.setattr(Tails, "find", compared)
    return paths


@pytest.mark.parametrize("name", OPERATIONS)
async def test_the_end_in_memory_is_the_end_of_the_file(storage: FileStorage, found: list[str], name: str) -> None:
    operation = OPERATIONS[name]
    expected = await prepared(storage, operation, "a")
    await operation.do(storage, "a", expected)
    for _ in range(2):
        await storage.read("a", last_messages=20)
        await storage.append("a", a_turn(b"2"))
    assert found


async def test_an_append_and_a_read_without_news_read_no_line(storage: FileStorage, reads: list[int]) -> None:
    await storage.append("a", a_turn(b"1"), expected=0, user_id="ana", title="Rain")
    for number in range(1, 4):
        info = await storage.head("a")
        assert info is not None
        assert (await storage.read("a", after=info.version)).info == info
        assert (await storage.append("a", a_turn(), expected=info.version)).revision == number + 1
    assert reads == []


async def test_the_lines_of_another_storage_are_read(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    async with FileStorage(folder) as other:
        for number in range(2, 6):
            await (other, storage)[number % 2].append("a", a_turn(b"%d" % number))
            with pytest.raises(ThreadConflict):
                await (storage, other)[number % 2].append("a", a_turn(), expected=number - 1)
        for one in (storage, other):
            assert await bodies(one, "a") == [b"1", b"2", b"3", b"4", b"5"]


async def test_an_edit_that_keeps_the_size_is_read(storage: FileStorage, log: Path) -> None:
    await storage.append("a", a_turn(), title="Rain")
    assert (await storage.head("a") or pytest.fail("no thread")).title == "Rain"
    edit_later(log, lambda data: data.replace(b"Rain", b"Snow"))
    assert (await storage.head("a") or pytest.fail("no thread")).title == "Snow"


async def test_a_file_in_the_place_of_another_is_read(storage: FileStorage, folder: Path, log: Path) -> None:
    for text in (b"one", b"two"):
        await storage.append(text.decode(), a_turn(text))
    put_in_place(files_of(folder, "one").log, log)
    assert await bodies(storage, "a") == [b"one"]
    put_in_place(files_of(folder, "two").log, log)
    assert await bodies(storage, "a") == [b"two"]


@pytest.mark.parametrize("edit", [without_newline, with_torn_line])
async def test_the_end_of_a_file_in_doubt_is_not_kept(
    storage: FileStorage, log: Path, found: list[str], edit: Callable[[bytes], bytes]
) -> None:
    await fill(storage, "a", 1, 1)
    edit_later(log, edit)
    found.clear()
    for _ in range(2):
        assert len(await bodies(storage, "a")) == 2
    assert found == []
    await storage.append("a", a_turn(b"3"))
    assert len(await bodies(storage, "a")) == 3
    assert found != []


async def test_a_thread_that_is_deleted_and_made_anew_is_new(storage: FileStorage) -> None:
    for _ in range(3):
        assert (await storage.append("a", a_turn(b"1"))).created
        assert await storage.delete("a")
        assert (await storage.read("a")).info is None


@pytest.mark.parametrize("count", [1, 2])
async def test_a_thread_that_another_storage_begins_anew_in_the_same_moment_is_new(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    def same_mark(found: os.stat_result) -> tuple[int, int, int, int, int]:
        """Return the mark of a file whose number and times are those of the file before it."""
        return 0, 0, found.st_size, 0, 0

    for module in (file_log, writing):
        monkeypatch.setattr(module, "mark_of", same_mark)
    turns = [NewTurn(id=f"turn {number}", body=b"x", message_count=1) for number in range(count)]
    for turn in turns:
        await storage.append("a", turn)
    old = await storage.head("a") or pytest.fail("no thread")
    async with FileStorage(folder) as other:
        await other.delete("a")
        for turn in turns:
            await other.append("a", turn)
        new = await other.head("a") or pytest.fail("no thread")
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(b"y"), expected=old.version)
        assert (await storage.head("a") or pytest.fail("no thread")).incarnation == new.incarnation
        assert await bodies(other, "a") == [b"x"] * count


async def test_long_metadata_is_not_kept(storage: FileStorage, reads: list[int]) -> None:
    await storage.append("a", a_turn())
    await storage.update_thread("a", metadata={"note": "x" * MAX_METADATA})
    for _ in range(2):
        reads.clear()
        assert (await storage.head("a") or pytest.fail("no thread")).metadata == {"note": "x" * MAX_METADATA}
        assert reads != []


def test_the_least_recent_end_is_forgotten_first(tmp_path: Path) -> None:
    tails = Tails()
    tail = Tail((0, 0, 9, 0, 0), b"{", State(end=9), None)
    for number in range(MAX_FILES):
        tails.keep(f"{number}", tail)
    tails.keep("0", tail)
    tails.keep("new", tail)
    path = tmp_path / "file"
    path.write_bytes(b"{}")
    with opened(path, os.O_RDONLY) as fd:
        assert [name for name in ("0", "1", "2", "new") if tails.find(name, tail.mark, fd)] == ["0", "2", "new"]
