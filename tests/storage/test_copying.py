"""Copies between every two kinds of storage: whole, verified, resumable, never mixed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from recuerda import MemoryStorage, NewTurn, Storage, ThreadNotFound
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.copying import copy_thread, copy_threads, digest_turns
from recuerda.storage.records import ThreadSlice


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
