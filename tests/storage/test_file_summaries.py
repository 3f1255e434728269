"""Summaries and drafts in files: what they cost, and what crashes, damage and a person's hand make of them."""

import errno
import re
from pathlib import Path

import pytest

from recuerda.errors import DraftConflict, StorageUnavailable
from recuerda.file import FileStorage
from recuerda.file.disk import Disk
from recuerda.file.names import files_of
from recuerda.storage.drafts import DraftStep
from recuerda.storage.records import NewTurn
from recuerda.testing.storage_contract.base import a_turn, fill, numbers
from tests.storage.file_fixtures import folder, log, reads, storage

__all__ = ["folder", "log", "reads", "storage"]


def a_step(number: int, revision: int = 0, body: bytes = b'{"v":1}') -> DraftStep:
    return DraftStep(turn_id="t", revision=revision, number=number, body=body, created_us=number)


def content_of(path: Path) -> bytes:
    return path.read_bytes()


def change(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert re.search(old, content)
    path.write_bytes(re.sub(old, new, content))


async def test_the_newest_summary_costs_the_same_in_a_long_thread_with_many(
    storage: FileStorage, reads: list[int]
) -> None:
    turns = [NewTurn(body=b'{"text":"%s"}' % (b"x" * 300), message_count=2) for _ in range(5_000)]
    costs: list[int] = []
    for thread_id, count, summaries in (("none", 5_000, 0), ("one", 5_000, 1), ("many", 5_000, 100), ("short", 50, 1)):
        await storage.append_all(thread_id, turns[:count])
        for _ in range(summaries):
            await storage.summarize(thread_id, b"so far", through=count - 5)
        await storage.append_all(thread_id, turns[:10])
        reads.clear()
        found = await storage.read(thread_id, with_summary=True, last_messages=10)
        assert (found.summary is None) == (summaries == 0)
        costs.append(sum(reads))
    assert max(costs) < 40_000


async def test_a_step_reads_and_writes_as_much_of_a_long_draft_as_of_a_short_one(
    storage: FileStorage, folder: Path, reads: list[int]
) -> None:
    costs: list[int] = []
    for number in range(1, 301):
        before = sum(reads)
        await storage.save_draft("a", a_step(number, body=b'{"text":"%s"}' % (b"x" * 300)))
        costs.append(sum(reads) - before)
    assert max(costs[100:]) < 20_000
    assert files_of(folder, "a").draft.read_bytes().count(b"\n") == 300


async def test_a_summary_is_one_line_at_the_end(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1, 1)
    before = content_of(log)
    await storage.summarize("a", b'{"text":"so far"}', through=1)
    after = content_of(log)
    assert after.startswith(before)
    assert after.count(b"\n") == before.count(b"\n") + 1
    assert b'"kind":"summary","target":1' in after
    assert b'"body":{"text":"so far"}' in after


async def test_the_summary_is_found_after_the_file_was_mended_by_hand(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1, 1, 1)
    await storage.summarize("a", b"1", through=1)
    await storage.summarize("a", b"2", through=2)
    await storage.append("a", a_turn())
    change(log, b'"thread":"a"', b'"thread":   "a"')
    found = await storage.read("a", with_summary=True)
    assert found.summary is not None
    assert (found.summary.body, numbers(found)) == (b"2", [3, 6])


@pytest.mark.parametrize("is_last", [True, False])
async def test_a_damaged_summary_is_no_turn_and_the_one_before_it_counts(
    storage: FileStorage, log: Path, *, is_last: bool
) -> None:
    await fill(storage, "a", 1, 1, 1)
    await storage.summarize("a", b"1", through=1)
    await storage.summarize("a", b"2", through=2)
    if not is_last:
        await storage.append("a", a_turn())
    change(log, rb'("number":5,"kind":"summary","target":2,)"id"', rb"\1")
    found = await storage.read("a", with_summary=True)
    assert found.summary is not None
    assert found.info is not None
    turns = [2, 3] if is_last else [2, 3, 6]
    assert (found.summary.body, numbers(found)) == (b"1", turns)
    assert (found.info.turns, found.info.messages) == (len(turns) + 1, len(turns) + 1)
    await storage.append("a", a_turn())
    assert len((await storage.read("a")).records) == len(turns) + 2


async def test_an_undo_leaves_no_byte_of_a_summary_that_it_deletes(storage: FileStorage, log: Path) -> None:
    await fill(storage, "a", 1, 1)
    await storage.summarize("a", b'{"text":"of one"}', through=1)
    await storage.summarize("a", b'{"text":"of both"}', through=2)
    await storage.undo("a")
    assert b"of both" not in content_of(log)
    assert b"of one" in content_of(log)


async def test_a_crash_in_an_undo_keeps_turn_and_summary_both(
    storage: FileStorage, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(storage, "a", 1, 1)
    await storage.summarize("a", b"so far", through=2)
    before = await storage.read("a", with_summary=True)

    def fail(*_: object) -> None:
        raise OSError(errno.EIO, "as if the process had died here")

    with monkeypatch.context() as patch:
        patch.setattr(Disk, "put_in_place", fail)
        with pytest.raises(StorageUnavailable):
            await storage.undo("a")
    async with FileStorage(folder) as another:
        assert await another.read("a", with_summary=True) == before
        assert before.summary is not None
        await another.undo("a")
        assert (await another.read("a", with_summary=True)).summary is None


async def test_a_draft_whose_turn_came_and_went_stays_stale(storage: FileStorage, folder: Path) -> None:
    await fill(storage, "a", 1)
    draft = files_of(folder, "a").draft
    await storage.save_draft("a", a_step(1, 1))
    saved = draft.read_bytes()
    await storage.append("a", a_turn(id="t"))
    await storage.undo("a")
    await storage.update_thread("a", title="T")
    draft.write_bytes(saved)  # as if the process had died between the commit and the deletion
    assert await storage.load_draft("a") is None
    with pytest.raises(DraftConflict):
        await storage.save_draft("a", a_step(2, 1))


async def test_after_a_damaged_step_the_draft_goes_on_from_the_one_before(storage: FileStorage, folder: Path) -> None:
    for number in (1, 2, 3):
        await storage.save_draft("a", a_step(number))
    change(files_of(folder, "a").draft, rb'"number":2,', b'"number":"2",')
    draft = await storage.load_draft("a")
    assert draft is not None
    assert len(draft.steps) == 1
    for number in (2, 3):
        await storage.save_draft("a", a_step(number, body=b"again"))
    draft = await storage.load_draft("a")
    assert draft is not None
    assert [step.body for step in draft.steps] == [b'{"v":1}', b"again", b"again"]


async def test_a_stale_draft_and_a_copy_of_one_are_not_listed(storage: FileStorage, folder: Path) -> None:
    for thread in ("a", "b"):
        await storage.save_draft(thread, a_step(1))
    stale = files_of(folder, "a").draft
    saved = stale.read_bytes()
    await storage.append("a", a_turn())
    stale.write_bytes(saved)  # as if the process had died between the commit and the deletion
    files_of(folder, "c").draft.write_bytes(files_of(folder, "b").draft.read_bytes())
    assert (await storage.list_drafts()).thread_ids == ["b"]


async def test_a_damaged_file_hides_no_draft_but_its_own(
    storage: FileStorage, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for thread in ("a", "b", "c"):
        await storage.save_draft(thread, a_step(1))
    files_of(folder, "a").draft.write_bytes(b"\xff")
    files_of(folder, "b").log.write_bytes(b'{"recuerda":99}\n')
    assert (await storage.list_drafts()).thread_ids == ["c"]
    assert caplog.text.count("not listed") == 2
