"""What a turn costs on SQLite, in steps of SQLite's virtual machine and in pages of the write-ahead log.

The figures do not depend on the machine, and hardly on SQLite's version: the bounds are a fifth above the figures of
SQLite 3.40. If a test fails, print `cost.taken()` at the commit before and at yours, and look at the programs of the
statements with `EXPLAIN`. A decision that makes a turn dearer raises the bound. `python -m bench.instructions` counts
all the instructions of a turn, also those of Python.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from recuerda import NewTurn
from recuerda.sqlite import SQLiteStorage, schema
from recuerda.sqlite import storage as sqlite_storage

FRAME_BYTES = 24 + 4096
"""A page in the write-ahead log, and its header: https://sqlite.org/fileformat2.html#the_write_ahead_log"""


class Cost:
    """Counts the steps of the storage's connections."""

    def __init__(self) -> None:
        self.steps = 0

    def connect(self, *args: Any, **options: Any) -> Any:
        connection = schema.connect(*args, **options)
        connection.set_progress_handler(self._count, 1)
        return connection

    def taken(self) -> int:
        steps, self.steps = self.steps, 0
        return steps

    def _count(self) -> None:
        self.steps += 1


@pytest.fixture
def cost(monkeypatch: pytest.MonkeyPatch) -> Cost:
    cost = Cost()
    monkeypatch.setattr(sqlite_storage, "connect", cost.connect)
    return cost


@pytest.fixture
async def storage(tmp_path: Path, cost: Cost) -> AsyncIterator[SQLiteStorage]:
    async with SQLiteStorage(tmp_path / "threads.db") as storage:
        for _ in range(30):
            await storage.append("a", a_turn(), user_id="ana", title="Rain")
        yield storage


def a_turn() -> NewTurn:
    return NewTurn(body=b"x" * 600, message_count=2)


async def test_a_read_without_news_is_one_short_statement(storage: SQLiteStorage, cost: Cost) -> None:
    info = await storage.head("a")
    assert info is not None
    cost.taken()
    found = await storage.read("a", after=info.version)
    assert found.is_continued
    assert cost.taken() <= 68


async def test_a_window_of_ten_turns_costs_a_few_steps_a_turn(storage: SQLiteStorage, cost: Cost) -> None:
    await storage.head("a")
    cost.taken()
    found = await storage.read("a", last_messages=20)
    assert len(found.records) == 10
    assert cost.taken() <= 290
    found = await storage.read("a", before=21, last_messages=20)
    assert [record.number for record in found.records] == list(range(11, 21))
    assert cost.taken() <= 290


async def test_an_append_costs_as_few_steps_and_pages_as_it_did(
    storage: SQLiteStorage, cost: Cost, tmp_path: Path
) -> None:
    info = await storage.head("a")
    assert info is not None
    log = tmp_path / "threads.db-wal"
    size = log.stat().st_size
    cost.taken()
    for _ in range(10):
        appended = await storage.append("a", a_turn(), expected=info.version, user_id="ana")
        info = structs.replace(info, revision=appended.revision, record_id=appended.record.id)
    assert cost.taken() <= 10 * 206
    # The turn, its id, the thread's row, and the row's place in two indexes of times. A full page adds two pages.
    assert (log.stat().st_size - size) // FRAME_BYTES <= 10 * 6
