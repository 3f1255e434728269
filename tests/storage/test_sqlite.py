"""Facts special to SQLite at work: what a turn costs in statements and commits, who waits, and the SQL view."""

import asyncio
import contextlib
import json
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from recuerda import open_storage
from recuerda.errors import ConfigurationError, StorageBusy, ThreadConflict
from recuerda.messages.codec import encode_turn
from recuerda.messages.message import ChatMessage, FunctionCallContent, TextContent, Turn
from recuerda.sqlite import SQLiteStorage, drafts, schema, threads
from recuerda.sqlite import storage as sqlite_storage
from recuerda.sqlite.worker import Worker
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.storage.thread_info import ThreadInfo, Version


def a_turn(body: bytes = b"hi", *, id: str | None = None) -> NewTurn:
    return NewTurn(body=body, message_count=2, id=id)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


@pytest.fixture
async def storage(path: Path) -> AsyncIterator[SQLiteStorage]:
    async with SQLiteStorage(path, busy_timeout_s=0.3) as storage:
        yield storage


@pytest.fixture
def plain(path: Path) -> Iterator[sqlite3.Connection]:
    """Another program's connection to the same file."""
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        yield connection


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The first word or two of every statement that the storage's connections run, once they are open."""
    seen: list[str] = []

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = schema.connect(*args, **options)
        connection.set_trace_callback(lambda statement: seen.append(" ".join(statement.split()[:2])))
        return connection

    monkeypatch.setattr(sqlite_storage, "connect", connect)
    return seen


@contextlib.contextmanager
def write_lock(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


# -- what a turn costs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [10, 3_000])
async def test_a_turn_is_one_read_and_one_transaction_however_long_the_thread(
    storage: SQLiteStorage, statements: list[str], length: int
) -> None:
    await storage.append_all("a", [a_turn() for _ in range(length)])
    await storage.head("a")
    statements.clear()
    found = await storage.read("a", last_messages=20)
    assert statements == ["BEGIN", "SELECT printf(", "SELECT (position", "COMMIT"]
    statements.clear()
    assert found.info is not None
    await storage.append("a", a_turn(id="given"), expected=found.info.revision)
    by_verb = [statement.split()[0] for statement in statements]
    assert by_verb == ["BEGIN", "SELECT", "SELECT", "INSERT", "UPDATE", "COMMIT"]
    assert statements[0] == "BEGIN IMMEDIATE"


async def test_a_warm_turn_is_one_statement_that_reads_and_two_that_write(
    storage: SQLiteStorage, statements: list[str]
) -> None:
    await storage.append_all("a", [a_turn() for _ in range(30)], user_id="ana")
    info = await storage.head("a")
    assert info is not None
    statements.clear()
    assert (await storage.read("a", after=info.version, user_id="ana")).is_continued
    assert statements == ["SELECT printf("]
    statements.clear()
    appended = await storage.append("a", a_turn(), expected=info.version, user_id="ana")
    assert [statement.split()[0] for statement in statements] == ["BEGIN", "UPDATE", "INSERT", "COMMIT"]
    found = await storage.read("a")
    assert found.records[-1] == appended.record
    assert found.info is not None
    assert (found.info.turns, found.info.messages, found.info.revision) == (31, 62, 31)


async def test_a_warm_read_needs_no_thread(storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch) -> None:
    info = (await storage.append("a", a_turn())) and await storage.head("a")
    assert info is not None
    jobs = 0
    submit = Worker.submit

    def counted(self: Worker, run: Any, **options: Any) -> Any:
        nonlocal jobs
        jobs += 1
        return submit(self, run, **options)

    monkeypatch.setattr(Worker, "submit", counted)
    assert (await storage.read("a", after=info.version)).is_continued
    assert jobs == 0
    appended = await storage.append("a", a_turn(), expected=info.version)
    found = await storage.read("a", after=info.version)
    assert found.records == (appended.record,)
    assert jobs == 2  # the append, and the read of its record


async def test_a_warm_read_waits_in_the_queue_only_while_both_connections_are_in_use(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = (await storage.append("a", a_turn())) and await storage.head("a")
    assert info is not None
    may_end = threading.Event()

    def slow(job: Callable[..., Any], has_begun: threading.Event) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            has_begun.set()
            may_end.wait(20)
            return job(*args)

        return run

    is_reading, is_writing = threading.Event(), threading.Event()
    monkeypatch.setattr(threads, "walk", slow(threads.walk, is_reading))
    monkeypatch.setattr(threads, "update", slow(threads.update, is_writing))
    walking = asyncio.ensure_future(_all_of(storage))
    await asyncio.to_thread(is_reading.wait)
    async with asyncio.timeout(10):
        assert (await storage.read("a", after=info.version)).is_continued
    updating = asyncio.ensure_future(storage.update_thread("b", title="T"))
    await asyncio.to_thread(is_writing.wait)
    reading = asyncio.ensure_future(storage.read("a", after=info.version))
    await asyncio.sleep(0.01)
    is_answered = reading.done()
    may_end.set()
    assert not is_answered
    assert (await reading).is_continued
    await asyncio.gather(walking, updating)


async def test_a_usual_turn_is_refused_like_any_other(storage: SQLiteStorage) -> None:
    await storage.append_all("a", [a_turn(), a_turn()], user_id="ana")
    info = await storage.head("a")
    assert info is not None
    version = info.version
    with pytest.raises(ThreadConflict):
        await storage.append("a", a_turn(), expected=version, user_id="bo")
    for stale in (
        Version(version.incarnation, 1, version.record_id),
        Version(version.incarnation, 3, version.record_id),
        Version(version.incarnation, 2, "another"),
        Version("another", 2, version.record_id),
    ):
        with pytest.raises(ThreadConflict):
            await storage.append("a", a_turn(), expected=stale, user_id="ana")
    assert await storage.head("a") == info
    await storage.save_draft("a", DraftStep(number=1, turn_id="t", revision=2, body=b"step"), user_id="ana")
    await storage.append("a", a_turn(), expected=version, user_id="ana")
    assert await storage.load_draft("a") is None


@pytest.mark.parametrize("summaries", [0, 1, 300])
async def test_the_newest_summary_costs_one_statement_however_many_there_are(
    storage: SQLiteStorage, statements: list[str], summaries: int
) -> None:
    await storage.append_all("a", [a_turn() for _ in range(1_000)])
    for _ in range(summaries):
        await storage.summarize("a", b"so far", through=998)
    statements.clear()
    found = await storage.read("a", with_summary=True, last_messages=20)
    assert statements == ["BEGIN", "SELECT printf(", "SELECT position,", "SELECT (position", "COMMIT"]
    assert (found.summary is None) == (summaries == 0)


@pytest.mark.parametrize("steps", [1, 200])
async def test_a_step_is_one_write_however_many_there_are(
    storage: SQLiteStorage, statements: list[str], steps: int
) -> None:
    for number in range(1, steps + 1):
        await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=number, body=b"step"))
    statements.clear()
    await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=steps + 1, body=b"step"))
    by_verb = [statement.split()[0] for statement in statements]
    assert by_verb == ["BEGIN", "SELECT", "SELECT", "INSERT", "COMMIT"]


async def test_no_statement_of_a_turn_scans_a_table(
    storage: SQLiteStorage, plain: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: set[str] = set()

    def connect(*args: Any, **options: Any) -> sqlite3.Connection:
        connection = schema.connect(*args, **options)
        connection.set_trace_callback(seen.add)
        return connection

    monkeypatch.setattr(sqlite_storage, "connect", connect)
    await storage.append("a", a_turn(id="t1"), user_id="ana")
    await storage.append("a", a_turn(id="t2"), expected=1, keep_messages=2)
    await storage.read("a", last_messages=2, turn_id="t2")
    await storage.read("a", after=1)
    await storage.summarize("a", b"so far", through=1)
    await storage.read("a", with_summary=True)
    await storage.save_draft("a", DraftStep(turn_id="t", revision=3, number=1, body=b"1"))
    await storage.save_draft("a", DraftStep(turn_id="t", revision=3, number=2, body=b"2"))
    await storage.append("a", a_turn(id="t2"))
    await storage.undo("a")
    page = await storage.list_threads(user_id="ana")
    assert len(page.threads) == 1
    await storage.list_threads(cursor="5:a")
    await storage.list_threads(
        user_id="ana", title="hi", tags=["work"], archived=None, updated_before=datetime.now(UTC)
    )
    queries = [one for one in seen if one.split()[0] in ("SELECT", "UPDATE", "DELETE")]
    assert len(queries) >= 8
    for query in queries:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {query}")]
        scans = [step for step in plan if step.startswith("SCAN") and "INDEX" not in step]
        assert scans in ([], ["SCAN sqlite_master"]), query  # the names of the tables are few
        assert not [step for step in plan if "TEMP B-TREE" in step], query


async def test_appends_that_wait_together_share_one_commit(
    storage: SQLiteStorage, plain: sqlite3.Connection, statements: list[str]
) -> None:
    await storage.append("a", a_turn())
    statements.clear()
    patient = SQLiteStorage(storage.path, busy_timeout_s=10)
    with write_lock(plain):
        first = asyncio.ensure_future(patient.append("first", a_turn()))
        await asyncio.sleep(0.05)
        others = [asyncio.ensure_future(patient.append(f"{i}", a_turn())) for i in range(100)]
        await asyncio.sleep(0.01)
    await asyncio.gather(first, *others)
    await patient.close()
    # The first waits for the lock, alone or already with others; all that came meanwhile go together.
    assert statements.count("COMMIT") == statements.count("BEGIN IMMEDIATE") <= 2
    assert len([one for one in statements if one == "INSERT INTO"]) == 2 * 101


async def test_a_conflict_among_appends_that_share_a_commit_stops_only_itself(storage: SQLiteStorage) -> None:
    appends = [storage.append(f"{i % 4}", a_turn(), expected=5 if i == 7 else None) for i in range(20)]
    outcomes = await asyncio.gather(*appends, return_exceptions=True)
    assert [type(one) for one in outcomes if isinstance(one, BaseException)] == [ThreadConflict]
    assert isinstance(outcomes[7], ThreadConflict)
    assert sum([info.turns async for info in storage.threads()]) == 19


async def test_windows_are_never_loaded_beyond_their_end(storage: SQLiteStorage, plain: sqlite3.Connection) -> None:
    await storage.append_all("a", [a_turn(b"x" * 5000) for _ in range(300)])
    plain.execute("UPDATE turns SET message_count = 'not a number' WHERE position & 4294967295 < 280")
    assert len((await storage.read("a", last_messages=30)).records) == 15


# -- settings ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("synchronous", "level"), [(None, 2), ("FULL", 2), ("NORMAL", 1)])
async def test_the_file_is_in_wal_mode_and_durable_by_default(path: Path, synchronous: Any, level: int) -> None:
    options = {} if synchronous is None else {"synchronous": synchronous}
    async with SQLiteStorage(path, **options) as storage:
        await storage.append("a", a_turn())
    connection = schema.connect(str(path), synchronous=synchronous or "FULL", busy_timeout_s=1, is_reader=False)
    with contextlib.closing(connection):
        pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "page_size")]
        assert pragmas == ["wal", 4096]
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == level


@pytest.mark.parametrize("path", ["", ":memory:"])
def test_a_path_that_is_no_file_is_refused(path: str) -> None:
    with pytest.raises(ConfigurationError, match="memory:"):
        SQLiteStorage(path)


def test_a_path_with_a_nul_and_a_storage_that_is_no_url_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="without a NUL"):
        SQLiteStorage("a\0b")
    for given in (Path("a.db"), b"memory:", None, 5):
        with pytest.raises(ConfigurationError, match=f"by its URL.*not by a {type(given).__name__}"):
            open_storage(given)  # pyright: ignore[reportArgumentType] - such a value is refused


def test_an_unknown_durability_is_refused(path: Path) -> None:
    off: Any = "OFF"
    with pytest.raises(ConfigurationError, match="'OFF'"):
        SQLiteStorage(path, synchronous=off)


def test_nothing_is_opened_before_the_first_operation(path: Path) -> None:
    SQLiteStorage(path)
    assert not path.exists()


@pytest.mark.parametrize(
    ("url", "path"),
    [("sqlite:///a/b.db", "a/b.db"), ("sqlite:////a/b.db", "/a/b.db"), ("sqlite:///a%20b.db", "a b.db")],
)
def test_a_url_names_a_relative_or_an_absolute_path(url: str, path: str) -> None:
    assert SQLiteStorage.from_url(url).path == Path(path)


@pytest.mark.parametrize("url", ["sqlite://host/a.db", "sqlite:///", "sqlite:", "sqlite:///a.db?mode=ro"])
def test_a_url_that_names_no_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        SQLiteStorage.from_url(url)


# -- waiting, and not waiting ------------------------------------------------------------------------------------------


async def test_a_write_that_waits_does_not_stop_the_event_loop(path: Path, plain: sqlite3.Connection) -> None:
    async with SQLiteStorage(path) as storage:
        await storage.append("a", a_turn())
        with write_lock(plain):
            waiting = asyncio.ensure_future(storage.append("a", a_turn()))
            for _ in range(50):
                await asyncio.sleep(0.001)
                assert not waiting.done()
            assert len((await storage.read("a")).records) == 1, "a read waits for a write"
        assert (await waiting).revision == 2


async def test_a_file_that_another_process_writes_for_too_long_is_busy(
    storage: SQLiteStorage, plain: sqlite3.Connection
) -> None:
    await storage.append("a", a_turn())
    with write_lock(plain), pytest.raises(StorageBusy, match=r"append to thread 'a'.*try again") as busy:
        await storage.append("a", a_turn(id="late"), expected=1)
    assert isinstance(busy.value.__cause__, sqlite3.OperationalError)
    assert (await storage.append("a", a_turn(id="late"), expected=1)).replayed is False


async def test_a_read_sees_what_was_acknowledged_before_it(storage: SQLiteStorage) -> None:
    for i in range(100):
        appended = await storage.append("a", a_turn())
        found = await storage.read("a", last_turns=1)
        assert found.records == (appended.record,), i


async def _all_of(storage: SQLiteStorage) -> list[ThreadInfo]:
    return [info async for info in storage.threads()]


# -- leases ------------------------------------------------------------------------------------------------------------


async def test_a_lease_from_before_a_restart_of_the_machine_is_void(
    storage: SQLiteStorage, plain: sqlite3.Connection
) -> None:
    assert await storage.take_lease("a", "old", timedelta(minutes=1))
    assert not await storage.take_lease("a", "new", timedelta(minutes=1))
    # The clock starts anew with the machine, so the old lease was taken in the future.
    plain.execute("UPDATE leases SET taken_us = taken_us + 3600000000, until_us = until_us + 3600000000")
    assert await storage.take_lease("a", "new", timedelta(minutes=1))


# -- walks -------------------------------------------------------------------------------------------------------------


async def test_a_walk_over_a_users_threads_reads_no_other_thread(
    storage: SQLiteStorage, plain: sqlite3.Connection
) -> None:
    await storage.append("a", a_turn(), user_id="ana")
    query = f"{threads.THREAD} WHERE user_id = 'ana' AND key > 0 ORDER BY key LIMIT 200"
    (plan,) = plain.execute(f"EXPLAIN QUERY PLAN {query}").fetchall()
    assert plan[3] == "SEARCH threads USING INDEX threads_of_user (user_id=? AND rowid>?)"


async def test_a_list_of_drafts_follows_the_index_of_drafts_and_reads_no_other_thread(
    storage: SQLiteStorage, plain: sqlite3.Connection
) -> None:
    await storage.save_draft("a", DraftStep(turn_id="t", revision=0, number=1, body=b"step"), user_id="ana")
    values = {"limit": 101, "user_id": "ana", "begun_us": 5, "id": "a"}
    plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {drafts.LISTED}", values)]
    assert plan == [
        "SEARCH drafts USING COVERING INDEX drafts_by_time (created_us>?)",
        "SEARCH threads USING INTEGER PRIMARY KEY (rowid=?)",
        "USE TEMP B-TREE FOR RIGHT PART OF ORDER BY",
    ]


# -- the SQL view ------------------------------------------------------------------------------------------------------


async def test_the_messages_view_shows_messages_to_people_who_like_sql(
    storage: SQLiteStorage, plain: sqlite3.Connection
) -> None:
    call = FunctionCallContent(call_id="c", name="look_up", arguments="{}")
    turn = Turn(
        messages=(
            ChatMessage("user", "My name is 'Riker' 🐧", author_name="will"),
            ChatMessage("assistant", [TextContent("Let me "), call, TextContent("see")]),
            ChatMessage("tool", []),
        )
    )
    await storage.append(
        "a", NewTurn(body=encode_turn(turn), message_count=3, id="t", created_us=1_700_000_000_123_000), user_id="ana"
    )
    await storage.append("b", a_turn(b"\xff not JSON"))
    columns = "thread_id, user_id, turn, turn_id, position, role, text, created_at"
    rows = plain.execute(f"SELECT {columns} FROM messages ORDER BY turn, position").fetchall()
    at = "2023-11-14T22:13:20.123Z"
    assert rows == [
        ("a", "ana", 1, "t", 1, "user", "My name is 'Riker' 🐧", at),
        ("a", "ana", 1, "t", 2, "assistant", "Let me see", at),
        ("a", "ana", 1, "t", 3, "tool", None, at),
    ]
    (as_json,) = plain.execute("SELECT json FROM messages WHERE position = 1").fetchone()
    assert json.loads(as_json)["author_name"] == "will"
    assert plain.execute("SELECT count(*) FROM messages WHERE thread_id = 'a'").fetchone() == (3,)


@pytest.mark.parametrize("url", ["sqlite:memory.db", "sqlite:/abs/x.db", "sqlite:///a#b.db", "sqlite://x.db"])
def test_a_url_that_would_name_another_file_is_refused(url: str) -> None:
    with pytest.raises(ConfigurationError, match="sqlite:///relative"):
        SQLiteStorage.from_url(url)
