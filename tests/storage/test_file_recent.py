"""Short operations on files run in the event loop if nothing makes them wait, and all others in OS threads."""

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from recuerda.errors import StorageBusy, StorageUnavailable, ThreadConflict
from recuerda.file import FileStorage, disk
from recuerda.file.disk import Disk
from recuerda.file.locks import StripedLocks
from recuerda.file.names import files_of
from recuerda.file.place import Place
from recuerda.file.workers import Workers
from recuerda.storage import recent
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.base import a_turn, bodies, fill, numbers
from tests.storage.file_fixtures import folder, log, storage
from tests.storage.hops import counted_hops

__all__ = ["folder", "log", "storage"]


@pytest.fixture(autouse=True)
def hops(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Give a function that returns how many jobs the OS threads were given since its last call."""
    return counted_hops(Workers, monkeypatch)


def cut(log: Path) -> None:
    """Cut the last newline, as if the process had died between the sync and the newline."""
    log.write_bytes(log.read_bytes()[:-1])


def move_away(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def remove(path: Path) -> None:
    path.unlink()


# -- reads -------------------------------------------------------------------------------------------------------------


async def test_a_window_that_was_read_lately_is_read_again_without_a_hop(
    storage: FileStorage, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", *(1 for _ in range(30)))
    first = await storage.read("a", last_messages=20)
    hops()
    assert await storage.read("a", last_messages=20) == first
    assert hops() == 0
    await storage.append("a", a_turn(b"new"))
    assert hops() == 1
    found = await storage.read("a", last_messages=20)
    assert (numbers(found), found.records[-1].body) == ([*range(12, 32)], b"new")
    assert await storage.head("a") == found.info
    assert hops() == 0


async def test_a_handle_that_has_read_the_thread_needs_a_hop_only_for_news(
    storage: FileStorage, folder: Path, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", 1, 1)
    info = (await storage.read("a")).info
    assert info is not None
    hops()
    found = await storage.read("a", after=info.version)
    assert (found.info, found.records, found.is_continued) == (info, (), True)
    assert hops() == 0
    async with FileStorage(folder) as other:
        await other.append("a", a_turn(b"news"))
    hops()
    found = await storage.read("a", after=info.version)
    assert ([record.body for record in found.records], found.is_continued) == ([b"news"], True)
    assert hops() == 1


async def test_a_handle_on_a_thread_that_was_made_anew_reads_it_in_an_os_thread(
    storage: FileStorage, folder: Path, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", 1)
    info = (await storage.read("a")).info
    assert info is not None
    async with FileStorage(folder) as other:
        await other.delete("a")
        await fill(other, "a", 1)
    hops()
    found = await storage.read("a", after=info.version)
    assert (numbers(found), found.is_continued) == ([1], False)
    assert hops() == 1


async def test_a_thread_that_was_made_lately_is_read_without_a_hop(
    storage: FileStorage, hops: Callable[[], int]
) -> None:
    await storage.append("a", a_turn(b"1"), expected=0)
    hops()
    assert await bodies(storage, "a") == [b"1"]
    assert hops() == 0
    await storage.append("a", a_turn(b"x" * recent.MAX_BYTES))
    hops()
    assert len(await bodies(storage, "a")) == 2
    assert hops() == 1


async def test_a_thread_without_a_file_is_read_without_a_hop(
    storage: FileStorage, folder: Path, hops: Callable[[], int]
) -> None:
    assert (await storage.read("a", last_messages=20)).info is None
    assert await storage.head("a") is None
    assert hops() == 0
    async with FileStorage(folder) as other:
        await fill(other, "a", 1)
    hops()
    assert numbers(await storage.read("a", last_messages=20)) == [1]
    assert hops() == 1


async def test_a_look_for_a_file_that_waited_pauses_the_reads_in_the_loop(
    storage: FileStorage, hops: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recent, "SLOW_S", -1.0)
    monkeypatch.setattr(recent, "_work_of_thread", iter([(0.0, number) for number in range(9)]).__next__)
    assert (await storage.read("a")).info is None
    assert hops() == 0
    assert (await storage.read("a")).info is None
    assert hops() == 1


@pytest.mark.parametrize("query", [{"last_messages": 21}, {"last_turns": 1}, {"turn_id": "t1"}, {"before": 2}, {}])
async def test_another_part_of_the_thread_is_read_in_an_os_thread(
    storage: FileStorage, hops: Callable[[], int], query: dict[str, Any]
) -> None:
    await fill(storage, "a", 1, 1)
    await storage.read("a", last_messages=20)
    hops()
    await storage.read("a", **query)
    assert hops() == 1


async def test_lines_in_doubt_are_read_in_an_os_thread(
    storage: FileStorage, log: Path, monkeypatch: pytest.MonkeyPatch, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", 1, 1)
    info = (await storage.read("a")).info
    assert info is not None
    cut(log)
    where: list[threading.Thread] = []

    def note(_: int) -> None:
        where.append(threading.current_thread())

    monkeypatch.setattr(disk, "_sync", note)
    hops()
    assert await bodies(storage, "a") == [b"1", b"2"]
    assert (await storage.read("a", after=info.version)).records == ()
    assert hops() == 2
    assert threading.main_thread() not in where


async def test_a_read_in_the_event_loop_tells_that_the_folder_was_removed(
    storage: FileStorage, folder: Path, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", 1)
    await storage.read("a")
    move_away(folder)
    hops()
    with pytest.raises(StorageUnavailable, match="removed"):
        await storage.read("a")
    assert hops() == 0
    assert (await storage.read("a")).info is None


async def test_a_file_that_was_removed_is_no_thread_any_more(
    storage: FileStorage, log: Path, hops: Callable[[], int]
) -> None:
    await fill(storage, "a", 1)
    info = (await storage.read("a")).info
    assert info is not None
    remove(log)
    hops()
    assert (await storage.read("a")).info is None
    assert (await storage.read("a", after=info.version)).info is None
    assert hops() == 0


# -- appends -----------------------------------------------------------------------------------------------------------


async def test_without_syncs_an_append_needs_no_hop(folder: Path, hops: Callable[[], int]) -> None:
    async with FileStorage(folder, fsync=False) as storage:
        hops()
        first = await storage.append("a", a_turn(b"1"), expected=0, user_id="ana", title="Rain")
        assert (first.revision, first.created, first.replayed) == (1, True, False)
        assert (await storage.append("a", a_turn(b"2"), expected=1)).revision == 2
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(b"3"), expected=1)
        assert await bodies(storage, "a") == [b"1", b"2"]
        assert hops() == 0


@pytest.mark.parametrize(
    ("turn", "options"),
    [
        (NewTurn(id="mine", body=b"2", message_count=1), {}),
        (a_turn(b"2"), {"keep_messages": 50}),
        (a_turn(b"2"), {"last_step": ""}),
        (a_turn(b"2"), {"replaces": 1}),
    ],
    ids=["an id of the caller", "a limit", "the last step of a draft", "a replacement"],
)
async def test_an_append_that_may_take_long_runs_in_an_os_thread(
    folder: Path, hops: Callable[[], int], turn: NewTurn, options: dict[str, Any]
) -> None:
    async with FileStorage(folder, fsync=False) as storage:
        await fill(storage, "a", 1)
        hops()
        await storage.append("a", turn, **options)
        assert hops() == 1


async def test_with_syncs_each_append_runs_in_an_os_thread(storage: FileStorage, hops: Callable[[], int]) -> None:
    await fill(storage, "a", 1, 1)
    assert hops() == 2


async def test_an_append_waits_in_an_os_thread_for_another_process(folder: Path, hops: Callable[[], int]) -> None:
    locks = StripedLocks(folder / ".locks", timeout_s=1, disk=Disk(fsync=False), place=Place(folder))
    async with FileStorage(folder, fsync=False, busy_timeout_s=0.2) as storage:
        await fill(storage, "a", 1)
        with locks.hold(files_of(folder, "a").stripe):
            hops()
            with pytest.raises(StorageBusy):
                await storage.append("a", a_turn(b"refused"))
            assert hops() == 1
        assert await bodies(storage, "a") == [b"1"]


async def test_an_append_does_not_overtake_the_writes_that_wait(folder: Path) -> None:
    async with FileStorage(folder, fsync=False) as storage:
        await fill(storage, "a", 1)
        appends = [storage.append("a", a_turn(b"%d" % i), keep_messages=50 if i == 2 else None) for i in range(2, 6)]
        await asyncio.gather(*appends)
        assert await bodies(storage, "a") == [b"%d" % i for i in range(1, 6)]


async def test_after_an_operation_that_waited_all_run_in_os_threads_for_a_while(
    folder: Path, hops: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with FileStorage(folder, fsync=False) as storage:
        await fill(storage, "a", 1)
        info = (await storage.read("a")).info
        assert info is not None
        monkeypatch.setattr(recent, "SLOW_S", -1.0)
        monkeypatch.setattr(recent, "_work_of_thread", iter([(0.0, number) for number in range(9)]).__next__)
        await storage.append("a", a_turn(b"2"))
        monkeypatch.setattr(recent, "PAUSE_S", 0.0)
        hops()
        await storage.append("a", a_turn(b"3"))
        await storage.read("a", after=info.version)
        assert hops() == 2


# -- the OS threads ----------------------------------------------------------------------------------------------------


async def test_a_thread_does_many_short_jobs_and_wakes_the_loop_once() -> None:
    workers, gate = Workers(4, "test", share=16), threading.Event()
    first = workers.submit(lambda: gate.wait(10))
    jobs = [workers.submit(threading.get_ident) for _ in range(14)]
    gate.set()
    await first.future
    assert len({await job.future for job in jobs}) == 1
    await asyncio.to_thread(workers.stop)


async def test_further_threads_start_if_many_jobs_wait() -> None:
    workers, gate, begun = Workers(4, "test", share=2), threading.Event(), threading.Semaphore(0)

    def job() -> int:
        begun.release()
        gate.wait(10)
        return threading.get_ident()

    jobs = [workers.submit(job) for _ in range(7)]
    for _ in range(4):
        assert await asyncio.to_thread(begun.acquire, timeout=10)
    gate.set()
    assert len({await job.future for job in jobs}) == 4
    await asyncio.to_thread(workers.stop)
