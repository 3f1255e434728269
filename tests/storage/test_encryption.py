"""Encryption at rest: the whole contract holds on an encrypted storage, and the bytes below say nothing."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

from recuerda import (
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    DecryptionError,
    DraftConflict,
    MemoryStorage,
    NewTurn,
    Storage,
)
from recuerda.encryption import EncryptedStorage, KeyRing, UserKeys
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.records import DraftStep
from recuerda.testing.storage_contract import DraftListContract, StorageContract

ONE, TWO = b"1" * 32, b"2" * 32
SECRET = "a secret that nobody else may read"


def turn(text: str, *, id: str | None = None) -> NewTurn:
    return NewTurn(body=text.encode(), message_count=1, id=id)


class TestEncryptedMemory(StorageContract, DraftListContract):
    @pytest.fixture
    async def storage(self) -> AsyncIterator[Storage]:
        async with EncryptedStorage(MemoryStorage(), KeyRing({"k1": ONE}, current="k1")) as storage:
            yield storage


class TestEncryptedSQLite(StorageContract, DraftListContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        inner = SQLiteStorage(tmp_path / "threads.db", synchronous="NORMAL")
        async with EncryptedStorage(inner, KeyRing({"k1": ONE}, current="k1")) as storage:
            yield storage

    @pytest.fixture
    async def another(self, tmp_path: Path, storage: Storage) -> AsyncIterator[Storage]:
        inner = SQLiteStorage(tmp_path / "threads.db", synchronous="NORMAL")
        async with EncryptedStorage(inner, KeyRing({"k1": ONE}, current="k1")) as another:
            yield another


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "threads.db"


@pytest.fixture
def opened(path: Path) -> Callable[..., EncryptedStorage]:
    def open_with(current: str = "k1", **keys: bytes) -> EncryptedStorage:
        return EncryptedStorage(SQLiteStorage(path), KeyRing(keys or {"k1": ONE}, current=current))

    return open_with


async def test_nothing_that_was_said_is_on_the_disk(path: Path, opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        store = ChatMessageStore(storage=storage, thread_id="t")
        await store.add_messages([ChatMessage("user", SECRET)])
        await storage.update_thread("t", metadata={"note": SECRET})
        await storage.save_draft("t", DraftStep(turn_id="d", revision=1, number=1, body=SECRET.encode()))
        info = await storage.head("t")
        draft = await storage.load_draft("t")
        written = b"".join(file.read_bytes() for file in path.parent.iterdir())
    assert info is not None
    assert (info.title, info.metadata) == (SECRET, {"note": SECRET})
    assert draft is not None
    assert draft.steps[0].body == SECRET.encode()
    assert SECRET.encode() not in written


async def test_a_wrong_key_is_an_error_and_never_an_empty_thread(opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        await storage.append("t", turn(SECRET))
    async with opened(k1=TWO) as storage:
        with pytest.raises(DecryptionError, match="does not open it") as caught:
            await storage.read("t")
        assert (caught.value.thread_id, caught.value.number) == ("t", 1)
        page = await storage.list_threads()
        assert [info.title for info in page.threads] == [None]


async def test_a_missing_key_is_an_error_that_names_it(opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        await storage.append("t", turn(SECRET))
    async with opened("k2", k2=TWO) as storage:
        with pytest.raises(DecryptionError, match="'k1'"):
            await storage.read("t")


async def test_a_turn_does_not_begin_beside_one_whose_key_is_gone(opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        await storage.save_draft("t", DraftStep(turn_id="d", revision=0, number=1, body=b"step"))
    async with opened("k2", k2=TWO) as storage:
        with pytest.raises(DraftConflict):
            await storage.save_draft("t", DraftStep(turn_id="other", revision=0, number=1, body=b"step"))


async def test_a_body_moved_to_another_turn_or_thread_does_not_open(
    path: Path, opened: Callable[..., EncryptedStorage]
) -> None:
    async with opened() as storage:
        for text in ("one", "two"):
            await storage.append("t", turn(text))
        await storage.append("other", turn("three"))
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE turns SET body = (SELECT body FROM turns ORDER BY position LIMIT 1)")
    db.close()
    async with opened() as storage:
        assert (await storage.read("t", last_turns=0)).info is not None
        for thread_id, number in (("t", 2), ("other", 1)):
            with pytest.raises(DecryptionError) as caught:
                await storage.read(thread_id)
            assert caught.value.number == number


async def test_a_summary_opens_in_its_own_place_only(path: Path, opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        for text in ("one", "two"):
            await storage.append("t", turn(text))
        await storage.summarize("t", b"a summary", through=1)
        await storage.summarize("t", b"another", through=1)
    assert b"a summary" not in await asyncio.to_thread(path.read_bytes)
    for change in (
        "UPDATE turns SET body = (SELECT body FROM turns WHERE kind = 'summary' LIMIT 1) WHERE kind = 'summary'",
        "UPDATE turns SET body = (SELECT body FROM turns WHERE kind IS NULL LIMIT 1) WHERE kind = 'summary'",
        "UPDATE turns SET target = 2 WHERE kind = 'summary'",
    ):
        with closing(sqlite3.connect(path)) as db, db:
            kept = db.execute("SELECT body, target, position FROM turns").fetchall()
            db.execute(change)
        async with opened() as storage:
            with pytest.raises(DecryptionError) as caught:
                await storage.read("t", with_summary=True)
            assert caught.value.number == 4
            assert len((await storage.read("t")).records) == 2
        with closing(sqlite3.connect(path)) as db, db:
            db.executemany("UPDATE turns SET body = ?, target = ? WHERE position = ?", kept)
        db.close()
    async with opened() as storage:
        found = await storage.read("t", with_summary=True)
        assert found.summary is not None
        assert found.summary.body == b"another"


async def test_a_plain_turn_among_encrypted_ones_is_not_taken_for_one(
    path: Path, opened: Callable[..., EncryptedStorage]
) -> None:
    async with SQLiteStorage(path) as plain:
        await plain.append("t", turn("forged"))
    async with opened() as storage:
        with pytest.raises(DecryptionError, match="not encrypted"):
            await storage.read("t")


async def test_rotation_seals_anew_without_a_new_revision(opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        store = ChatMessageStore(storage=storage, thread_id="t")
        for text in ("one", "two"):
            await store.add_messages([ChatMessage("user", text)])
        await storage.update_thread("t", metadata={"a": 1})
        for body in (b"first", b"second"):
            await storage.summarize("t", body, through=1)
    async with opened("k2", k1=ONE, k2=TWO) as storage:
        await storage.append("t", turn('{"v":1,"messages":[]}'))
        assert await storage.rotate("t") == 4
        assert await storage.rotate("t") == 0
    async with opened("k2", k2=TWO) as storage:
        found = await storage.read("t")
        assert found.info is not None
        assert (len(found.records), found.info.revision) == (3, 5)
        later = await storage.read("t", after=1)
        assert [record.body for record in later.records if record.kind == "summary"] == [b"first", b"second"]
        assert (found.info.title, found.info.metadata) == ("one", {"a": 1})


async def test_replays_and_imports_keep_the_numbers_that_are_sealed_in(
    opened: Callable[..., EncryptedStorage],
) -> None:
    async with opened() as storage:
        await storage.append_all("t", [turn("a", id="a"), turn("b", id="b")])
        again = await storage.append_all(
            "t", [turn("b", id="b"), turn("c", id="c"), turn("a", id="a"), turn("d", id="d")]
        )
        assert [item.replayed for item in again] == [True, False, True, False]
        assert (await storage.append("t", turn("x", id="c"), expected=99)).record.body == b"c"
        assert [record.body for record in (await storage.read("t")).records] == [b"a", b"b", b"c", b"d"]


async def test_deleting_a_users_key_erases_their_threads_and_no_others() -> None:
    keys = {"ana": ONE, "bo": TWO}
    async with EncryptedStorage(MemoryStorage(), UserKeys(keys)) as storage:
        await storage.append("a", turn("hers"), user_id="ana")
        await storage.append("b", turn("his"), user_id="bo")
        await storage.append("b", turn("his too"))
        del keys["bo"]
        assert len((await storage.read("a")).records) == 1
        with pytest.raises(DecryptionError):
            await storage.read("b")
        with pytest.raises(ConfigurationError, match="Nothing was written"):
            await storage.append("b", turn("more"))
        with pytest.raises(ConfigurationError, match="shared"):
            await storage.append("nobody's", turn("x"))


@pytest.mark.parametrize(
    ("keys", "current"), [({"k": b"short"}, "k"), ({"k": ONE}, "other"), ({"k" * 256: ONE}, "k" * 256), ({"": ONE}, "")]
)
def test_keys_that_cannot_work_are_refused(keys: dict[str, bytes], current: str) -> None:
    with pytest.raises(ConfigurationError):
        KeyRing(keys, current=current)


def test_no_repr_shows_a_key() -> None:
    ring = KeyRing({"k1": ONE}, current="k1")
    shown = repr(ring) + repr(UserKeys({"ana": ONE})) + repr(EncryptedStorage(MemoryStorage(), ring))
    assert "111" not in shown
