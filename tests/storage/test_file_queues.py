"""Writes of one stripe take one OS thread and run in order, so neither a lock nor a slow disk stops other threads."""

import asyncio
import errno
import os
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import pytest

from recuerda.errors import StorageBusy, StorageUnavailable, ThreadConflict
from recuerda.file import FileStorage, disk
from recuerda.file.disk import Disk
from recuerda.file.locks import StripedLocks
from recuerda.file.names import files_of
from recuerda.file.place import Place
from recuerda.file.storage import WRITERS
from recuerda.file.workers import Workers
from recuerda.testing.storage_contract.base import a_turn, bodies, fill
from tests.storage.file_fixtures import folder, storage

__all__ = ["folder", "storage"]

MANY = WRITERS * 3
"""More writes than there are OS threads for them."""


def held(folder: Path, thread_id: str) -> AbstractContextManager[None]:
    """Hold the lock of a thread, as another process would."""
    locks = StripedLocks(folder / ".locks", timeout_s=1, disk=Disk(fsync=False), place=Place(folder))
    return locks.hold(files_of(folder, thread_id).stripe)


def others(folder: Path, thread_id: str) -> list[str]:
    """Return threads of other stripes."""
    names = (f"other {i}" for i in range(MANY))
    stripe = files_of(folder, thread_id).stripe
    return [name for name in names if files_of(folder, name).stripe != stripe]


def inode(storage: FileStorage) -> int:
    """Return the number of the file of thread "a"."""
    return files_of(storage.path, "a").log.stat().st_ino


async def has_come(*tasks: "asyncio.Task[object]") -> None:
    """Give the tasks the time to queue their jobs."""
    for _ in range(5):
        await asyncio.sleep(0)
    assert not any(task.done() for task in tasks)


async def test_appends_to_one_thread_are_in_the_order_in_which_they_came(storage: FileStorage) -> None:
    await asyncio.gather(*(storage.append("a", a_turn(b"%d" % i)) for i in range(MANY)))
    assert await bodies(storage, "a") == [b"%d" % i for i in range(MANY)]


async def test_a_stripe_with_many_writes_lets_the_others_have_their_turn() -> None:
    workers, done = Workers(1, "test"), list[str]()
    gate = threading.Event()
    workers.submit(gate.wait)  # the thread does nothing else until all jobs wait
    jobs = [workers.submit(partial(done.append, name), stripe=ord(name[0])) for name in ("a1", "a2", "a3", "b1", "b2")]
    gate.set()
    await asyncio.gather(*(job.future for job in jobs))
    workers.stop()
    assert done == ["a1", "b1", "a2", "b2", "a3"]


async def test_what_waits_is_done_when_the_threads_stop() -> None:
    workers, done = Workers(1, "test"), list[int]()
    gate = threading.Event()
    workers.submit(gate.wait, stripe=1)
    jobs = [workers.submit(partial(done.append, i), stripe=1) for i in range(5)]
    stopping = asyncio.create_task(asyncio.to_thread(workers.stop))
    await asyncio.sleep(0.05)
    gate.set()
    await stopping
    await asyncio.gather(*(job.future for job in jobs))
    assert done == [0, 1, 2, 3, 4]


async def test_writes_of_a_thread_that_is_locked_stop_no_other_thread(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    with held(folder, "a"):
        waiting = [asyncio.create_task(storage.append("a", a_turn())) for _ in range(MANY)]
        await has_come(*waiting)
        async with asyncio.timeout(5):
            for name in others(folder, "a")[:3]:
                assert (await storage.append(name, a_turn())).created
        assert not any(task.done() for task in waiting)
    assert [one.revision for one in await asyncio.gather(*waiting)] == [*range(2, MANY + 2)]


async def test_writes_behind_a_locked_one_are_busy_at_the_same_time(folder: Path) -> None:
    async with FileStorage(folder, busy_timeout_s=0.2) as storage:
        await fill(storage, "a", 1)
        with held(folder, "a"):
            async with asyncio.timeout(5):  # one after the other, they would wait for ten seconds
                appends = (storage.append("a", a_turn()) for _ in range(MANY))
                outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert [type(one) for one in outcomes] == [StorageBusy] * MANY
        assert await bodies(storage, "a") == [b"1"]


async def test_a_refused_append_does_not_touch_the_others(storage: FileStorage) -> None:
    await fill(storage, "a", 1)
    appends = [storage.append("a", a_turn(b"%d" % i), expected=1 if i == 1 else None) for i in range(3)]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [isinstance(one, ThreadConflict) for one in outcomes] == [False, True, False]
    assert await bodies(storage, "a") == [b"1", b"0", b"2"]


async def test_a_write_that_is_cancelled_while_it_waits_does_nothing(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    with held(folder, "a"):
        tasks = [asyncio.create_task(storage.append("a", a_turn(b"%d" % i))) for i in range(3)]
        await has_come(*tasks)
        tasks[1].cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(outcomes[1], asyncio.CancelledError)
    assert await bodies(storage, "a") == [b"1", b"0", b"2"]


async def test_a_write_that_is_cancelled_at_work_is_done_before_the_cancellation_is_raised(
    storage: FileStorage, slow: "Slow"
) -> None:
    await fill(storage, "a", 1)
    slow.inode = inode(storage)
    task = asyncio.create_task(storage.append("a", a_turn(b"2")))
    assert await asyncio.to_thread(slow.has_begun.wait, 10)
    task.cancel()
    await has_come(task)
    slow.ends.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await bodies(storage, "a") == [b"1", b"2"]


class Slow:
    """A disk that syncs one file late, and perhaps fails."""

    def __init__(self) -> None:
        self.inode = 0
        self.error: OSError | None = None
        self.has_begun = threading.Event()
        self.ends = threading.Event()

    def sync(self, fd: int) -> None:
        if os.fstat(fd).st_ino == self.inode:
            self.has_begun.set()
            self.ends.wait(10)
            if self.error is not None:
                raise self.error


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Iterator[Slow]:
    slow = Slow()
    monkeypatch.setattr(disk, "_sync", slow.sync)
    yield slow
    slow.ends.set()


async def test_a_file_whose_sync_is_slow_and_fails_does_not_touch_the_others(storage: FileStorage, slow: Slow) -> None:
    await fill(storage, "a", 1)
    slow.inode, slow.error = inode(storage), OSError(errno.EIO, "Input/output error")
    tasks = [asyncio.create_task(storage.append("a", a_turn(b"%d" % i))) for i in range(MANY)]
    assert await asyncio.to_thread(slow.has_begun.wait, 10)
    async with asyncio.timeout(5):
        await asyncio.gather(*(storage.append(name, a_turn()) for name in others(storage.path, "a")))
    slow.ends.set()
    with pytest.raises(StorageUnavailable):
        await tasks[0]
    slow.inode = 0
    done = await asyncio.gather(*tasks[1:], return_exceptions=True)
    acknowledged = [b"%d" % i for i, one in enumerate(done, 1) if not isinstance(one, BaseException)]
    assert await bodies(storage, "a") == [b"1", *acknowledged]


async def test_writes_that_wait_are_done_before_the_storage_is_closed(folder: Path) -> None:
    async with FileStorage(folder) as storage:
        tasks = [asyncio.create_task(storage.append("a", a_turn(b"%d" % i))) for i in range(MANY)]
        await has_come(*tasks)
    assert len(await asyncio.gather(*tasks)) == MANY
    async with FileStorage(folder) as again:
        assert len(await bodies(again, "a")) == MANY
    with pytest.raises(StorageUnavailable, match="has been closed"):
        await storage.append("a", a_turn())
