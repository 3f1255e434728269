"""The parts of SQLite's schema that are made when they are needed first: for leases, drafts, removals and files."""

import asyncio
import contextlib
import sqlite3
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from recuerda.errors import StorageError
from recuerda.sqlite import SQLiteStorage, schema
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import Blob, NewTurn

Use = Callable[[SQLiteStorage], Awaitable[object]]


def a_turn() -> NewTurn:
    return NewTurn(body=b"hi", message_count=2)


def a_picture() -> NewTurn:
    return NewTurn(body=b"look", message_count=1, blobs=(Blob.of(b"picture"),))


def a_step(revision: int) -> DraftStep:
    return DraftStep(turn_id="t", revision=revision, number=1, body=b"step")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


async def tables_after(path: Path, *uses: Use) -> set[str]:
    """Return the names of the tables of a new file, after some uses of it."""
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())
        await storage.append("a", a_turn())
        for use in uses:
            await use(storage)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def take_a_lease(storage: SQLiteStorage) -> None:
    await storage.take_lease("a", "me", timedelta(minutes=1))


async def save_a_draft(storage: SQLiteStorage) -> None:
    await storage.save_draft("a", a_step(2))


async def remove_a_turn(storage: SQLiteStorage) -> None:
    await storage.trim("a", keep_turns=1)


async def show_a_picture(storage: SQLiteStorage) -> None:
    await storage.append("a", a_picture())


@pytest.mark.parametrize(
    ("use", "made"),
    [
        (take_a_lease, {"leases"}),
        (save_a_draft, {"drafts"}),
        (remove_a_turn, {"removed", "erasures"}),
        (show_a_picture, {"blobs", "turn_blobs"}),
    ],
)
async def test_tables_that_few_files_need_are_made_when_they_are_needed(path: Path, use: Use, made: set[str]) -> None:
    assert await tables_after(path, use, use) == {"threads", "turns"} | made


async def test_uses_that_find_nothing_make_no_table(path: Path) -> None:
    async def use(storage: SQLiteStorage) -> None:
        assert await storage.list_leases() == []
        assert (await storage.list_drafts()).drafts == ()
        await storage.release_lease("a", "nobody")
        assert await storage.load_draft("a") is None
        assert (await storage.read("a", turn_id="unknown")).found is None

    assert await tables_after(path, use) == {"threads", "turns"}


async def test_a_table_that_another_connection_makes_is_found_by_open_ones(path: Path) -> None:
    async with SQLiteStorage(path) as one, SQLiteStorage(path) as other:
        await one.append("a", a_turn())
        for storage in (one, other):
            assert (await storage.read("a")).has_draft is False
            assert await storage.list_leases() == []
        await asyncio.gather(*(storage.save_draft(name, a_step(0)) for storage in (one, other) for name in "bc"))
        await asyncio.gather(*(storage.take_lease("a", "me", timedelta(minutes=1)) for storage in (one, other)))
        for storage in (one, other):
            assert [info.thread_id for info in (await storage.list_drafts()).drafts] == ["b", "c"]
            assert (await storage.read("b")).has_draft
            assert [lease.thread_id for lease in await storage.list_leases()] == ["a"]


async def test_a_turn_that_fails_takes_the_tables_back_that_it_made(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("CREATE TRIGGER full BEFORE UPDATE OF marks ON threads BEGIN SELECT RAISE(ABORT, 'x'); END")
            with pytest.raises(StorageError):
                await storage.save_draft("a", a_step(1))
            assert not other.execute("SELECT 1 FROM sqlite_master WHERE name = 'drafts'").fetchall()
            other.execute("DROP TRIGGER full")
        await storage.save_draft("a", a_step(1))
        assert (await storage.read("a")).has_draft


async def test_a_deleted_thread_leaves_no_row_in_any_table(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_picture())
        await storage.append("a", a_turn())
        await storage.trim("a", keep_turns=1)
        await storage.save_draft("a", a_step(3))
        await storage.delete("a")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        for table in ("threads", "turns", "removed", "drafts", "turn_blobs", "blobs"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchone() == (0,), table


async def test_the_draft_of_a_turn_is_gone_with_its_mark(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        info = (await storage.append("a", a_turn())) and await storage.head("a")
        assert info is not None
        await storage.save_draft("a", a_step(1))
        # The append of a known version must see the draft, and remove it.
        await storage.append("a", a_turn(), expected=info.version)
        assert (await storage.read("a")).has_draft is False
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM drafts").fetchone() == (0,)
        assert connection.execute("SELECT marks FROM threads").fetchone() == (0,)


def test_a_new_file_has_ten_pages(path: Path) -> None:
    schema.connect(str(path), synchronous="FULL", busy_timeout_s=1.0, is_reader=False).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA page_count").fetchone() == (10,)
