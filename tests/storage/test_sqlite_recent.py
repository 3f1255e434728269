"""Short reads that were done lately run in the event loop, and all other reads in SQLite's own thread."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from recuerda.errors import StorageUnavailable
from recuerda.sqlite import SQLiteStorage
from recuerda.sqlite.worker import Worker
from recuerda.storage import recent
from recuerda.storage.operations import NO_GUARD, Guard, NewRecord, ReadQuery, ThreadSlice
from recuerda.storage.recent import RecentReads
from recuerda.storage.records import Blob, TurnRecord
from recuerda.storage.thread_info import ThreadInfo
from recuerda.testing.storage_contract.base import a_turn, bodies, fill, numbers
from tests.storage.hops import counted_hops

WINDOW = ReadQuery(last_messages=20)
INFO = ThreadInfo(
    id="a",
    revision=1,
    incarnation="i",
    record_id="t",
    edits=0,
    rewritten=0,
    first=1,
    turns=1,
    messages=2,
    user_id=None,
    title=None,
    title_turn=None,
    metadata={},
    created_us=1,
    updated_us=1,
)
EMPTY = ThreadSlice(info=INFO)


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Give a function that returns how many jobs SQLite's threads were given since its last call."""
    return counted_hops(Worker, monkeypatch)


def found_of(body: bytes, *, count: int = 1) -> ThreadSlice:
    record = TurnRecord(number=1, id="t", created_us=1, committed_us=1, message_count=2, body=body)
    return ThreadSlice(info=INFO, records=(record,) * count)


async def test_a_window_that_was_read_lately_is_read_again_without_a_hop(
    tmp_path: Path, hops: Callable[[], int]
) -> None:
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
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


async def test_a_read_in_the_event_loop_sees_the_commits_of_other_processes(
    tmp_path: Path, hops: Callable[[], int]
) -> None:
    async with SQLiteStorage(tmp_path / "threads.db") as storage, SQLiteStorage(tmp_path / "threads.db") as other:
        await fill(storage, "a", 1, 1)
        await storage.read("a")
        await other.append("a", a_turn(b"other"))
        hops()
        assert await bodies(storage, "a") == [b"1", b"2", b"other"]
        await other.delete("a")
        assert (await storage.read("a")).info is None
        assert hops() == 1


@pytest.mark.parametrize("query", [{"last_messages": 21}, {"last_turns": 1}, {"turn_id": "t1"}, {"before": 2}, {}])
async def test_another_part_of_the_thread_is_read_in_sqlites_thread(
    tmp_path: Path, hops: Callable[[], int], query: dict[str, Any]
) -> None:
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        await fill(storage, "a", 1, 1)
        await storage.read("a", last_messages=20)
        hops()
        await storage.read("a", **query)
        assert hops() == 1


async def test_a_window_that_has_become_large_is_read_in_sqlites_thread(
    tmp_path: Path, hops: Callable[[], int]
) -> None:
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        await fill(storage, "a", 1)
        await storage.read("a", last_messages=20)
        await storage.append("a", a_turn(b"x" * recent.MAX_BYTES))
        hops()
        for _ in range(2):
            assert len((await storage.read("a", last_messages=20)).records) == 2
        assert hops() == 2


async def test_a_read_in_the_event_loop_tells_that_the_file_was_removed(
    tmp_path: Path, hops: Callable[[], int]
) -> None:
    path = tmp_path / "threads.db"
    async with SQLiteStorage(path) as storage:
        await fill(storage, "a", 1)
        await storage.read("a")
        path.unlink()
        hops()
        with pytest.raises(StorageUnavailable, match="removed"):
            await storage.read("a")
        assert hops() == 0
        assert (await storage.read("a")).info is None


def test_a_read_is_short_for_a_minute() -> None:
    now = 0.0
    reads = RecentReads(lambda: now)
    assert not reads.is_short("a", WINDOW)
    reads.note("a", WINDOW, found_of(b"x"))
    now = recent.FRESH_S
    assert reads.is_short("a", WINDOW)
    assert not reads.is_short("b", WINDOW)
    now += 1
    assert not reads.is_short("a", WINDOW)


def test_windows_of_many_bytes_or_records_are_not_short() -> None:
    reads = RecentReads(lambda: 0.0)
    reads.note("a", WINDOW, found_of(b"x" * recent.MAX_BYTES))
    assert reads.is_short("a", WINDOW)
    record = NewRecord(id="t", is_new_id=True, created_us=1, committed_us=1, message_count=2, body=b"x")
    reads.grow("a", [record], NO_GUARD)
    assert not reads.is_short("a", WINDOW)
    reads.note("a", WINDOW, found_of(b"x"))
    assert reads.is_short("a", WINDOW)
    reads.note("a", WINDOW, found_of(b"x", count=recent.MAX_RECORDS + 1))
    assert not reads.is_short("a", WINDOW)


def test_the_files_of_a_turn_make_only_the_windows_long_that_read_files() -> None:
    reads = RecentReads(lambda: 0.0)
    file = Blob("d", b"x" * recent.MAX_BYTES)
    record = NewRecord(id="t", is_new_id=True, created_us=1, committed_us=1, message_count=2, body=b"x", blobs=(file,))
    for blobs, is_short in ((0, True), (2, False), (None, False)):
        query = ReadQuery(last_messages=20, blobs=blobs)
        reads.note("a", query, found_of(b"x"))
        reads.grow("a", [record], NO_GUARD)
        assert reads.is_short("a", query) is is_short


def test_the_windows_of_only_so_many_threads_are_remembered() -> None:
    reads = RecentReads(lambda: 0.0)
    for number in range(recent.MAX_THREADS + 1):
        reads.note(f"{number}", WINDOW, EMPTY)
    assert [reads.is_short(name, WINDOW) for name in ("0", "1", "1024")] == [False, True, True]


def test_after_a_read_that_waited_no_read_is_short_for_a_while() -> None:
    now = 0.0
    reads = RecentReads(lambda: now)
    reads.note("a", WINDOW, EMPTY)
    assert reads.timed(str)("read") == "read"

    def slow(text: str) -> str:
        time.sleep(recent.SLOW_S * 5)
        return text

    assert reads.timed(slow)("slow") == "slow"
    assert not reads.is_short("a", WINDOW)
    now = recent.PAUSE_S
    assert reads.is_short("a", WINDOW)


def test_a_long_read_that_only_works_stops_no_other_read(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = RecentReads(lambda: 0.0)
    reads.note("a", WINDOW, EMPTY)
    waits = iter(range(9))

    def only_work() -> tuple[float, int]:
        return time.perf_counter(), next(waits)

    monkeypatch.setattr(recent, "_work_of_thread", only_work)
    reads.timed(time.sleep)(recent.SLOW_S * 5)
    assert reads.is_short("a", WINDOW)


def test_a_read_is_not_slow_because_another_program_had_its_processor(monkeypatch: pytest.MonkeyPatch) -> None:
    reads = RecentReads(lambda: 0.0)
    reads.note("a", WINDOW, EMPTY)

    def no_wait() -> tuple[float, int]:
        return 0.0, 7

    monkeypatch.setattr(recent, "_work_of_thread", no_wait)
    reads.timed(time.sleep)(recent.SLOW_S * 5)
    assert reads.is_short("a", WINDOW)


def test_a_thread_that_begins_here_is_known_as_a_whole() -> None:
    reads = RecentReads(lambda: 0.0)
    record = NewRecord(id="t", is_new_id=True, created_us=1, committed_us=1, message_count=2, body=b"x")
    reads.grow("a", [record], Guard(revision=0))
    reads.grow("b", [record], Guard(revision=1))
    reads.grow("c", [record], NO_GUARD)
    assert [reads.is_short(name, WINDOW) for name in "abc"] == [True, False, False]
    assert reads.is_short("a", ReadQuery(last_turns=1))
    reads.grow("a", [structs.replace(record, body=b"x" * recent.MAX_BYTES)], NO_GUARD)
    assert not reads.is_short("a", WINDOW)
