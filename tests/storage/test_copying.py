"""Copies between every two kinds of storage: whole, verified, resumable, never mixed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recuerda import MemoryStorage, NewTurn, Storage, ThreadNotFound, ThreadParent
from recuerda.copying import copy_thread, copy_threads, digest_turns
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.operations import ThreadSlice


def turn(text: str, *, id: str | None = None, created_us: int | None = None) -> NewTurn:
    return NewTurn(body=text.encode(), message_count=1, id=id, created_us=created_us)


def said(found: ThreadSlice) -> list[tuple[str, int, bytes]]:
    return [(record.id, record.created_us, record.body) for record in found.records]


@pytest.fixture
async def source() -> AsyncIterator[Storage]:
    async with MemoryStorage() as source:
        for i in range(3):
            await source.append("a", turn(f"a{i}", created_us=1000 + i), user_id="ana", title="About a")
        await source.append("b", turn("b0"), user_id="bo")
        await source.update_thread("a", metadata={"k": [1]})
        await source.update_thread("empty", title="Nothing yet")
        yield source


async def test_a_copy_has_the_same_turns_times_and_settings(source: Storage, storage: Storage) -> None:
    copied = await copy_thread(source, storage, "a")
    original, copy = await source.read("a"), await storage.read("a")
    assert said(copy) == said(original)
    assert copied.digest == digest_turns(original.records)
    assert (copied.turns, copied.added, copied.problem) == (3, 3, None)
    assert copy.info is not None
    assert (copy.info.user_id, copy.info.title, copy.info.metadata) == ("ana", "About a", {"k": [1]})


async def test_all_threads_are_copied_or_those_of_one_user(source: Storage, storage: Storage) -> None:
    assert [c.thread_id async for c in copy_threads(source, storage, user_id="bo")] == ["b"]
    assert {c.thread_id async for c in copy_threads(source, storage)} == {"a", "b", "empty"}
    assert {info.id async for info in storage.threads()} == {"a", "b", "empty"}


async def test_copying_again_adds_nothing_and_later_turns_only(source: Storage, storage: Storage) -> None:
    await copy_thread(source, storage, "a")
    assert (await copy_thread(source, storage, "a")).added == 0
    await source.append("a", turn("a3"))
    assert (await copy_thread(source, storage, "a")).added == 1
    assert said(await storage.read("a")) == said(await source.read("a"))


async def test_a_copy_that_broke_off_goes_on(source: Storage, storage: Storage) -> None:
    first = (await source.read("a")).records[0]
    await storage.append("a", turn("a0", id=first.id, created_us=first.created_us))
    assert (await copy_thread(source, storage, "a")).added == 2
    assert said(await storage.read("a")) == said(await source.read("a"))


async def test_two_histories_are_never_mixed(source: Storage, storage: Storage) -> None:
    await storage.append("a", turn("something else"))
    copied = await copy_thread(source, storage, "a")
    assert copied.digest is None
    assert copied.problem is not None
    assert [record.body for record in (await storage.read("a")).records] == [b"something else"]


async def test_a_walk_leaves_out_what_is_deleted_meanwhile_and_meets_everything_else(
    storage: Storage, small_page: int
) -> None:
    source = MemoryStorage()
    names = [f"t{number:03}" for number in range(2 * small_page + 5)]
    for name in names:
        await source.append(name, turn("x"))
    copied: list[str] = []
    gone = used = ""
    async for one in copy_threads(source, storage):
        copied.append(one.thread_id)
        if len(copied) == 3:
            gone, used = [name for name in names if name not in copied][:2]
            await source.delete(gone)
            await source.append(used, turn("y"))
    assert sorted(copied) == [name for name in names if name != gone]
    assert [record.body for record in (await storage.read(used)).records] == [b"x", b"y"]


async def test_a_named_thread_that_is_deleted_meanwhile_is_an_error(source: Storage, storage: Storage) -> None:
    copying = copy_threads(source, storage, thread_ids=["a", "b"])
    await anext(copying)
    await source.delete("b")
    with pytest.raises(ThreadNotFound, match="'b'"):
        await anext(copying)


async def test_a_thread_of_another_user_at_the_target_stays_theirs(source: Storage, storage: Storage) -> None:
    await storage.update_thread("a", user_id="bo", title="Bo's own")
    first = (await source.read("b")).records[0].as_new_turn()
    await storage.append("b", first, user_id="ana")
    for thread_id in ("a", "b"):
        before = await storage.head(thread_id)
        copied = await copy_thread(source, storage, thread_id)
        assert copied.digest is None
        assert copied.problem is not None
        assert "another user" in copied.problem
        assert await storage.head(thread_id) == before


async def test_a_thread_without_a_user_at_the_target_becomes_its_users(source: Storage, storage: Storage) -> None:
    await storage.update_thread("a", metadata={"of": "the target"})
    assert (await copy_thread(source, storage, "a")).problem is None
    info = await storage.head("a")
    assert info is not None
    assert (info.user_id, info.metadata) == ("ana", {"of": "the target", "k": [1]})


@pytest.mark.parametrize("method", ["append_all", "update_thread"])
async def test_a_writer_at_the_target_stops_the_copy_of_its_thread_only(
    source: Storage, storage: Storage, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    real = getattr(storage, method)

    async def interrupted(thread_id: str, *arguments: Any, **options: Any) -> Any:
        if thread_id == "a":
            await storage.append("a", turn("of another writer"))
        return await real(thread_id, *arguments, **options)

    monkeypatch.setattr(storage, method, interrupted)
    outcomes = {one.thread_id: one.problem async for one in copy_threads(source, storage)}
    assert "another writer" in (outcomes.pop("a") or "")
    assert set(outcomes.values()) == {None}
    bodies = [record.body for record in (await storage.read("a")).records]
    assert bodies.count(b"of another writer") == 1
    assert (await source.read("a")).info == (await source.head("a"))


async def test_a_writer_between_two_parts_of_a_long_copy_is_noticed(
    storage: Storage, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = MemoryStorage()
    await source.append_all("long", [turn(f"{number}", id=f"{number}") for number in range(5)])
    monkeypatch.setattr("recuerda.copying.CHUNK", 2)
    assert (await copy_thread(source, storage, "long")).problem is None
    await storage.delete("long")
    real, calls = storage.append_all, list[str]()

    async def interrupted(thread_id: str, *arguments: Any, **options: Any) -> Any:
        calls.append(thread_id)
        if len(calls) == 2:
            await storage.append("long", turn("of another writer"))
        return await real(thread_id, *arguments, **options)

    monkeypatch.setattr(storage, "append_all", interrupted)
    assert "another writer" in ((await copy_thread(source, storage, "long")).problem or "")
    assert [r.body for r in (await storage.read("long")).records] == [b"0", b"1", b"of another writer"]


async def test_a_title_that_was_made_of_a_turn_goes_with_its_copy(storage: Storage) -> None:
    source = MemoryStorage()
    await source.append("t", turn("a"), title="made of a")
    await source.append("t", turn("b"))
    await copy_thread(source, storage, "t")
    info = await storage.head("t")
    assert info is not None
    assert (info.title, info.title_turn) == ("made of a", 1)
    await storage.trim("t", keep_turns=1)
    info = await storage.head("t")
    assert info is not None
    assert info.title is None


async def test_a_title_that_was_set_stays_set(source: Storage, storage: Storage) -> None:
    await source.update_thread("a", title="Set by hand")
    await copy_thread(source, storage, "a")
    info = await storage.head("a")
    assert info is not None
    assert (info.title, info.title_turn) == ("Set by hand", None)


async def test_a_copied_turn_knows_when_it_was_said_and_when_it_was_copied(source: Storage, storage: Storage) -> None:
    await copy_thread(source, storage, "a")
    record = (await storage.read("a")).records[0]
    assert record.created_us == 1000
    assert record.committed_us > 1_000_000


async def test_copied_threads_stay_in_the_order_in_which_they_were_used(source: Storage, storage: Storage) -> None:
    await source.undo("a")
    before = [(info.id, info.updated_us) for info in (await source.list_threads()).threads]
    assert [thread_id for thread_id, _ in before] == ["a", "empty", "b"]
    for _ in range(2):
        assert [copied.problem async for copied in copy_threads(source, storage)] == [None] * 3
        assert [(info.id, info.updated_us) for info in (await storage.list_threads()).threads] == before
    await storage.update_thread("b", title="Changed at the target")
    assert (await copy_thread(source, storage, "b")).problem is None
    assert (await storage.list_threads()).threads[0].id == "b", "a copy does not put the time of a change back"


async def test_turns_that_the_target_has_dropped_are_not_copied_again(source: Storage, storage: Storage) -> None:
    await copy_thread(source, storage, "a")
    await storage.append("a", NewTurn(body=b"of the target", message_count=1, id="own"))
    await storage.trim("a", keep_turns=1)
    await storage.undo("a")
    copied = await copy_thread(source, storage, "a")
    assert copied.digest is None
    assert "deleted turns" in (copied.problem or "")
    assert (await storage.read("a")).records == ()


async def test_a_trimmed_and_undone_thread_arrives_as_it_is(source: Storage, storage: Storage) -> None:
    await source.undo("a")
    await source.trim("a", keep_turns=1)
    assert (await copy_thread(source, storage, "a")).problem is None
    assert [record.body for record in (await storage.read("a")).records] == [b"a1"]


async def test_summaries_stay_behind_and_disturb_no_copy(source: Storage, storage: Storage) -> None:
    await source.summarize("a", b"so far", through=1)
    await source.append("a", NewTurn(body=b"later", message_count=1))
    for _ in range(2):
        copied = await copy_thread(source, storage, "a")
        assert (copied.problem, copied.digest is None) == (None, False)
        there = await storage.read("a", with_summary=True)
        here = await source.read("a")
        assert [record.body for record in there.records] == [record.body for record in here.records]
        assert there.summary is None
    await storage.summarize("a", b"of the copy", through=1)
    await source.append("a", NewTurn(body=b"latest", message_count=1))
    copied = await copy_thread(source, storage, "a")
    assert (copied.problem, copied.added) == (None, 1)
    summary = (await storage.read("a", with_summary=True)).summary
    assert summary is not None
    assert summary.body == b"of the copy"


async def test_a_damaged_copy_is_noticed(source: Storage, tmp_path: Path) -> None:
    async with SQLiteStorage(tmp_path / "t.db") as target:
        await copy_thread(source, target, "a")
        await target.rewrite("a", {2: b"forged"})
        copied = await copy_thread(source, target, "a")
    assert copied.digest is None
    assert copied.problem is not None


async def test_a_thread_that_is_not_there_is_named(storage: Storage) -> None:
    with pytest.raises(ThreadNotFound, match="nowhere"):
        await copy_thread(storage, MemoryStorage(), "nowhere")


async def test_sealed_turns_are_not_copied_under_other_numbers(storage: Storage) -> None:
    keys = KeyRing({"k": b"1" * 32}, current="k")
    inner = MemoryStorage()
    sealed = EncryptedStorage(inner, keys)
    for i in range(3):
        await sealed.append("t", turn(f"t{i}"))
    assert (await copy_thread(inner, storage, "t")).problem is None  # the numbers stay, so the copy opens
    copy = EncryptedStorage(storage, keys)
    assert [record.body for record in (await copy.read("t")).records] == [b"t0", b"t1", b"t2"]
    await sealed.trim("t", keep_turns=1)
    await storage.delete("t")
    copied = await copy_thread(inner, storage, "t")
    assert (copied.added, copied.digest) == (0, None)
    assert copied.problem is not None
    assert await storage.head("t") is None
    assert (await copy_thread(sealed, copy, "t")).problem is None
    assert [record.body for record in (await copy.read("t")).records] == [b"t2"]


async def test_a_copy_of_a_fork_keeps_its_marks_and_its_parent_in_any_life(storage: Storage) -> None:
    parent = ThreadParent(thread_id="a", incarnation="i", turn_id="t1", number=3, turns=1)
    async with MemoryStorage() as source:
        await source.append("a", turn("a0"), user_id="ana")
        await source.update_thread("fork", user_id="ana", parent=parent, tags=["work"], archived=True)
        await source.append("fork", turn("f0"))
        for _ in range(2):
            assert [one.problem async for one in copy_threads(source, storage)] == [None, None]
    info = await storage.head("fork")
    assert info is not None
    assert (info.parent, info.tags, info.archived) == (parent.in_any_life(), ("work",), True)


async def test_a_copy_does_not_change_the_parent_at_the_target() -> None:
    there = ThreadParent(thread_id="there")
    async with MemoryStorage() as source, MemoryStorage() as target:
        await target.update_thread("fork", parent=there)
        await source.update_thread("fork", parent=ThreadParent(thread_id="here"))
        await copy_thread(source, target, "fork")
        info = await target.head("fork")
    assert info is not None
    assert info.parent == there
