"""The index's file: missing, damaged, of another shape, of another program, shared, without a trace of the deleted."""

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from recuerda import ChatMessage, Turn
from recuerda._drivers.sqlite import delete_files
from recuerda.errors import ConfigurationError, StorageBusy, StorageUnavailable
from recuerda.messages.codec import encode_turn
from recuerda.recall import RecallProvider, SQLiteRecallIndex
from recuerda.recall.index import CandidateQuery, Forgetting
from recuerda.recall.places import index_beside, opened_index
from recuerda.recall.sqlite import entries, following, schema
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.ram import MemoryStorage
from tests.recall.talking import holds_bytes, pair, say


async def provider_on(storage: SQLiteStorage) -> RecallProvider:
    return RecallProvider(storage=storage, user_id="ana")


async def found(recall: RecallProvider, query: str) -> list[str]:
    return [memory.text for memory in await recall.search(query) if memory.role == "user"]


async def remember(storage: SQLiteStorage, *things: str) -> None:
    recall = await provider_on(storage)
    for number, thing in enumerate(things):
        await say(storage, f"thread {number}", *pair(f"I collect {thing}."))
    await recall.catch_up()
    await recall.close()


def damage_the_header(file: Path) -> None:
    file.write_bytes(b"not a database at all" * 500)


def damage_the_middle(file: Path) -> None:
    data = bytearray(file.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xff" * 200
    file.write_bytes(bytes(data))


def damage_a_page(file: Path, number: int) -> None:
    data = bytearray(file.read_bytes())
    data[(number - 1) * 4096 : (number - 1) * 4096 + 500] = b"\xff" * 500
    file.write_bytes(bytes(data))


def delete_all(folder: Path) -> None:
    for file in folder.glob("memory.recall.db*"):
        file.unlink()


def cut_the_end(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:5000])


def empty_it(file: Path) -> None:
    file.write_bytes(b"")


def delete_it(file: Path) -> None:
    file.unlink()


def give_it_another_shape(file: Path) -> None:
    with contextlib.closing(sqlite3.connect(file)) as plain:
        plain.execute("PRAGMA user_version = 7")
        plain.execute("DROP TABLE postings")
        plain.execute("CREATE TABLE other (a)")


@pytest.mark.parametrize(
    "spoil",
    [damage_the_header, damage_the_middle, cut_the_end, empty_it, delete_it, give_it_another_shape],
    ids=lambda spoil: spoil.__name__,
)
async def test_an_index_that_is_gone_or_spoilt_is_made_anew_from_the_log(
    storage: SQLiteStorage, index_path: Path, spoil: object
) -> None:
    await remember(storage, "amber", "basalt")
    spoil(index_path)  # pyright: ignore[reportCallIssue] - one of the functions above
    recall = await provider_on(storage)
    assert await found(recall, "amber") == ["I collect amber."]
    assert await found(recall, "basalt") == ["I collect basalt."]
    assert (await recall.stats()).documents == 4
    await recall.close()


class Waiting:
    """An embedder that gives vectors when it is told to: one direction to texts about amber, another to all others."""

    model_id = "waiting"

    def __init__(self) -> None:
        self.is_asked = asyncio.Event()
        self.may_answer = asyncio.Event()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        self.is_asked.set()
        await self.may_answer.wait()
        return [[1.0, 0.0] if "amber" in text else [0.0, 1.0] for text in texts]


async def test_no_message_gets_the_vector_of_a_text_that_was_erased_with_an_earlier_file(
    storage: SQLiteStorage, index_path: Path
) -> None:
    embedder = Waiting()
    recall = RecallProvider(index_path, storage=storage, embedder=embedder)
    await say(storage, "one", ChatMessage("user", "I collect amber."))
    embedding = asyncio.create_task(recall.catch_up())
    await embedder.is_asked.wait()
    await storage.rewrite("one", {1: encode_turn(Turn(messages=(ChatMessage("user", "I collect basalt."),)))})
    delete_files(index_path)
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to look into it
    await recall._of().follow("one")  # pyright: ignore[reportPrivateUsage] - without waiting for vectors
    embedder.may_answer.set()
    await embedding
    asked = CandidateQuery(scope="user:ana", terms=(), model_id="waiting", vector=[1.0, 0.0])
    (candidate,) = (await index.candidates(asked)).found.values()
    assert candidate.similarity == pytest.approx(0)
    await recall.close()


async def test_what_was_forgotten_stays_so_when_the_index_gets_another_shape(
    storage: SQLiteStorage, index_path: Path
) -> None:
    await remember(storage, "amber", "basalt")
    recall = await provider_on(storage)
    assert await recall.forget(thread="thread 0") == 2
    await recall.close()
    give_it_another_shape(index_path)
    recall = await provider_on(storage)
    assert await found(recall, "amber") == []
    assert await found(recall, "basalt") == ["I collect basalt."]
    await recall.close()


async def test_what_was_forgotten_is_saved_from_a_damaged_index(storage: SQLiteStorage, index_path: Path) -> None:
    await remember(storage, *(f"stone {number}" for number in range(40)))
    recall = await provider_on(storage)
    assert await recall.forget(thread="thread 7") == 2
    await recall.close()
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        root = plain.execute("SELECT rootpage FROM sqlite_master WHERE name = 'documents'").fetchone()[0]
    damage_a_page(index_path, root)
    recall = await provider_on(storage)
    assert "I collect stone 7." not in await found(recall, "stone 7")
    assert (await recall.stats()).documents == 78
    await recall.close()


async def test_an_index_whose_log_is_removed_while_it_is_used_is_opened_again(
    storage: SQLiteStorage, index_path: Path
) -> None:
    recall = await provider_on(storage)
    for thing, suffix in (("basalt", "-wal"), ("quartz", "-shm")):
        await say(storage, thing, *pair(f"I collect {thing}."))
        assert await found(recall, thing) == [f"I collect {thing}."]
        index_path.with_name(index_path.name + suffix).unlink()
    await say(storage, "late", *pair("I collect amber."))
    assert await found(recall, "amber") == ["I collect amber."]
    await recall.close()
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        assert plain.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert plain.execute("SELECT count(*) FROM documents").fetchone() == (6,)


async def test_what_is_forgotten_while_the_index_is_deleted_is_forgotten_in_the_next_one(
    storage: SQLiteStorage, index_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recall = await provider_on(storage)
    await say(storage, "one", *pair("I collect amber."))
    assert await found(recall, "amber") == ["I collect amber."]
    forget = following.forget
    deletions: list[None] = []

    def forget_late(forgettings: Sequence[Forgetting], connection: sqlite3.Connection) -> int:
        if not deletions:
            deletions.append(delete_all(index_path.parent))
        return forget(forgettings, connection)

    monkeypatch.setattr(following, "forget", forget_late)
    await recall.forget(thread="one")
    assert await found(recall, "amber") == []
    await recall.close()
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        assert plain.execute("SELECT thread_id FROM forgotten").fetchall() == [("one",)]


async def test_an_index_that_is_deleted_while_it_is_used_is_made_anew(
    storage: SQLiteStorage, index_path: Path, tmp_path: Path
) -> None:
    recall = await provider_on(storage)
    await say(storage, "one", *pair("I collect amber."))
    assert await found(recall, "amber") == ["I collect amber."]
    delete_all(tmp_path)
    assert await found(recall, "amber") == ["I collect amber."]
    assert holds_bytes(index_path.parent, b"SQLite")
    await recall.close()


async def test_a_file_of_another_program_is_left_alone(storage: SQLiteStorage, index_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        plain.execute("CREATE TABLE notes (text)")
    recall = await provider_on(storage)
    with pytest.raises(StorageUnavailable, match="give recall a file of its own"):
        await recall.search("amber")
    await recall.close()
    with contextlib.closing(sqlite3.connect(index_path)) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == [("notes",)]


async def test_the_storage_s_own_file_is_not_taken_for_an_index(storage: SQLiteStorage, path: Path) -> None:
    await say(storage, "one", *pair("I collect amber."))
    recall = RecallProvider(path, storage=storage, user_id="ana")
    with pytest.raises(StorageUnavailable, match="not an index"):
        await recall.search("amber")
    await recall.close()
    assert (await storage.head("one")) is not None


async def test_nothing_that_was_deleted_is_left_in_the_files(
    storage: SQLiteStorage, tmp_path: Path, index_path: Path
) -> None:
    recall = await provider_on(storage)
    for number in range(following.MAX_WAITING):
        await say(storage, "one", *pair(f"I collect amber and Quixotrope{number}."))
    await recall.catch_up()
    assert holds_bytes(tmp_path, b"uixotrope")
    await storage.delete("one")
    assert await found(recall, "amber") == []
    assert not holds_bytes(tmp_path, b"uixotrope")
    await recall.close()


async def test_terms_are_found_before_and_after_they_are_entered(storage: SQLiteStorage) -> None:
    recall = await provider_on(storage)
    for number in range(3 * following.MAX_WAITING // 2):
        await say(storage, "one", *pair(f"This is entry e{number}."))
        await recall.catch_up()
        if number % 20 == 0:
            assert (await found(recall, f"e{number}"))[0] == f"This is entry e{number}."
    assert (await found(recall, "e0"))[0] == "This is entry e0."
    await recall.close()


async def test_an_index_that_another_process_writes_for_long_is_busy(storage: SQLiteStorage, index_path: Path) -> None:
    await remember(storage, "amber")
    await say(storage, "two", *pair("I collect basalt."))
    index = SQLiteRecallIndex(index_path, busy_timeout_s=0.1)
    recall = RecallProvider(index, storage=storage, user_id="ana")
    with contextlib.closing(sqlite3.connect(index_path, isolation_level=None)) as plain:
        plain.execute("BEGIN IMMEDIATE")
        with pytest.raises(StorageBusy, match="another process"):
            await recall.search("amber")
        plain.execute("ROLLBACK")
    assert await found(recall, "basalt") == ["I collect basalt."]
    await index.close()


WRITER = """
import asyncio, sys
from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage

async def main(path, name, count):
    storage = SQLiteStorage(path)
    recall = RecallProvider(storage=storage, user_id="ana")
    store = ChatMessageStore(storage=storage, thread_id=f"of {name}", user_id="ana")
    shared = ChatMessageStore(storage=storage, thread_id="shared", user_id="ana")
    print("ready", flush=True)
    for number in range(count):
        for one in (store, shared):
            await one.add_messages([ChatMessage("user", f"entry {name}{number} {one.thread_id}")])
            await recall.invoked([], [], thread=AgentThread(message_store=one))
    await recall.close()
    await storage.close()

asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
"""


def start_writer(path: Path, name: str, count: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", WRITER, str(path), name, str(count)], stdout=subprocess.PIPE
    )


async def test_two_processes_share_an_index(storage: SQLiteStorage, path: Path) -> None:
    writers = [start_writer(path, name, 40) for name in "ab"]
    for writer in writers:
        with writer:
            writer.communicate()
        assert writer.returncode == 0
    recall = await provider_on(storage)
    assert (await recall.stats()).documents == 160
    for name in ("a0", "a39", "b0", "b39"):
        assert sorted((await found(recall, name))[:2]) == [f"entry {name} of {name[0]}", f"entry {name} shared"]
    assert (await recall.stats()).documents == 160
    await recall.close()


async def test_writers_that_are_killed_leave_an_index_that_follows(storage: SQLiteStorage, path: Path) -> None:
    for life in range(6):
        writer = start_writer(path, f"w{life}x", 500)
        with writer:
            assert writer.stdout is not None
            assert writer.stdout.readline() == b"ready\n"
            while (await storage.head(f"of w{life}x")) is None:
                assert writer.poll() is None
            writer.send_signal(signal.SIGKILL)
    recall = await provider_on(storage)
    await recall.catch_up()
    turns = sum([info.turns async for info in storage.threads()])
    assert (await recall.stats()).documents == turns
    assert (await recall.rebuild()).messages == turns
    await recall.close()


def test_an_index_lives_beside_its_storage(tmp_path: Path) -> None:
    index = index_beside(SQLiteStorage(tmp_path / "talk.db"))
    assert isinstance(index, SQLiteRecallIndex)
    assert index.path == tmp_path / "talk.recall.db"
    in_ram = index_beside(MemoryStorage())
    assert isinstance(in_ram, SQLiteRecallIndex)
    assert in_ram.path is None


def test_an_index_is_named_by_a_path_or_a_url(tmp_path: Path) -> None:
    for given in (tmp_path / "x.db", str(tmp_path / "x.db"), f"sqlite:///{tmp_path}/x.db"):
        index, is_own = opened_index(given)
        assert isinstance(index, SQLiteRecallIndex)
        assert index.path == tmp_path / "x.db"
        assert is_own
    with pytest.raises(ConfigurationError, match="sqlite:///"):
        opened_index("redis://localhost")
    with pytest.raises(ConfigurationError, match="path of an index is empty"):
        opened_index("")


def test_a_storage_that_encrypts_or_is_elsewhere_needs_its_index_named() -> None:
    class Elsewhere(MemoryStorage):
        kind = "redis"

    class Encrypted(MemoryStorage):
        kind = "encrypted"

    with pytest.raises(ConfigurationError, match="no folder for"):
        index_beside(Elsewhere())
    with pytest.raises(ConfigurationError, match="are encrypted"):
        index_beside(Encrypted())


async def test_a_closed_index_says_so(index_path: Path) -> None:
    index = SQLiteRecallIndex(index_path)
    await index.close()
    await index.close()
    with pytest.raises(StorageUnavailable, match="has been closed"):
        await index.stats()


def test_the_shape_has_the_version_of_the_terms() -> None:
    assert schema.SHAPE % 1000 == schema.TERMS_VERSION


def fork_inherits(file: Path) -> bool:
    """Fork, and say whether the child has the file open: SQLite's locks would not hold in it."""
    child = os.fork()
    if child == 0:
        held = [entry.readlink() for entry in Path("/proc/self/fd").iterdir() if entry.is_symlink()]
        os._exit(any(str(one).startswith(str(file)) for one in held))
    return os.waitpid(child, 0)[1] != 0


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="this system does not tell which files are open")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_the_index_is_closed_while_the_process_forks(storage: SQLiteStorage, index_path: Path) -> None:
    recall = await provider_on(storage)
    await say(storage, "one", *pair("I collect amber."))
    assert await found(recall, "amber") == ["I collect amber."]
    assert not fork_inherits(index_path)
    await say(storage, "one", *pair("I collect basalt."))
    assert (await found(recall, "basalt"))[0] == "I collect basalt."
    await recall.close()


def test_one_provider_serves_several_event_loops(path: Path) -> None:
    storage = SQLiteStorage(path)
    recall = RecallProvider(storage=storage, user_id="ana")
    for number in range(3):
        asyncio.run(say(storage, "one", *pair(f"entry e{number}")))
        assert asyncio.run(found(recall, f"e{number}"))[0] == f"entry e{number}"
    asyncio.run(recall.close())
    asyncio.run(storage.close())


async def test_closing_waits_for_terms_that_are_entered_in_several_parts(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entries, "MAX_ENTERED", 20)
    recall = await provider_on(storage)
    for number in range(following.MAX_WAITING):
        await say(storage, "one", *pair(f"This is entry e{number}."))
    await recall.catch_up()
    async with asyncio.timeout(10):
        await recall.close()
