"""No file of the index has a word that was erased: not the database, not its write-ahead log, not a free page."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random

import pytest

from recuerda import AgentThread, ChatMessageStore, Turn
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.messages.codec import encode_turn
from recuerda.recall import FactExtractor, RecallProvider, SQLiteRecallIndex
from recuerda.recall.checking import CHECK_EVERY
from recuerda.recall.scopes import user_scope
from recuerda.recall.sqlite.cleaning import Cleaner
from recuerda.recall.sqlite.following import MAX_WAITING
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall.talking import holds_bytes, pair, say
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings

WORD = "Quixotrope"
TRACE = b"uixotrop"  # also of its stem


async def run(recall: RecallProvider, storage: SQLiteStorage, thread_id: str, user_id: str, text: str) -> None:
    """Say something, as an agent's run does."""
    store = ChatMessageStore(storage=storage, thread_id=thread_id, user_id=user_id)
    await store.add_messages(pair(text))
    await recall.invoked([], [], thread=AgentThread(message_store=store))


async def erase(storage: SQLiteStorage) -> None:
    await storage.erase_user("ana")


async def delete(storage: SQLiteStorage) -> None:
    await storage.delete("one")


async def undo(storage: SQLiteStorage) -> None:
    await storage.undo("one")


async def trim(storage: SQLiteStorage) -> None:
    await say(storage, "one", *pair("It rained."))
    await storage.trim("one", keep_turns=1)


async def limit(storage: SQLiteStorage) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", max_messages=2)
    await store.add_messages(pair("It rained."))


async def rewrite(storage: SQLiteStorage) -> None:
    await storage.rewrite("one", {1: encode_turn(Turn(messages=pair("It rained.")))})


async def begin_anew(storage: SQLiteStorage) -> None:
    await storage.delete("one")
    await say(storage, "one", *pair("It rained."), user="ben")


async def give_away(storage: SQLiteStorage) -> None:
    await rewrite(storage)
    await storage.update_thread("one", user_id="ben")


REMOVALS: list[Callable[[SQLiteStorage], Awaitable[None]]] = [
    erase,
    delete,
    undo,
    trim,
    limit,
    rewrite,
    begin_anew,
    give_away,
]


async def by_the_next_turns(recall: RecallProvider, storage: SQLiteStorage) -> None:
    for number in range(CHECK_EVERY):
        await run(recall, storage, f"of zoe {number}", "zoe", "It rained.")
    await recall.flush()
    await recall.stats()  # waits for the clean-up of the log


async def by_catching_up(recall: RecallProvider, storage: SQLiteStorage) -> None:
    await recall.catch_up()
    await recall.stats()  # waits for the clean-up of the log


async def by_closing(recall: RecallProvider, storage: SQLiteStorage) -> None:
    await run(recall, storage, "of zoe", "zoe", "It rained.")
    await recall.close()


@pytest.mark.parametrize("find", [by_the_next_turns, by_catching_up, by_closing], ids=lambda find: find.__name__)
@pytest.mark.parametrize("remove", REMOVALS, ids=lambda remove: remove.__name__)
async def test_what_another_process_removed_leaves_no_byte(
    storage: SQLiteStorage,
    elsewhere: SQLiteStorage,
    tmp_path: Path,
    remove: Callable[[SQLiteStorage], Awaitable[None]],
    find: Callable[[RecallProvider, SQLiteStorage], Awaitable[None]],
) -> None:
    finder = ScriptedChatClient([finds({"text": f"Ana has a {WORD}."})], default=finds())
    recall = RecallProvider(embedder=Meanings(), facts=FactExtractor(finder))
    await run(recall, storage, "one", "ana", f"I have a {WORD}.")
    await recall.flush()
    assert holds_bytes(tmp_path, TRACE)
    await remove(elsewhere)
    await find(recall, storage)
    assert not holds_bytes(tmp_path, TRACE)
    await recall.close()


async def test_an_erasure_leaves_no_byte_of_many_messages(storage: SQLiteStorage, tmp_path: Path) -> None:
    recall = RecallProvider(storage=storage)
    for number in range(MAX_WAITING + 10):
        await say(storage, f"thread {number % 7}", *pair(f"I have {WORD}{number}, {'and so on, ' * 300}"))
    await recall.catch_up()
    await say(storage, "zoe's", *pair("It rained."), user="zoe")
    await recall.catch_up()
    receipt = await storage.erase_user("ana")
    assert receipt.followers[0].items == 2 * (MAX_WAITING + 10)
    assert not holds_bytes(tmp_path, TRACE)
    assert not holds_bytes(tmp_path, b"user:ana")
    assert [memory.text for memory in await recall.search("rained", user_id="zoe", roles=["user"])] == ["It rained."]
    await recall.close()


async def test_an_erasure_through_an_encrypted_storage_leaves_no_byte(path: Path, tmp_path: Path) -> None:
    keys = KeyRing({"k": b"k" * 32}, current="k")
    async with EncryptedStorage(SQLiteStorage(path), keys) as storage:
        recall = RecallProvider(tmp_path / "memory.recall.db")
        store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
        await store.add_messages(pair(f"I have a {WORD}."))
        await recall.invoked([], [], thread=AgentThread(message_store=store))
        assert holds_bytes(tmp_path, TRACE)
        assert [answer.outcome for answer in (await storage.erase_user("ana")).followers] == ["removed"]
        assert not holds_bytes(tmp_path, TRACE)
        await recall.close()


def put_back(path: Path, backup: Path) -> None:
    for file in path.parent.glob(f"{path.name}*"):
        file.unlink()
    shutil.copy(backup, path)


async def test_a_storage_that_was_put_back_leaves_no_byte_of_what_it_lacks(path: Path, tmp_path: Path) -> None:
    async with SQLiteStorage(path) as storage:
        await say(storage, "one", *pair("It rained."))
    shutil.copy(path, tmp_path / "backup")
    async with SQLiteStorage(path) as storage:
        recall = RecallProvider(storage=storage)
        await run(recall, storage, "one", "ana", f"I have a {WORD}.")
        await recall.close()
    put_back(path, tmp_path / "backup")
    assert holds_bytes(tmp_path, TRACE)
    async with SQLiteStorage(path) as storage:
        recall = RecallProvider(storage=storage)
        await run(recall, storage, "one", "ana", "I have a cello.")
        assert not holds_bytes(tmp_path, TRACE)
        assert (await recall.search("cello", user_id="ana"))[0].text == "I have a cello."
        await recall.close()


async def test_a_reader_of_an_older_state_only_delays_the_end_of_the_bytes(
    storage: SQLiteStorage, index_path: Path, tmp_path: Path
) -> None:
    recall = RecallProvider(SQLiteRecallIndex(index_path, busy_timeout_s=0.1), storage=storage)
    await run(recall, storage, "one", "ana", f"I have a {WORD}.")
    with contextlib.closing(sqlite3.connect(index_path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM documents").fetchone()
        await storage.erase_user("ana")
        assert holds_bytes(tmp_path, TRACE)
    await run(recall, storage, "of zoe", "zoe", "It rained.")
    await recall.search("rained", user_id="zoe")
    assert not holds_bytes(tmp_path, TRACE)
    await recall.close()


def do_nothing(cleaner: Cleaner, connection: sqlite3.Connection) -> None: ...


@pytest.mark.parametrize("is_erased_again", [True, False])
async def test_copies_that_a_killed_process_left_are_removed_by_the_next_one(
    index_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_erased_again: bool
) -> None:
    scope = user_scope("ana")
    async with SQLiteStorage(tmp_path / "memory.db") as storage:
        living = SQLiteRecallIndex(index_path)
        await run(RecallProvider(living), storage, "one", "ana", f"I have a {WORD}.")
        await living.known_threads("", 10)  # after the work that nobody waits for
        killed = SQLiteRecallIndex(index_path)
        with monkeypatch.context() as patch:
            for name in ("empty_log", "tidy", "finish"):
                patch.setattr(Cleaner, name, do_nothing)
            assert await killed.erase([], scope) > 0
            await killed.close()
        assert holds_bytes(tmp_path, TRACE)
        following = SQLiteRecallIndex(index_path)
        if is_erased_again:
            assert await following.erase([], scope) == 0
        else:
            assert await following.known_threads("", 10) == []
        await following.close()
        assert not holds_bytes(tmp_path, TRACE)
        await living.close()


async def test_an_erasure_makes_no_index_where_there_is_none(storage: SQLiteStorage, index_path: Path) -> None:
    recall = RecallProvider(storage=storage)
    await say(storage, "one", *pair("It rained."))
    assert [answer.outcome for answer in (await storage.erase_user("ana")).followers] == ["nothing"]
    assert not holds_bytes(index_path.parent, b"")
    await recall.close()


async def test_rows_that_moved_between_pages_leave_no_copy_of_an_erased_word(
    storage: SQLiteStorage, tmp_path: Path
) -> None:
    random = Random(1)  # this order of messages moves rows from page to page
    recall = RecallProvider(storage=storage)
    for number in range(300):
        user_id = random.choice(["ana", "zoe", "eva"])
        word = f"{WORD}{number}" if user_id == "ana" else f"pebble{number}"
        words = " ".join(f"{word}x{random.randrange(99)}" for _ in range(random.randrange(30)))
        await say(storage, f"{user_id} {number % 9}", *pair(f"I have {word}. {words}"), user=user_id)
        if number % 40 == 0:
            await recall.catch_up()
    await recall.catch_up()
    await storage.erase_user("ana")
    assert not holds_bytes(tmp_path, TRACE)
    assert (await recall.stats()).scopes == 2
    await recall.close()


async def test_closing_removes_the_copies_that_many_deletions_left(storage: SQLiteStorage, tmp_path: Path) -> None:
    random = Random(2)
    recall = RecallProvider(storage=storage)
    for number in range(200):
        words = " ".join(f"{WORD}{number}x{random.randrange(99)}" for _ in range(random.randrange(30)))
        await say(storage, f"ana {number % 40}", *pair(f"I have a {WORD}. {words}"))
    await say(storage, "zoe's", *pair("It rained."), user="zoe")
    await recall.catch_up()
    for number in range(40):
        await storage.delete(f"ana {number}")
    await recall.close()
    assert not holds_bytes(tmp_path, TRACE)
