"""Lines of files count once they are synced: a failed sync is never seen, and a killed writer's work is finished."""

import asyncio
import errno
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import pytest

from recuerda.errors import StorageUnavailable
from recuerda.file import FileStorage, disk
from recuerda.file.names import files_of
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.base import a_turn, bodies, fill, numbers
from recuerda.testing.storage_contract.versions import everything
from tests.storage.file_fixtures import folder, log, storage

__all__ = ["folder", "log", "storage"]

Write: TypeAlias = Callable[[FileStorage], Awaitable[object]]

WRITES: dict[str, Write] = {
    "append": lambda storage: storage.append("a", a_turn("refused", id="r")),
    "append, with a limit": lambda storage: storage.append("a", a_turn("refused"), keep_messages=1),
    "append_all": lambda storage: storage.append_all("a", [a_turn("refused"), a_turn("refused")]),
    "a first turn": lambda storage: storage.append("new", a_turn("refused"), title="Refused", user_id="ana"),
    "a fork": lambda storage: storage.append_all("new", [a_turn("refused"), a_turn("refused")], expected=0),
    "a first turn after settings": lambda storage: storage.append("set", a_turn("refused"), title="Refused"),
    "a summary": lambda storage: storage.summarize("a", b"refused", through=1),
    "settings": lambda storage: storage.update_thread("a", title="Refused"),
    "a first draft": lambda storage: storage.save_draft("new", a_step(1)),
    "a step": lambda storage: storage.save_draft("a", a_step(2, revision=2)),
}
"""Every write that adds lines."""


def a_step(number: int, *, revision: int = 0) -> DraftStep:
    return DraftStep(turn_id="d", revision=revision, number=number, body=b"step", created_us=1)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def overwrite(path: Path, content: bytes) -> None:
    path.write_bytes(content)


async def prepare(storage: FileStorage) -> None:
    await fill(storage, "a", 1, 1)
    await storage.save_draft("a", a_step(1, revision=2))
    await storage.update_thread("set", metadata={"k": 1})


async def seen(storage: FileStorage) -> list[object]:
    """Return everything that a reader can see."""
    threads = ("a", "new", "set")
    infos = sorted([info async for info in storage.threads()], key=lambda info: info.id)
    listed = (await storage.list_threads()).threads
    found = (await storage.read("a", turn_id="r")).found
    return [infos, listed, found, *[await everything(storage, thread) for thread in threads]]


@asynccontextmanager
async def failing_sync(monkeypatch: pytest.MonkeyPatch, call: Awaitable[object]) -> AsyncGenerator[None, None]:
    """Start a write, and run the block while its sync has begun and not yet failed."""
    begun, ends = threading.Event(), threading.Event()

    def sync(_: int) -> None:
        begun.set()
        ends.wait(10)
        raise OSError(errno.EIO, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(disk, "_sync", sync)
        task = asyncio.ensure_future(call)
        try:
            assert await asyncio.to_thread(begun.wait, 10)
            yield
        finally:
            ends.set()
        with pytest.raises(StorageUnavailable):
            await task


@pytest.mark.parametrize("name", WRITES)
async def test_no_reader_sees_lines_whose_sync_fails(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await prepare(storage)
    before = await seen(storage)
    async with FileStorage(folder) as other:
        async with failing_sync(monkeypatch, WRITES[name](storage)):
            assert await seen(storage) == before
            assert await seen(other) == before
        assert await seen(storage) == before
        assert await seen(other) == before
    await WRITES[name](storage)
    assert await seen(storage) != before


async def test_a_handle_goes_on_after_a_failed_sync_of_another(
    storage: FileStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(storage, "a", 1)
    async with failing_sync(monkeypatch, storage.append("a", a_turn("refused"))):
        version = (await storage.read("a")).info
        assert version is not None
        assert version.revision == 1
    await storage.append("a", a_turn("acknowledged"))
    found = await storage.read("a", after=version.version)
    assert ([record.body for record in found.records], found.is_continued) == ([b"acknowledged"], True)


WRITER = """
import asyncio, sys
import recuerda.file.disk as disk
from recuerda.errors import StorageUnavailable
from recuerda.file import FileStorage
from recuerda.storage.records import NewTurn

def sync(fd):
    print("syncing", flush=True)
    sys.stdin.readline()
    raise OSError(5, "Input/output error")

async def main():
    async with FileStorage(sys.argv[1]) as storage:
        disk._sync = sync
        for thread in ("a", "new"):
            turns = [NewTurn(id=f"r{i}", body=b"refused", message_count=1) for i in range(3)]
            try:
                await storage.append_all(thread, turns[: 1 if thread == "a" else 3])
            except StorageUnavailable:
                print("refused", flush=True)

asyncio.run(main())
"""


async def test_no_reader_in_another_process_sees_a_turn_whose_sync_fails(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1, 1)
    before = await seen(storage)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", WRITER, str(folder), stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    for _ in ("a", "new"):
        assert await process.stdout.readline() == b"syncing\n"
        assert await seen(storage) == before
        process.stdin.write(b"\n")
        assert await process.stdout.readline() == b"refused\n"
        assert await seen(storage) == before
    assert await process.wait() == 0


# -- writers that were killed ------------------------------------------------------------------------------------------

KILLED = """
import asyncio, os, sys
import recuerda.file.disk as disk
from recuerda.file import FileStorage
from recuerda.storage.records import NewTurn

folder, thread, where, count = sys.argv[1:]
write = os.pwrite

def half(fd, data, offset):
    write(fd, data[: len(data) // 2], offset)
    os._exit(0)

async def main():
    async with FileStorage(folder) as storage:
        if where == "sync":
            disk._sync = lambda fd: os._exit(0)
        else:
            disk.pwrite = half
        turns = [NewTurn(id=f"k{i}", body=b"%d" % i, message_count=1) for i in range(int(count))]
        await storage.append_all(thread, turns)

asyncio.run(main())
"""


async def kill_in(folder: Path, thread: str, where: str, count: int) -> None:
    """Let a process append turns, and end it in the middle of its first write or sync."""
    command = [sys.executable, "-c", KILLED, str(folder), thread, where, str(count)]
    await asyncio.to_thread(subprocess.run, command, check=True, timeout=30)


@pytest.mark.parametrize("count", [1, 3])
async def test_whole_lines_of_a_killed_writer_are_synced_by_the_reader(
    storage: FileStorage, folder: Path, log: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    await fill(storage, "a", 1)
    await kill_in(folder, "a", "sync", count)
    assert not content_of(log).endswith(b"\n")
    synced: list[int] = []
    with monkeypatch.context() as patch:
        patch.setattr(disk, "_sync", synced.append)
        found = await storage.read("a", turn_id="k0")
    assert (numbers(found), bool(found.found), bool(synced)) == ([*range(1, count + 2)], True, True)
    assert (await storage.append("a", a_turn(id=f"k{count - 1}"))).replayed
    assert (await storage.append("a", a_turn(id="after"), expected=count + 1)).revision == count + 2
    assert numbers(await storage.read("a")) == [*range(1, count + 3)]
    assert content_of(log).endswith(b"\n")


async def test_an_append_of_many_turns_that_was_cut_off_can_be_repeated(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    await kill_in(folder, "a", "write", 300)
    held = len((await storage.read("a")).records)
    turns = [NewTurn(id=f"k{i}", body=b"%d" % i, message_count=1) for i in range(300)]
    again = await storage.append_all("a", turns)
    assert sum(one.replayed for one in again) == held - 1
    assert await bodies(storage, "a") == [b"1", *(b"%d" % i for i in range(300))]


@pytest.mark.parametrize("where", ["write", "sync"])
async def test_a_fork_that_was_cut_off_is_no_thread_or_a_whole_one(
    storage: FileStorage, folder: Path, where: str
) -> None:
    await kill_in(folder, "a", where, 300)
    found = [one async for one in storage.threads()]
    turns = [NewTurn(id=f"k{i}", body=b"%d" % i, message_count=1) for i in range(300)]
    if not found:
        assert await storage.head("a") is None
        assert not any(one.replayed for one in await storage.append_all("a", turns, expected=0))
    assert await bodies(storage, "a") == [b"%d" % i for i in range(300)]


async def test_a_step_of_a_killed_writer_stays_in_its_draft(storage: FileStorage, folder: Path) -> None:
    for number in (1, 2):
        await storage.save_draft("a", a_step(number))
    path = files_of(folder, "a").draft
    overwrite(path, content_of(path)[:-1])  # as if the process had died between the sync and the newline
    draft = await storage.load_draft("a")
    assert draft is not None
    assert len(draft.steps) == 2
    await storage.save_draft("a", a_step(3))
    draft = await storage.load_draft("a")
    assert draft is not None
    assert [step.number for step in draft.steps] == [1, 2, 3]


async def test_a_person_may_delete_the_last_line_of_many(storage: FileStorage, log: Path) -> None:
    await storage.append_all("a", [a_turn(f"{i}", id=f"t{i}") for i in range(3)])
    await storage.append_all("a", [a_turn(f"{i}", id=f"t{i}") for i in range(3, 6)])
    for count in (5, 4, 3, 2):
        overwrite(log, b"".join(content_of(log).splitlines(keepends=True)[:-1]))
        assert await bodies(storage, "a") == [b"%d" % i for i in range(count)]
    assert (await storage.append("a", a_turn("new"), expected=2)).revision == 3


async def test_a_read_without_a_writer_takes_no_lock(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(storage, "a", 1, 1)

    def fail(*_: object) -> None:
        pytest.fail("locked")

    monkeypatch.setattr("recuerda.file.os_locks.try_lock", fail)
    assert await bodies(storage, "a") == [b"1", b"2"]


async def test_a_reader_does_not_wait_for_a_sync(storage: FileStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    await fill(storage, "a", 1)
    async with failing_sync(monkeypatch, storage.append("a", a_turn())):
        async with asyncio.timeout(5):
            assert await bodies(storage, "a") == [b"1"]
