"""The jobs that an event loop submits in one round run together while the worker is busy."""

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from recuerda._drivers.sqlite_names import Place
from recuerda.errors import StorageUnavailable
from recuerda.sqlite import SQLiteStorage, schema
from recuerda.sqlite.worker import Worker, WorkerJob
from recuerda.sqlite.writer import Writer
from recuerda.storage import recent
from recuerda.testing.storage_contract.base import a_turn, bodies


class Groups:
    """A worker whose jobs note the number of the transaction in which they run."""

    def __init__(self, path: Path) -> None:
        self.transactions = 0
        self.gate = threading.Event()
        self.worker = Writer(partial(self._connect, path), name="test", place=Place(path))

    def _connect(self, path: Path) -> sqlite3.Connection:
        connection = schema.connect(str(path), synchronous="NORMAL", busy_timeout_s=5.0, is_reader=False)
        connection.set_trace_callback(self._note)
        return connection

    def _note(self, statement: str) -> None:
        self.transactions += statement == "BEGIN IMMEDIATE"

    def number(self, _: sqlite3.Connection) -> int:
        return self.transactions

    def wait(self, _: sqlite3.Connection) -> bool:
        return self.gate.wait(10)

    async def make_busy(self) -> None:
        """Let a group of two jobs run."""
        self.gate.clear()
        first = self.worker.submit(self.wait)
        later = [self.worker.submit(self.number) for _ in range(2)]
        self.gate.set()
        await asyncio.gather(first.future, *(job.future for job in later))
        assert self.worker.is_busy


@pytest.fixture
async def groups(tmp_path: Path) -> AsyncIterator[Groups]:
    groups = Groups(tmp_path / "threads.db")
    yield groups
    await asyncio.to_thread(groups.worker.stop)


async def submit_slowly(groups: Groups) -> list[int]:
    """Submit jobs in one round of the event loop, and give the worker's thread the time to begin in between."""
    jobs: list[WorkerJob[int]] = []
    for _ in range(5):
        jobs.append(groups.worker.submit(groups.number))
        time.sleep(0.01)  # noqa: ASYNC251 - the event loop must not go on
    return [await job.future for job in jobs]


async def test_the_jobs_of_one_round_share_a_transaction_while_the_worker_is_busy(groups: Groups) -> None:
    await groups.make_busy()
    assert len(set(await submit_slowly(groups))) == 1


async def test_a_job_alone_begins_at_once(groups: Groups) -> None:
    await groups.make_busy()
    await groups.worker.submit(groups.number).future
    assert not groups.worker.is_busy
    assert len(set(await submit_slowly(groups))) > 1


async def test_what_was_submitted_runs_before_the_worker_stops(groups: Groups) -> None:
    await groups.make_busy()
    job = groups.worker.submit(groups.number)
    groups.worker.stop()
    assert await job.future == groups.transactions
    with pytest.raises(StorageUnavailable):
        groups.worker.submit(groups.number)


async def test_two_event_loops_do_not_wait_for_each_other(groups: Groups) -> None:
    await groups.make_busy()
    mine = groups.worker.submit(groups.number)

    async def other() -> int:
        async with asyncio.timeout(10):
            return await groups.worker.submit(groups.number).future

    # This loop stands still meanwhile, so it does not end its round.
    theirs: list[int] = []
    thread = threading.Thread(target=lambda: theirs.append(asyncio.run(other())))
    thread.start()
    thread.join(20)
    assert theirs
    assert await mine.future in range(groups.transactions + 1)


async def test_while_many_write_their_reads_run_in_the_readers_thread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: list[Worker] = []
    submit = Worker.submit

    def noted(worker: Worker, *arguments: Any, **options: Any) -> Any:
        used.append(worker)
        return submit(worker, *arguments, **options)

    monkeypatch.setattr(recent, "SLOW_S", float("inf"))  # a busy machine must not change the counts
    monkeypatch.setattr(Worker, "submit", noted)
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        await storage.append("a", a_turn(b"1"), expected=0)
        writer = used.pop()
        assert (await bodies(storage, "a"), used) == ([b"1"], [])
        writer.is_busy = True
        assert await bodies(storage, "a") == [b"1"]
        assert (len(used), writer in used) == (1, False)
        await storage.append("a", a_turn(b"2"))  # alone, so the writer is not busy any more
        used.clear()
        assert (await bodies(storage, "a"), used) == ([b"1", b"2"], [])
