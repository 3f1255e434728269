"""With `synchronous="NORMAL"`, a small commit runs in the event loop: the contract, and what stays in the OS thread."""

import asyncio
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest

from recuerda._drivers.sqlite_names import Place
from recuerda.errors import StorageBusy, StorageUnavailable, ThreadConflict
from recuerda.sqlite import SQLiteStorage, schema, writer
from recuerda.sqlite.worker import Worker
from recuerda.sqlite.writer import Writer
from recuerda.storage import recent
from recuerda.storage.operations import Guard
from recuerda.storage.recent import RecentReads
from recuerda.testing.storage_contract import LeaseContract, RewriteContract
from recuerda.testing.storage_contract.base import a_turn, bodies
from tests.storage.hops import counted_hops
from tests.variant_contract import VariantContract

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    async with SQLiteStorage(path, synchronous="NORMAL", busy_timeout_s=0.2) as storage:
        yield storage


@pytest.fixture
def hops(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Give a function that returns how many jobs SQLite's threads were given since its last call."""
    return counted_hops(Worker, monkeypatch)


class TestUnsynced(VariantContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def another(self, path: Path) -> AsyncIterator[SQLiteStorage]:
        async with SQLiteStorage(path, synchronous="NORMAL") as another:
            yield another


async def begin(storage: SQLiteStorage, thread_id: str = "a") -> None:
    """Begin a thread, so that the next small append to it needs no hop."""
    await storage.append(thread_id, a_turn(b"1"), expected=0)


async def test_a_turn_of_a_thread_in_use_needs_no_hop(storage: SQLiteStorage, hops: Callable[[], int]) -> None:
    await begin(storage)
    assert hops() == 1  # opens the file
    for number in range(2, 5):
        await asyncio.sleep(0)  # as a model's answer is waited for
        assert len((await storage.read("a", last_messages=20)).records) == number - 1
        appended = await storage.append("a", a_turn(str(number).encode()), expected=number - 1)
        assert appended.revision == number
    assert hops() == 0
    async with SQLiteStorage(storage.path) as other:
        assert await bodies(other, "a") == [b"1", b"2", b"3", b"4"]


async def test_a_loop_of_appends_lets_other_tasks_run(storage: SQLiteStorage) -> None:
    await begin(storage)
    rounds = 0

    async def count() -> None:
        nonlocal rounds
        while True:
            await asyncio.sleep(0)
            rounds += 1

    counting = asyncio.ensure_future(count())
    for number in range(40):
        await storage.append("a", a_turn(b"x"), expected=number + 1)
    counting.cancel()
    assert rounds >= 20


async def test_a_synced_commit_needs_a_hop(path: Path, hops: Callable[[], int]) -> None:
    async with SQLiteStorage(path) as storage:
        await begin(storage)
        hops()
        await storage.append("a", a_turn(b"2"), expected=1)
        assert hops() == 1


@pytest.mark.parametrize("what", ["large", "unknown", "limited", "undo"])
async def test_other_writes_need_a_hop(storage: SQLiteStorage, hops: Callable[[], int], what: str) -> None:
    await begin(storage)
    async with SQLiteStorage(storage.path) as other:
        await other.append("b", a_turn(b"1"))
    hops()
    if what == "large":
        await storage.append("a", a_turn(b"x" * 70_000))
    elif what == "unknown":
        await storage.append("b", a_turn(b"2"))
    elif what == "limited":
        await storage.append("a", a_turn(b"2"), keep_messages=10)
    else:
        await storage.undo("a", number=1)
    assert hops() == 1


async def test_a_refused_turn_writes_nothing(storage: SQLiteStorage, hops: Callable[[], int]) -> None:
    await begin(storage)
    hops()
    with pytest.raises(ThreadConflict):
        await storage.append("a", a_turn(b"2"), expected=7)
    assert hops() == 0
    await storage.append("a", a_turn(b"2"), expected=1)
    assert await bodies(storage, "a") == [b"1", b"2"]


async def test_the_event_loop_does_not_wait_for_another_process(
    storage: SQLiteStorage, hops: Callable[[], int]
) -> None:
    await begin(storage)
    hops()
    other = sqlite3.connect(storage.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = asyncio.ensure_future(storage.append("a", a_turn(b"2")))
    began = time.monotonic()
    await asyncio.sleep(0)
    assert (time.monotonic() - began < 0.1, waiting.done()) == (True, False)
    with pytest.raises(StorageBusy):
        await waiting
    waiting = asyncio.ensure_future(storage.append("a", a_turn(b"3")))
    await asyncio.sleep(0)
    other.execute("COMMIT")
    other.close()
    assert (await waiting).revision == 2
    assert await bodies(storage, "a") == [b"1", b"3"]


async def test_the_writes_of_one_round_go_to_the_thread_from_the_second_on(
    storage: SQLiteStorage, hops: Callable[[], int]
) -> None:
    for thread_id in "abcdef":
        await begin(storage, thread_id)
        await asyncio.sleep(0)
    hops()
    await asyncio.gather(*(storage.append(one, a_turn(b"x"), expected=1) for one in "abcdef"))
    assert hops() == 5
    assert [len(await bodies(storage, one)) for one in "abcdef"] == [2] * 6


WRITE_UNTIL_KILLED = """
import asyncio, sys
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import NewTurn

async def main():
    async with SQLiteStorage(sys.argv[1], synchronous="NORMAL") as storage:
        revision = (await storage.read("a", last_messages=1)).info
        number = revision.revision if revision else 0
        while True:
            number += 1
            await storage.append("a", NewTurn(body=b"%d" % number, message_count=1), expected=number - 1)
            print(number, flush=True)
            await asyncio.sleep(0)

asyncio.run(main())
"""


def write_and_kill(path: Path, turns: int) -> int:
    """Let a process append turns, kill it after this number of them, and return the last one that it acknowledged."""
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(turns)]
        process.kill()
        return int([*told, *process.stdout.read().splitlines()][-1])


async def test_a_killed_process_loses_nothing_that_it_acknowledged(path: Path) -> None:
    for kill in range(6):
        # Some of the kills meet the moving of the log.
        acknowledged = await asyncio.to_thread(write_and_kill, path, 200 + 37 * kill)
        async with SQLiteStorage(path, synchronous="NORMAL") as storage:
            stored = await bodies(storage, "a")
        assert stored == [b"%d" % (number + 1) for number in range(len(stored))]
        assert len(stored) in (acknowledged, acknowledged + 1)


async def test_a_file_that_was_replaced_is_noticed_before_the_acknowledgement(storage: SQLiteStorage) -> None:
    await begin(storage)
    storage.path.rename(storage.path.with_name("old.db"))
    with pytest.raises(StorageUnavailable, match="removed or renamed"):
        await storage.append("a", a_turn(b"2"))
    with pytest.raises(StorageUnavailable):
        await storage.append("a", a_turn(b"3"))


class Watched:
    """A writer whose commits run in the caller's thread, and a list of its statements and their threads."""

    def __init__(self, path: Path) -> None:
        self.statements: list[tuple[str, threading.Thread]] = []
        connect = partial(self._connect, path)
        self.writer = Writer(connect, name="writer", place=Place(path), watch=RecentReads().timed)

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = schema.connect(str(path), synchronous="NORMAL", busy_timeout_s=1.5, is_reader=False)
        connection.set_trace_callback(lambda text: self.statements.append((text, threading.current_thread())))
        return connection

    async def write(self, statement: str = "PRAGMA user_version = 1") -> None:
        self.writer.is_busy = False
        await asyncio.sleep(0)  # the next round of the event loop
        if self.writer.write_now(lambda connection: connection.execute(statement).rowcount) is None:
            await self.writer.submit(lambda connection: connection.execute(statement).rowcount).future


@pytest.fixture
async def watched(path: Path) -> AsyncIterator[Watched]:
    watched = Watched(path)
    await watched.write()
    watched.statements.clear()
    yield watched
    await asyncio.to_thread(watched.writer.stop)


async def test_the_log_is_moved_into_the_file_by_the_workers_thread(path: Path, watched: Watched) -> None:
    # Without a pause between the writes, the thread may get the connection only when it has to.
    for _ in range(3 * writer.LOG_COMMITS + 10):
        await watched.write()
    await watched.writer.submit(lambda _connection: None).future  # after what the thread was woken for
    here = {text for text, thread in watched.statements if thread is threading.current_thread()}
    moved = [thread for text, thread in watched.statements if "wal_checkpoint" in text]
    assert "COMMIT" in here
    assert not any("wal_checkpoint" in text for text in here)
    assert len(moved) in (2, 3)
    # Each of the commits writes one page, and the log begins anew after it was moved.
    assert path.with_name("threads.db-wal").stat().st_size < 2 * writer.LOG_COMMITS * 4_200


async def test_after_a_write_that_was_broken_off_nothing_is_left(watched: Watched) -> None:
    def broken(connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA user_version = 7")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched.writer.write_now(broken)
    version = await watched.writer.submit(lambda db: db.execute("PRAGMA user_version").fetchone()[0]).future
    assert version == 1


async def test_after_a_second_write_in_a_round_the_worker_is_busy(watched: Watched) -> None:
    worker = watched.writer
    await asyncio.sleep(0)
    assert [worker.write_now(lambda _: 7), worker.write_now(lambda _: 8)] == [(7,), None]
    assert worker.is_busy
    await asyncio.sleep(0)
    assert worker.write_now(lambda _: 9) is None  # the writes of this round may become a group
    await worker.submit(lambda _: None).future  # alone, so the worker is not busy any more
    assert worker.write_now(lambda _: 10) == (10,)


def test_appends_to_threads_in_use_need_no_disk_unless_one_had_to_wait() -> None:
    now = [100.0]
    reads = RecentReads(lambda: now[0])

    def append(thread_id: str, *, revision: int) -> bool:
        return reads.grow(thread_id, [], Guard(revision=revision))

    assert [append("a", revision=0), append("a", revision=1), append("b", revision=1)] == [True, True, False]
    reads.timed(time.sleep)(0.02)
    assert not append("a", revision=2)
    now[0] += recent.PAUSE_S
    assert append("a", revision=3)
    now[0] += recent.FRESH_S + 1
    assert [append("a", revision=4), append("a", revision=5)] == [False, True]


async def test_a_thread_that_was_not_used_lately_needs_a_hop(
    storage: SQLiteStorage, hops: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    await begin(storage)
    hops()
    monkeypatch.setattr(recent, "FRESH_S", -1.0)
    await storage.append("a", a_turn(b"2"), expected=1)
    assert hops() == 1
