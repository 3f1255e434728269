"""What a file storage does when its files are torn or damaged, the disk is full, or the process ends in between."""

import asyncio
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from recuerda import ChatMessage, ChatMessageStore
from recuerda.errors import CorruptTurn, StorageFull, StorageReadOnly, StorageUnavailable
from recuerda.file import FileStorage, disk
from recuerda.file.disk import Disk
from recuerda.file.names import files_of
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.base import a_turn, bodies, fill, numbers
from tests.storage.file_fixtures import folder, log, storage

__all__ = ["folder", "log", "storage"]


def failing(code: int) -> Callable[..., int]:
    def fail(*_: object) -> int:
        raise OSError(code, os.strerror(code), "somewhere")

    return fail


def damage(log: Path, number: int, change: Callable[[bytes], bytes]) -> None:
    """Change the line of a record."""
    lines = log.read_bytes().split(b"\n")
    at = next(i for i, line in enumerate(lines) if line.startswith(b'{"number":%d,' % number))
    lines[at] = change(lines[at])
    log.write_bytes(b"\n".join(lines))


def content_of(log: Path) -> bytes:
    return log.read_bytes()


def overwrite(log: Path, content: bytes) -> None:
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(content)


def files_in(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.is_file()]


# -- torn lines --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn", [b"{", b'{"number":3,"id":"t3"', b"\x00" * 5000, b"x" * 1_000_000])
async def test_a_torn_last_line_is_ignored_and_then_overwritten(storage: FileStorage, log: Path, torn: bytes) -> None:
    appended = await fill(storage, "a", 1, 1)
    whole = content_of(log)
    overwrite(log, whole + torn)
    assert (await storage.read("a")).records == tuple(one.record for one in appended)
    assert [info.revision for info in (await storage.list_threads()).threads] == [2]
    third = await storage.append("a", a_turn(b"3", id="t3"), expected=2)
    assert (third.revision, third.replayed) == (3, False)
    assert content_of(log).startswith(whole + b'{"number":3,')
    assert await bodies(storage, "a") == [b"1", b"2", b"3"]


async def test_a_line_cut_at_any_byte_leaves_the_turns_before_it(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1)
    start = len(content_of(log))
    await storage.append("a", a_turn(b"2"))
    whole = content_of(log)
    for size in range(start, len(whole) - 1):
        overwrite(log, whole[:size])
        assert numbers(await storage.read("a")) == [1]
    # Only the newline is missing: the line is whole, and no writer is at work any more.
    for size in (len(whole) - 1, len(whole)):
        overwrite(log, whole[:size])
        assert numbers(await storage.read("a")) == [1, 2]


async def test_a_file_without_a_whole_line_is_no_thread(storage: FileStorage, log: Path) -> None:
    for content in (b"", b'{"recuerda":1,"thread":"a"'):
        overwrite(log, content)
        assert await storage.head("a") is None
        assert (await storage.list_threads()).threads == ()
    assert (await storage.append("a", a_turn())).created


async def test_a_torn_draft_has_its_finished_steps(storage: FileStorage, folder: Path) -> None:
    steps = [DraftStep(turn_id="t", revision=0, number=i, body=b"step %d" % i, created_us=i) for i in (1, 2, 3)]
    for step in steps[:2]:
        await storage.save_draft("a", step)
    with files_of(folder, "a").draft.open("ab") as file:
        file.write(b'{"turn_id":"t","rev')
    draft = await storage.load_draft("a")
    assert draft is not None
    assert draft.steps == tuple(steps[:2])
    await storage.save_draft("a", steps[2])
    draft = await storage.load_draft("a")
    assert draft is not None
    assert draft.steps == tuple(steps)


# -- damaged lines -----------------------------------------------------------------------------------------------------

DAMAGES: list[Callable[[bytes], bytes]] = [
    lambda line: line[: len(line) // 2],
    lambda line: b"\x00" * len(line),
    lambda _: b"",
    lambda line: line.replace(b'"body":{', b'"body":['),
    lambda line: line[:-1],
]


@pytest.mark.parametrize("change", DAMAGES, ids=range(len(DAMAGES)))
async def test_a_damaged_turn_is_named_and_the_others_stay_readable(
    storage: FileStorage, log: Path, change: Callable[[bytes], bytes]
) -> None:
    store = ChatMessageStore(storage=storage, thread_id="a")
    for text in ("1", "2", "3", "4"):
        await store.add_messages([ChatMessage(role="user", content=text)])
    damage(log, 2, change)
    async with FileStorage(storage.path) as another:
        store = ChatMessageStore(storage=another, thread_id="a")
        with pytest.raises(CorruptTurn) as error:
            await store.list_messages()
        assert (error.value.thread_id, error.value.number) == ("a", 2)
        assert [one.text for one in await store.list_messages(skip_corrupt=True)] == ["1", "3", "4"]
        assert [one.text for one in await store.list_messages(limit=2)] == ["3", "4"]
        assert (await another.append("a", a_turn(), expected=4)).revision == 5


async def test_after_a_damaged_last_turn_the_thread_goes_on(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1, 2, 3)
    damage(log, 3, lambda line: line[:-1])
    found = await storage.read("a")
    assert found.info is not None
    assert (found.info.revision, found.info.turns, found.info.messages) == (3, 3, 6)
    assert numbers(found) == [1, 2, 3]
    appended = await storage.append("a", a_turn(b"4"), expected=3)
    assert appended.revision == 4
    assert [record.body for record in (await storage.read("a", last_turns=1)).records] == [b"4"]


async def test_a_damaged_turn_survives_a_rewrite_and_can_be_trimmed_away(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1, 1, 1, 1)
    damage(log, 2, lambda line: line[:-1])
    await storage.undo("a")
    assert numbers(await storage.read("a")) == [1, 2, 3]
    await storage.trim("a", keep_turns=1)
    assert await bodies(storage, "a") == [b"3"]


async def test_damaged_settings_leave_the_turns_readable(
    storage: FileStorage, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(storage, "a", 1, 1)
    await fill(storage, "b", 1)
    overwrite(log, content_of(log).replace(b'"thread"', b'"thre\x00d"', 1))
    assert await bodies(storage, "a") == [b"1", b"2"]
    assert (await storage.append("a", a_turn(b"3"), expected=2)).revision == 3
    assert [info.id for info in (await storage.list_threads()).threads] == ["b"]
    assert log.name in caplog.text
    await storage.update_thread("a", title="mended")
    assert {info.id for info in (await storage.list_threads()).threads} == {"a", "b"}


async def test_the_settings_before_damaged_ones_hold(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1)
    await storage.update_thread("a", user_id="ana", title="old")
    await storage.update_thread("a", title="new")
    overwrite(log, content_of(log).replace(b'"title":"new"', b'"title":"new'))
    info = await storage.head("a")
    assert info is not None
    assert (info.user_id, info.title, info.revision) == ("ana", "old", 1)


async def test_a_file_of_garbage_is_an_error_that_names_it_and_hides_no_other(
    storage: FileStorage, log: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await fill(storage, "b", 1)
    overwrite(log, b"garbage\nmore\n")
    for step in (storage.read("a"), storage.append("a", a_turn())):
        with pytest.raises(StorageUnavailable, match=log.name):
            await step
    assert [info.id for info in (await storage.list_threads()).threads] == ["b"]
    assert log.name in caplog.text
    assert await storage.delete("a") is True


async def test_a_file_of_a_newer_recuerda_is_refused(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1)
    overwrite(log, content_of(log).replace(b'{"recuerda":1,', b'{"recuerda":2,'))
    for step in (storage.read("a"), storage.append("a", a_turn()), storage.undo("a")):
        with pytest.raises(StorageUnavailable, match="newer recuerda"):
            await step


async def test_offsets_that_lie_are_noticed(storage: FileStorage, log: Path) -> None:
    for i in range(1, 6):
        await storage.append("a", a_turn(str(i)), keep_messages=3)
    await storage.update_thread("a", title="T")
    # Somebody mends the file by hand: every line moves.
    first, *rest = content_of(log).splitlines(keepends=True)
    overwrite(log, first.replace(b'"thread":"a"', b'"thread":   "a"') + b"".join(rest))
    info = await storage.head("a")
    assert info is not None
    assert info.title == "T"
    await storage.append("a", a_turn("6"), keep_messages=3)
    assert await bodies(storage, "a") == [b"4", b"5", b"6"]


# -- the disk ----------------------------------------------------------------------------------------------------------


async def test_a_write_that_stops_in_the_middle_leaves_nothing(
    storage: FileStorage, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(storage, "a", 1)
    before = content_of(log)
    write = disk.pwrite

    def short(fd: int, data: bytes, offset: int) -> int:
        if len(data) < 50:
            raise OSError(errno.ENOSPC, "no space")
        return write(fd, data[:-40], offset)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "pwrite", short)
        with pytest.raises(StorageFull, match="free some space"):
            await storage.append("a", a_turn(id="t2"))
    assert content_of(log) == before
    assert not (await storage.append("a", a_turn(id="t2"), expected=1)).replayed


async def test_a_short_write_is_finished(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(storage, "a", 1)
    write = disk.pwrite

    def short(fd: int, data: bytes, offset: int) -> int:
        return write(fd, data[:10], offset)

    with monkeypatch.context() as patch:
        patch.setattr(disk, "pwrite", short)
        await storage.append("a", a_turn(b"whole"))
    assert await bodies(storage, "a") == [b"1", b"whole"]


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (errno.ENOSPC, StorageFull),
        (errno.EDQUOT, StorageFull),
        (errno.EROFS, StorageReadOnly),
        (errno.EIO, StorageUnavailable),
    ],
)
async def test_a_sync_that_fails_acknowledges_nothing(
    storage: FileStorage, log: Path, monkeypatch: pytest.MonkeyPatch, code: int, error: type[Exception]
) -> None:
    await fill(storage, "a", 1, 1)
    before = content_of(log)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fdatasync", failing(code))
        for step in (
            storage.append("a", a_turn(id="new")),
            storage.append("new", a_turn()),
            storage.undo("a"),
            storage.update_thread("a", title="T"),
            storage.save_draft("a", DraftStep(turn_id="t", revision=2, number=1, body=b"")),
        ):
            with pytest.raises(error, match="could not"):
                await step
    assert content_of(log) == before
    assert files_in(storage.path) == [log.name]
    assert (await storage.append("a", a_turn(id="new"), expected=2)).revision == 3


async def test_a_full_disk_is_said_and_what_was_acknowledged_is_there(folder: Path) -> None:
    script = """
import asyncio, json, resource, sys
from recuerda.errors import StorageFull
from recuerda.file import FileStorage
from recuerda.storage.records import NewTurn

async def main():
    told = []
    async with FileStorage(sys.argv[1]) as storage:
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
        try:
            for i in range(100):
                await storage.append("a", NewTurn(id=f"t{i}", body=b"x" * 997, message_count=1))
                told.append(f"t{i}")
        except StorageFull:
            print(json.dumps(told))

asyncio.run(main())
"""
    command = [sys.executable, "-c", script, str(folder)]
    done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True, timeout=30)
    told = json.loads(done.stdout)
    assert 5 < len(told) < 20
    async with FileStorage(folder) as storage:
        assert [record.id for record in (await storage.read("a")).records] == told
        assert (await storage.append("a", a_turn(), expected=len(told))).revision == len(told) + 1


async def test_a_crash_before_the_new_file_is_in_place_changes_nothing(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(storage, "a", 1, 1, 1)
    before = await storage.read("a")
    with monkeypatch.context() as patch:
        patch.setattr(Disk, "put_in_place", failing(errno.EIO))
        for step in (storage.undo("a"), storage.trim("a", keep_turns=1), storage.rewrite("a", {1: b"new"})):
            with pytest.raises(StorageUnavailable):
                await step
    assert files_of(folder, "a").new_log.exists()
    async with FileStorage(folder) as another:
        assert await another.read("a") == before
        assert [info.id for info in (await another.list_threads()).threads] == ["a"]
        undone = await another.undo("a", expected=3)
        assert undone is not None
        assert numbers(await another.read("a")) == [1, 2]
        assert not files_of(folder, "a").new_log.exists()


async def test_a_folder_that_is_a_file_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with FileStorage(tmp_path / "file") as storage:
        for step in (storage.append("a", a_turn()), storage.read("a"), storage.list_threads()):
            with pytest.raises(StorageUnavailable, match="file"):
                await step


async def test_no_permission_is_said_and_reading_goes_on(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(storage, "a", 1)
    monkeypatch.setattr(disk, "pwrite", failing(errno.EACCES))
    with pytest.raises(StorageReadOnly, match="permission on somewhere"):
        await storage.append("a", a_turn())
    assert await bodies(storage, "a") == [b"1"]


async def test_no_file_stays_open(storage: FileStorage, log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def open_files() -> int:
        return sum(1 for fd in Path("/proc/self/fd").iterdir() if str(storage.path) in os.path.realpath(fd))

    await fill(storage, "a", 1, 1)
    await storage.undo("a")
    await storage.list_threads()
    overwrite(log, content_of(log) + b"torn")
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    with pytest.raises(StorageUnavailable):
        await storage.append("a", NewTurn(body=b"", message_count=1))
    assert open_files() == 0
