"""Encryption at rest: the whole contract holds on an encrypted storage, and the bytes below say nothing.

Around a second storage, on a disk and with two handles, only the tests run that depend on the storage below.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
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
    ThreadOwnershipError,
    TurnDropped,
)
from recuerda.encryption import EncryptedStorage, KeyRing, UserKeys
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.drafts import DraftStep
from recuerda.storage.operations import Guard, NewBodies, ThreadChanges
from recuerda.storage.thread_info import ThreadInfo
from recuerda.testing.storage_contract import (
    BlobContract,
    DraftListContract,
    LeaseContract,
    RewriteContract,
    StorageContract,
)
from tests.variant_contract import VariantContract

ONE, TWO = b"1" * 32, b"2" * 32
SECRET = "a secret that nobody else may read"


def turn(text: str, *, id: str | None = None) -> NewTurn:
    return NewTurn(body=text.encode(), message_count=1, id=id)


class TestEncryptedMemory(StorageContract, BlobContract, DraftListContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def storage(self) -> AsyncIterator[Storage]:
        async with EncryptedStorage(MemoryStorage(), KeyRing({"k1": ONE}, current="k1")) as storage:
            yield storage


def encrypted_sqlite(folder: Path) -> EncryptedStorage:
    inner = SQLiteStorage(folder / "threads.db", synchronous="NORMAL")
    return EncryptedStorage(inner, KeyRing({"k1": ONE}, current="k1"))


class TestEncryptedSQLite(VariantContract, LeaseContract, RewriteContract):
    @pytest.fixture
    async def storage(self, tmp_path: Path) -> AsyncIterator[Storage]:
        async with encrypted_sqlite(tmp_path) as storage:
            yield storage

    @pytest.fixture
    async def another(self, storage: Storage, tmp_path: Path) -> AsyncIterator[Storage]:
        async with encrypted_sqlite(tmp_path) as another:
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
        await storage.update_thread("t", metadata={"a": 1}, tags=["secret"])
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
        assert (found.info.title, found.info.metadata, found.info.tags) == ("one", {"a": 1}, ("secret",))


async def test_the_other_storage_sees_no_tag_and_the_list_finds_it() -> None:
    inner = MemoryStorage()
    storage = sealed_with(inner, "k1")
    await storage.update_thread("t", tags=["secret", "plan"])
    held = await inner.head("t")
    assert held is not None
    assert "secret" not in held.tags[0]
    page = await storage.list_threads(tags=["secret"])
    assert [info.tags for info in page.threads] == [("plan", "secret")]


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


# -- rotation, while the thread is used --------------------------------------------------------------------------------


class Meanwhile(MemoryStorage):
    """Lets another writer come between what a wrapper has read and the next write of the settings or of bodies."""

    def __init__(self) -> None:
        super().__init__()
        self.once: Callable[[], Awaitable[object]] | None = None

    async def _let_in(self) -> None:
        once, self.once = self.once, None
        if once is not None:
            await once()

    async def _update(self, thread_id: str, changes: ThreadChanges, now_us: int, guard: Guard) -> ThreadInfo:
        await self._let_in()
        return await super()._update(thread_id, changes, now_us, guard)

    async def _rewrite(self, thread_id: str, change: NewBodies, now_us: int, guard: Guard) -> int | None:
        await self._let_in()
        await super()._rewrite(thread_id, change, now_us, guard)


def sealed_with(inner: Storage, current: str, **keys: bytes) -> EncryptedStorage:
    return EncryptedStorage(inner, KeyRing(keys or {"k1": ONE, "k2": TWO}, current=current))


async def texts(storage: Storage) -> list[bytes]:
    return [record.body for record in (await storage.read("t")).records]


async def everything_opens_with(inner: Storage, key_id: str, key: bytes) -> None:
    only = sealed_with(inner, key_id, **{key_id: key})
    info = await only.head("t")
    raw = await inner.head("t")
    assert info is not None
    assert raw is not None
    assert (info.title is None, info.metadata == {}) == (raw.title is None, raw.metadata == {})
    await only.read("t")


async def test_rotation_beside_a_remade_thread_never_writes_an_old_body_over_a_new_one() -> None:
    inner = Meanwhile()
    old, both = sealed_with(inner, "k1"), sealed_with(inner, "k2")
    await old.append("t", turn("old", id="t1"))

    async def remake() -> None:
        await old.delete("t")
        await old.append("t", turn("new", id="t1"))

    inner.once = remake
    assert await both.rotate("t") == 1
    assert await texts(both) == [b"new"]
    await everything_opens_with(inner, "k2", TWO)


async def test_rotation_takes_nothing_back_that_was_set_meanwhile() -> None:
    inner = Meanwhile()
    old, both = sealed_with(inner, "k1"), sealed_with(inner, "k2")
    await old.append("t", turn("1"), title="Made")
    await old.update_thread("t", metadata={"kept": 1})

    async def set_all() -> None:
        await old.update_thread("t", title="Set", metadata={"new": 2})
        await old.rewrite("t", {1: b"other"})
        await old.append("t", turn("2"))

    inner.once = set_all
    assert await both.rotate("t") == 2
    info = await both.head("t")
    assert info is not None
    assert (info.title, info.metadata, await texts(both)) == ("Set", {"kept": 1, "new": 2}, [b"other", b"2"])
    await everything_opens_with(inner, "k2", TWO)


async def test_rotation_without_a_key_is_an_error_and_writes_nothing() -> None:
    inner = MemoryStorage()
    await sealed_with(inner, "k1").append("t", turn("1"))
    await sealed_with(inner, "k1").update_thread("t", title="Title", metadata={"a": 1})
    await sealed_with(inner, "k2").rewrite("t", {1: b"sealed with the second key"})
    before = await inner.read("t")
    with pytest.raises(DecryptionError, match="'k1'"):
        await sealed_with(inner, "k2", k2=TWO).rotate("t")
    with pytest.raises(ConfigurationError, match="Nothing was written"):
        await EncryptedStorage(inner, UserKeys({})).rotate("t")
    assert await inner.read("t") == before


async def test_a_rotated_title_still_goes_with_its_turn_and_no_time_changes() -> None:
    inner = MemoryStorage()
    await sealed_with(inner, "k1").append("t", turn("1"), title="Made")
    both = sealed_with(inner, "k2")
    before = await both.head("t")
    await both.rotate("t")
    after = await both.head("t")
    assert before is not None
    assert after is not None
    assert (after.title, after.title_turn, after.updated_us) == ("Made", 1, before.updated_us)
    await both.undo("t")
    assert (await inner.list_threads()).threads[0].title is None


async def test_a_draft_keeps_its_key() -> None:
    inner = MemoryStorage()
    await sealed_with(inner, "k1").save_draft("t", DraftStep(turn_id="d", revision=0, number=1, body=b"step"))
    both = sealed_with(inner, "k2")
    await both.rotate("t")
    assert (await both.list_drafts()).thread_ids == ["t"]
    draft = await both.load_draft("t")
    assert draft is not None
    assert draft.steps[0].body == b"step"


# -- whose key, and which state ----------------------------------------------------------------------------------------


async def test_a_thread_that_changed_hands_is_sealed_with_its_new_users_key() -> None:
    inner, keys = MemoryStorage(), {"ana": ONE, "bo": TWO}
    mine, other = EncryptedStorage(inner, UserKeys(keys)), EncryptedStorage(inner, UserKeys(keys))
    await mine.append("t", turn("1"), user_id="ana")
    await mine.read("t")
    await other.update_thread("t", user_id="bo")
    await mine.append("t", turn("2"), expected=1)
    await other.delete("t")
    await other.append("t", turn("3"), user_id="bo")
    del keys["ana"]
    await mine.save_draft("t", DraftStep(turn_id="d", revision=1, number=1, body=b"step"))
    await mine.append("t", turn("4"), expected=1)
    assert await texts(EncryptedStorage(inner, UserKeys({"bo": TWO}))) == [b"3", b"4"]


async def test_a_second_key_is_not_needed_to_refuse_a_stranger_or_to_repeat_a_turn() -> None:
    inner, keys = MemoryStorage(), {"ana": ONE}
    storage = EncryptedStorage(inner, UserKeys(keys))
    await storage.append("t", turn("1", id="t1"), user_id="ana")
    step = DraftStep(turn_id="d", revision=1, number=1, body=b"step")
    for call in (
        storage.append("t", turn("evil"), user_id="bo"),
        storage.append("t", turn("evil", id="t1"), user_id="bo", expected=0),
        storage.append_all("t", [turn("evil")], user_id="bo"),
        storage.update_thread("t", title="evil", expected_user_id="bo"),
        storage.save_draft("t", step, user_id="bo"),
        storage.for_user("bo").append("t", turn("evil")),
    ):
        with pytest.raises(ThreadOwnershipError):
            await call
    renewed = EncryptedStorage(inner, _NoCurrentKey({"user:ana": ONE}, current="user:ana"))
    assert (await renewed.append("t", turn("again", id="t1"))).record.body == b"1"
    with pytest.raises(ConfigurationError):
        await renewed.append("t", turn("more"))


class _NoCurrentKey(KeyRing):
    def current(self, user_id: str | None) -> str:
        return "not there"


async def test_a_retry_with_the_id_of_a_dropped_turn_needs_no_key_and_writes_nothing() -> None:
    inner = MemoryStorage()
    storage = sealed_with(inner, "k1")
    await storage.append_all("t", [turn("1", id="t1"), turn("2", id="t2")])
    await storage.trim("t", keep_turns=1)
    with pytest.raises(TurnDropped):
        await storage.append_all("t", [turn("new"), turn("again", id="t1")])
    assert await texts(storage) == [b"2"]


async def test_an_id_twice_in_one_import_is_a_replay(opened: Callable[..., EncryptedStorage]) -> None:
    async with opened() as storage:
        done = await storage.append_all("t", [turn("a", id="a"), turn("b", id="a"), turn("c", id="c")])
        assert [(item.revision, item.replayed) for item in done] == [(1, False), (1, True), (2, False)]
        assert await texts(storage) == [b"a", b"c"]


async def test_metadata_that_cannot_be_opened_is_not_replaced() -> None:
    inner = MemoryStorage()
    await sealed_with(inner, "k1").update_thread("t", metadata={"a": 1})
    with pytest.raises(DecryptionError):
        await sealed_with(inner, "k2", k2=TWO).update_thread("t", metadata={"b": 2})
    info = await sealed_with(inner, "k1").head("t")
    assert info is not None
    assert info.metadata == {"a": 1}


async def test_a_follower_of_an_encrypted_storage_hears_of_every_deletion() -> None:
    heard: list[Sequence[str]] = []

    class Listener:
        name = "listener"

        async def forget(self, thread_ids: Sequence[str], *, user_id: str | None) -> int:
            heard.append(thread_ids)
            return 0

    inner, listener = MemoryStorage(), Listener()
    storage = sealed_with(inner, "k1")
    storage.follow(listener)
    await storage.append("t", turn("1"), user_id="ana")
    await storage.for_user("ana").delete("t")
    await inner.delete("u")
    assert heard == [["t"], ["u"]]
