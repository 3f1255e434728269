"""Facts special to SQLite's file: disks and files that refuse, other programs' files, schemas, ends."""

import asyncio
import contextlib
import gc
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from recuerda._drivers.sqlite_names import Place
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.errors import CorruptTurn, StorageError, StorageFull, StorageReadOnly, StorageUnavailable
from recuerda.messages.codec import decode_turn
from recuerda.sqlite import SQLiteStorage, erasing, schema
from recuerda.sqlite import storage as sqlite_storage
from recuerda.sqlite.erasing import Eraser
from recuerda.sqlite.writer import Writer
from recuerda.storage.contract import Storage
from recuerda.storage.records import Blob, NewTurn

ROOT = Path(__file__).parents[2]


def a_turn(body: bytes = b"hi", *, id: str | None = None) -> NewTurn:
    return NewTurn(body=body, message_count=2, id=id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


async def fill(path: Path, turns: int) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append_all("a", [a_turn(f"{i}".encode()) for i in range(1, turns + 1)])


def change(path: Path, *statements: str) -> None:
    """Let another program change the file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def run_script(script: str, *arguments: object) -> str:
    command = [sys.executable, "-c", script, *map(str, arguments)]
    done = subprocess.run(command, check=False, timeout=30, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


# -- limits ------------------------------------------------------------------------------------------------------------


def limit_pages(monkeypatch: pytest.MonkeyPatch, pages: int) -> None:
    """Give the storage a disk of so many pages."""

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = schema.connect(*args, **options)
        connection.execute(f"PRAGMA max_page_count = {pages}")
        return connection

    monkeypatch.setattr(sqlite_storage, "connect", connect)


async def append_until_full(storage: Storage) -> int:
    for number in range(1000):
        try:
            await storage.append("a", a_turn(b"x" * 3000, id=f"t{number}"), expected=number)
        except StorageFull:
            return number
    raise AssertionError("the disk is never full")


async def test_on_a_full_disk_what_was_acknowledged_stays(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        limit_pages(patch, 30)
        async with SQLiteStorage(path) as storage:
            acknowledged = await append_until_full(storage)
            assert acknowledged > 5
            found = await storage.read("a")
            assert [record.id for record in found.records] == [f"t{i}" for i in range(acknowledged)]
            with pytest.raises(StorageFull, match="free some space"):
                await storage.append("a", a_turn(b"x" * 30_000))
    async with SQLiteStorage(path) as roomy:
        retried = await roomy.append("a", a_turn(b"x" * 3000, id=f"t{acknowledged}"), expected=acknowledged)
        assert (retried.replayed, retried.revision) == (False, acknowledged + 1)


async def test_a_file_that_may_not_be_written_can_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = schema.connect(*args, **options)
        connection.execute("PRAGMA query_only = ON")
        return connection

    monkeypatch.setattr(sqlite_storage, "connect", connect)
    async with SQLiteStorage(path) as storage:
        with pytest.raises(StorageReadOnly, match="check its permissions"):
            await storage.append("a", a_turn())
        assert len((await storage.read("a")).records) == 1


async def test_a_failure_among_appends_that_share_a_commit_stops_only_itself(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit_pages(monkeypatch, 40)
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())
        appends = [storage.append("a", a_turn(b"x" * (1_000_000 if i == 7 else 10))) for i in range(20)]
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert [i for i, one in enumerate(outcomes) if isinstance(one, BaseException)] == [7]
        assert isinstance(outcomes[7], StorageFull)
        assert [record.number for record in (await storage.read("a")).records] == list(range(1, 21))


# -- files that are not ours, or damaged -------------------------------------------------------------------------------


def content(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


async def refused(path: Path, match: str) -> None:
    before = content(path)
    async with SQLiteStorage(path) as storage:
        with pytest.raises(StorageUnavailable, match=match):
            await storage.append("a", a_turn())
        with pytest.raises(StorageUnavailable, match=match):
            await storage.read("a")
    assert content(path) == before


def test_a_file_that_is_no_database_is_refused_and_left_alone(path: Path) -> None:
    path.write_bytes(b"Dear diary, " * 1000)
    asyncio.run(refused(path, "not a SQLite file"))


async def test_another_programs_database_is_refused_and_left_alone(path: Path) -> None:
    change(path, "CREATE TABLE recipes (name TEXT)")
    await refused(path, "another program")
    change(path, "DROP TABLE recipes", "PRAGMA application_id = 77")
    await refused(path, "another program")


def test_a_folder_in_place_of_the_file_is_refused(path: Path) -> None:
    path.mkdir()
    asyncio.run(refused(path, "cannot be opened"))


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    asyncio.run(refused(tmp_path / "file" / "threads.db", "cannot be opened"))


def test_missing_folders_are_made(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "some" / "where" / "threads.db", 1))
    assert (tmp_path / "some" / "where" / "threads.db").is_file()


def test_an_empty_file_becomes_a_storage(path: Path) -> None:
    path.touch()
    asyncio.run(fill(path, 2))


def test_a_damaged_page_is_a_clear_error_and_no_wrong_answer(path: Path) -> None:
    asyncio.run(fill(path, 2000))
    content = bytearray(path.read_bytes())
    content[3 * 4096 :] = b"\xa5" * (len(content) - 3 * 4096)
    path.write_bytes(content)

    async def read() -> None:
        async with SQLiteStorage(path) as storage:
            with pytest.raises(StorageError, match="damaged"):
                await storage.read("a")

    asyncio.run(read())


async def test_a_damaged_body_costs_that_turn_only(path: Path) -> None:
    await fill(path, 3)
    change(path, 'UPDATE turns SET body = CAST(\'{"v":1,"mess\' AS BLOB) WHERE position & 4294967295 = 2')
    async with SQLiteStorage(path) as storage:
        found = await storage.read("a")
    assert [record.body for record in found.records] == [b"1", b'{"v":1,"mess', b"3"]
    with pytest.raises(CorruptTurn, match="turn 2 of thread 'a'"):
        decode_turn(found.records[1].body, thread_id="a", number=2)


# -- erased text -------------------------------------------------------------------------------------------------------


def secrets_in(folder: Path) -> set[bytes]:
    """Return the marked texts in all bytes of a folder's files."""
    return {found for file in folder.iterdir() for found in re.findall(rb"SECRET\d+!", file.read_bytes())}


def secret_turn(number: int, *, size: int = 900) -> NewTurn:
    return NewTurn(body=f"SECRET{number}!".encode() * (size // 10), message_count=1)


async def erase_user(storage: SQLiteStorage) -> None:
    await storage.erase_user("ana")


async def trim(storage: SQLiteStorage) -> None:
    await storage.trim("ana's", keep_turns=1)
    await storage.undo("ana's")


async def rewrite(storage: SQLiteStorage) -> None:
    await storage.rewrite("ana's", dict.fromkeys(range(1, 101), b"sealed"))


@pytest.mark.parametrize("erase", [erase_user, trim, rewrite])
async def test_erased_text_is_in_no_byte_of_the_files(
    path: Path, erase: Callable[[SQLiteStorage], Awaitable[None]]
) -> None:
    async with SQLiteStorage(path) as storage:
        for number in range(100):
            # The threads grow side by side, so SQLite splits pages that hold rows of both.
            await storage.append("ana's", secret_turn(number), user_id="ana")
            await storage.append("bo's", NewTurn(body=b"b" * 700, message_count=1), user_id="bo")
        assert len(secrets_in(path.parent)) == 100
        await erase(storage)
        for _ in range(60):
            if not secrets_in(path.parent):
                break
            await asyncio.sleep(0.05)
        assert secrets_in(path.parent) == set()
        assert len((await storage.read("bo's")).records) == 100


async def test_erased_text_leaves_the_log_when_its_reader_has_ended(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", secret_turn(1), user_id="ana")
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM turns").fetchall()
            await storage.delete("a")
            assert secrets_in(path.parent) == {b"SECRET1!"}
            reader.execute("COMMIT")
        await asyncio.sleep(1.5)
        assert secrets_in(path.parent) == set()


def do_nothing(eraser: erasing.Eraser, connection: sqlite3.Connection) -> None: ...


async def test_the_log_that_a_killed_process_left_is_emptied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasing, "LATE_S", 0.1)
    async with SQLiteStorage(path) as killed:
        with monkeypatch.context() as patch:
            patch.setattr(erasing.Eraser, "finish", do_nothing)
            await killed.append("a", secret_turn(1))
            await killed.delete("a")
        assert secrets_in(path.parent) == {b"SECRET1!"}
        async with SQLiteStorage(path) as storage:
            await storage.append("b", a_turn())
            await asyncio.sleep(0.5)
            assert secrets_in(path.parent) == set()


async def test_copies_that_a_killed_process_left_in_pages_are_removed_by_the_next_writer(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = Random(0)
    with monkeypatch.context() as patch:
        patch.setattr(erasing.Eraser, "finish", do_nothing)
        async with SQLiteStorage(path) as killed:
            for number in range(150):
                size = draw.choice([50, 300, 900, 2000, 4000])
                await killed.append("ana's", secret_turn(number, size=size), user_id="ana")
                for _ in range(draw.randrange(3)):
                    other = NewTurn(body=b"b" * draw.choice([40, 700, 2500]), message_count=1)
                    await killed.append(f"{draw.randrange(4)}", other)
            await killed.rewrite("ana's", dict.fromkeys(range(1, 151), b"sealed"))
    assert secrets_in(path.parent)
    async with SQLiteStorage(path) as storage:
        await storage.append("0", a_turn())
        assert len((await storage.read("ana's")).records) == 150
    assert secrets_in(path.parent) == set()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT due FROM erasures").fetchone() == (0,)


async def test_a_removal_of_another_process_during_the_cleaning_stays_noted(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rewrite_small = erasing.rewrite_small

    def meet_another(connection: sqlite3.Connection, largest_bytes: int) -> bool:
        is_rewritten = rewrite_small(connection, largest_bytes)
        with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as another:
            erasing.mark_due(another)
        return is_rewritten

    async with SQLiteStorage(path) as storage:
        await storage.append("a", secret_turn(1))
        monkeypatch.setattr(erasing, "rewrite_small", meet_another)
        await storage.delete("a")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT due FROM erasures").fetchone()[0] > 0


# -- schemas -----------------------------------------------------------------------------------------------------------


async def test_a_file_of_a_newer_recuerda_is_refused_and_left_alone(path: Path) -> None:
    await fill(path, 1)
    change(path, f"PRAGMA user_version = {schema.VERSION + 1}")
    change(path, "PRAGMA wal_checkpoint(TRUNCATE)")
    await refused(path, "newer recuerda.*upgrade")


async def test_an_empty_file_has_one_page_for_each_table_and_index_and_no_tables_of_blobs(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.read("a")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        trees = connection.execute("SELECT name FROM sqlite_master WHERE rootpage > 0").fetchall()
        pages = connection.execute("PRAGMA page_count").fetchone()[0]
    assert pages == len(trees) + 1  # the schema itself has one page
    assert not [name for (name,) in trees if "blob" in name]


async def test_the_first_blob_of_a_file_is_read_by_a_storage_that_has_it_open(path: Path) -> None:
    blob, later = Blob.of(b"picture"), Blob.of(b"drawing")
    async with SQLiteStorage(path) as writer, SQLiteStorage(path) as reader:
        await writer.append("a", a_turn())
        assert (await reader.read("a", blobs=None)).blobs == {}
        assert await reader.rewrite("a", {1: b"there"}, released={1: (blob.digest,)})
        for thread_id in ("a", "b"):
            await writer.append(thread_id, NewTurn(body=b"look", message_count=1, blobs=(blob,)))
        assert (await reader.read("a", blobs=None)).blobs == {blob.digest: blob.data}
        await reader.append("b", NewTurn(body=b"again", message_count=1, blobs=(later,)))
        assert await writer.read_blobs("b", (blob.digest, later.digest)) == {
            blob.digest: blob.data,
            later.digest: later.data,
        }


async def test_tables_that_cannot_be_made_leave_an_empty_file(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(schema, "_SCHEMA", ("CREATE TABLE threads (key INTEGER PRIMARY KEY)", "no SQL at all"))
        async with SQLiteStorage(path) as storage:
            with pytest.raises(StorageError):
                await storage.read("a")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone() == (0,)
        assert connection.execute("SELECT count(*) FROM sqlite_master").fetchone() == (0,)
    await fill(path, 3)


# -- beginnings and ends -----------------------------------------------------------------------------------------------


UNCLOSED = """
import asyncio, sys
from recuerda.storage.records import Blob, NewTurn
from recuerda.sqlite import SQLiteStorage

storage = SQLiteStorage(sys.argv[1])

async def main():
    await storage.append("a", NewTurn(body=b"1", message_count=1))
    begun = asyncio.ensure_future(storage.append("a", NewTurn(body=b"2", message_count=1)))
    await asyncio.sleep(0)

asyncio.run(main())
"""


def test_a_storage_left_unclosed_keeps_its_turns_and_does_not_hold_up_the_exit(path: Path) -> None:
    run_script(UNCLOSED, path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM turns").fetchone()[0] in (1, 2)


async def test_a_forgotten_storage_ends_its_threads(path: Path) -> None:
    before = set(threading.enumerate())
    storage = SQLiteStorage(path)
    await storage.append("a", a_turn())
    assert len(set(threading.enumerate()) - before) == 2
    del storage
    gc.collect()
    assert set(threading.enumerate()) <= before


async def test_a_closed_storage_leaves_one_file(path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_loops_that_come_and_go_use_one_storage(path: Path) -> None:
    storage = SQLiteStorage(path)
    for i in range(5):
        assert asyncio.run(storage.append("a", a_turn())).revision == i + 1
    asyncio.run(storage.close())


def test_a_loop_that_ends_with_writes_under_way_harms_nobody(path: Path) -> None:
    storage = SQLiteStorage(path)

    async def begin() -> None:
        begun = [asyncio.ensure_future(storage.append("a", a_turn(id=f"t{i}"))) for i in range(50)]
        await asyncio.sleep(0)
        assert not any(one.done() for one in begun)

    async def settle(storage: Storage) -> int:
        await storage.append_all("a", [a_turn(id=f"t{i}") for i in range(50)])
        return len((await storage.read("a")).records)

    asyncio.run(begin())
    assert asyncio.run(settle(storage)) == 50
    asyncio.run(storage.close())


async def test_a_worker_whose_connection_breaks_opens_another(path: Path) -> None:
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(schema.connect(str(path), synchronous="FULL", busy_timeout_s=5.0, is_reader=False))
        return opened[-1]

    def break_down(connection: sqlite3.Connection) -> None:
        connection.close()
        raise OSError("the disk went away")

    worker = Writer(connect, name="test", place=Place(path))
    for failing in (break_down, break_down):
        with pytest.raises((sqlite3.Error, OSError)):
            await worker.submit(failing).future
    assert await worker.submit(lambda connection: connection.execute("SELECT 7").fetchone()).future == (7,)
    assert len(opened) == 3
    await asyncio.to_thread(worker.stop)


async def test_a_connection_whose_file_cannot_be_read_at_its_opening_is_closed(path: Path) -> None:
    opened: list[sqlite3.Connection] = []

    def connect() -> sqlite3.Connection:
        opened.append(schema.connect(str(path), synchronous="FULL", busy_timeout_s=5.0, is_reader=False))
        opened[-1].execute("CREATE TABLE erasures (key INTEGER)")
        return opened[-1]

    worker = Writer(connect, name="test", place=Place(path))
    with pytest.raises(sqlite3.OperationalError, match="no such column: due"):
        await worker.submit(lambda _connection: None).future
    await asyncio.to_thread(worker.stop)
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


async def test_a_file_that_could_not_be_opened_is_tried_again(path: Path) -> None:
    change(path, "CREATE TABLE recipes (name TEXT)")
    async with SQLiteStorage(path) as storage:
        with pytest.raises(StorageUnavailable):
            await storage.append("a", a_turn())
        change(path, "DROP TABLE recipes")
        assert (await storage.append("a", a_turn())).revision == 1


# -- erasures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
async def left_by_a_killed_process(path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[SQLiteStorage]:
    """Return a storage that stays open while a process erases a text, and is killed before it removes the copies."""
    async with SQLiteStorage(path) as living:
        await living.append("a", a_turn(b"A SECRET."), user_id="ana")
        with monkeypatch.context() as patch:
            patch.setattr(Eraser, "finish", do_nothing)
            async with SQLiteStorage(path) as killed:
                await killed.erase_user("ana")
        assert is_somewhere(b"A SECRET.", path)
        yield living


def is_somewhere(text: bytes, path: Path) -> bool:
    return any(text in file.read_bytes() for file in path.parent.iterdir())


async def test_a_repeated_erasure_removes_the_copies_that_a_killed_process_left(
    path: Path, left_by_a_killed_process: SQLiteStorage
) -> None:
    assert (await left_by_a_killed_process.erase_user("ana")).threads == 0
    assert not is_somewhere(b"A SECRET.", path)


def viewed(storage: Storage) -> Storage:
    return storage.for_user("ana")


def encrypted(storage: Storage) -> Storage:
    return EncryptedStorage(storage, KeyRing({"k": b"k" * 32}, current="k"))


@pytest.mark.parametrize("wrapped", [viewed, encrypted])
async def test_a_repeated_erasure_through_another_storage_removes_them_too(
    path: Path, left_by_a_killed_process: SQLiteStorage, wrapped: Callable[[Storage], Storage]
) -> None:
    assert (await wrapped(left_by_a_killed_process).erase_user("ana")).threads == 0
    assert not is_somewhere(b"A SECRET.", path)


async def test_a_process_that_only_reads_empties_the_log_that_a_killed_process_left(
    path: Path, left_by_a_killed_process: SQLiteStorage
) -> None:
    async with SQLiteStorage(path) as reader:
        assert await reader.head("a") is None
    assert not is_somewhere(b"A SECRET.", path)
