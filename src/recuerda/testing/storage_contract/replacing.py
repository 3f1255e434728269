"""Tests of an append that replaces a turn: the old turn is removed and the new turn appended in one atomic step."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace

from recuerda.errors import InvalidInput, ThreadConflict, ThreadOwnershipError, TurnGone
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill, numbers


class ReplaceContract(ContractBase):
    """Tests of `replaces` of `Storage.append`."""

    async def test_a_turn_replaces_another_one(self, storage: Storage, another: Storage) -> None:
        appended = await fill(storage, "a", 1, 2)
        new = await storage.append("a", a_turn(b"new", id="new", messages=3), expected=2, replaces=2)
        assert (new.revision, new.replayed, new.created) == (4, False, False)
        assert (new.record.number, new.record.kind, new.record.target) == (4, "turn", 2)
        found = await another.read("a")
        assert found.records == (appended[0].record, new.record)
        assert found.info is not None
        assert (found.info.revision, found.info.turns, found.info.messages) == (4, 2, 4)
        assert found.info.record_id == "new"
        assert (await another.read("a", turn_id="new")).found == new.record

    async def test_a_handle_that_read_before_learns_of_every_replaced_turn(
        self, storage: Storage, another: Storage
    ) -> None:
        await fill(storage, "a", 1, 1)
        before = await storage.head("a")
        assert before is not None
        await another.append("a", a_turn(b"new"), replaces=2)
        between = await storage.head("a")
        assert between is not None
        await another.append("a", a_turn(b"newer"), replaces=4)
        for version, wanted in (
            (before.version, [("undo", 2), ("undo", 4), ("turn", 4)]),
            (between.version, [("undo", 4), ("turn", 4)]),
        ):
            found = await storage.read("a", after=version)
            assert found.is_continued
            assert [(record.kind, record.target) for record in found.records] == wanted
        await another.undo("a")
        found = await storage.read("a", after=before.version)
        assert [(record.kind, record.target) for record in found.records] == [("undo", 2), ("undo", 4), ("undo", 6)]

    async def test_a_replaced_id_is_free_again(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.append("a", a_turn(b"new", id="new"), replaces=2)
        assert (await storage.read("a", turn_id="t2")).found is None
        assert (await storage.read("a", turn_id="t2")).dropped is None
        again = await storage.append("a", a_turn(b"anew", id="t2"), replaces=4)
        assert not again.replayed
        assert await bodies(storage, "a") == [b"1", b"anew"]

    async def test_a_replay_of_a_replacement_writes_nothing(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        first = await storage.append("a", a_turn(b"new", id="new"), expected=2, replaces=2)
        before = await storage.read("a")
        for number, expected in ((2, 2), (4, None), (99, None)):
            again = await another.append("a", a_turn(b"other", id="new"), expected=expected, replaces=number)
            assert (again.replayed, again.record) == (True, first.record), number
        assert await storage.read("a") == before

    async def test_the_id_of_the_turn_to_replace_is_a_replay(self, storage: Storage) -> None:
        appended = await fill(storage, "a", 1, 1)
        again = await storage.append("a", a_turn(b"new", id="t2"), replaces=2)
        assert (again.replayed, again.record) == (True, appended[1].record)
        assert await bodies(storage, "a") == [b"1", b"2"]

    async def test_a_replacement_of_a_turn_that_is_not_there_writes_nothing(self, storage: Storage) -> None:
        with pytest.raises(TurnGone):
            await storage.append("none", a_turn(), replaces=1)
        assert await storage.head("none") is None
        await fill(storage, "a", 1, 1)
        await storage.undo("a")  # record 3
        await storage.summarize("a", b"summary", through=1)  # record 4
        before = await storage.read("a", with_summary=True)
        for number in (2, 3, 4, 5, 2**32 - 1):
            with pytest.raises(TurnGone) as gone:
                await storage.append("a", a_turn(id="new"), replaces=number)
            assert (gone.value.thread_id, gone.value.turn, gone.value.actual) == ("a", number, 4)
            assert await storage.read("a", with_summary=True) == before, number
        for number in (0, -1, 2**32):
            with pytest.raises(InvalidInput):
                await storage.append("a", a_turn(id="new"), replaces=number)

    async def test_a_replacement_on_another_version_writes_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        found = await storage.read("a")
        assert found.info is not None
        for expected in (0, 1, 3, replace(found.info.version, record_id="other")):
            with pytest.raises(ThreadConflict) as conflict:
                await storage.append("a", a_turn(), expected=expected, replaces=2)
            assert not isinstance(conflict.value, TurnGone)
        assert await storage.read("a") == found
        assert (await storage.append("a", a_turn(), expected=found.info.version, replaces=2)).revision == 4

    async def test_a_turn_of_another_user_is_not_replaced(self, storage: Storage) -> None:
        await storage.append("a", a_turn(b"1"), user_id="ana")
        with pytest.raises(ThreadOwnershipError):
            await storage.append("a", a_turn(b"2"), user_id="bob", replaces=1)
        with pytest.raises(ThreadOwnershipError):
            await storage.for_user("bob").append("a", a_turn(b"2"), replaces=1)
        await storage.for_user("ana").append("a", a_turn(b"3"), replaces=1)
        assert await bodies(storage, "a") == [b"3"]

    async def test_of_concurrent_replacements_exactly_one_wins(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        outcomes = await asyncio.gather(
            *((storage, another)[i % 2].append("a", a_turn(f"{i}", id=f"new {i}"), replaces=2) for i in range(6)),
            return_exceptions=True,
        )
        won = [one for one in outcomes if not isinstance(one, BaseException)]
        assert len(won) == 1
        assert len([one for one in outcomes if isinstance(one, TurnGone)]) == 5
        assert (await storage.read("a")).records[1:] == (won[0].record,)

    async def test_a_replacement_removes_the_summaries_of_the_old_turn(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.summarize("a", b"to 1", through=1)
        await storage.summarize("a", b"to 3", through=3)
        await storage.append("a", a_turn(b"new"), replaces=3)
        found = await storage.read("a", with_summary=True)
        assert found.summary is not None
        assert (found.summary.body, found.summary.number) == (b"to 1", 4)
        assert numbers(found) == [2, 7]
        await storage.append("a", a_turn(b"newer"), replaces=1)
        assert (await storage.read("a", with_summary=True)).summary is None
        assert await bodies(storage, "a") == [b"2", b"new", b"newer"]

    async def test_a_title_goes_with_the_replaced_turn(self, storage: Storage, another: Storage) -> None:
        await storage.append("a", a_turn(b"1"), title="first")
        await storage.append("a", a_turn(b"2"), title="second")
        for replaced, title, wanted in ((2, "third", "first"), (1, "fourth", "fourth"), (6, None, None)):
            await storage.append("a", a_turn(), replaces=replaced, title=title)
            info = await another.head("a")
            assert info is not None
            assert info.title == wanted, replaced
        await storage.append("a", a_turn(), title="later")
        await storage.update_thread("a", title="set")
        await storage.append("a", a_turn(), title="ignored", replaces=4)
        info = await another.head("a")
        assert info is not None
        assert info.title == "set"

    async def test_an_empty_title_is_a_title_also_after_the_titled_turn_was_replaced(
        self, storage: Storage, another: Storage
    ) -> None:
        await storage.append("a", a_turn(b"1"), title="first")
        await storage.append("a", a_turn(b"2"), replaces=1)
        await storage.append("a", a_turn(b"3"), title="")
        await storage.append("a", a_turn(b"4"), title="ignored")
        info = await another.head("a")
        assert info is not None
        assert (info.title, info.title_turn) == ("", 4)

    async def test_a_replacement_ends_the_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", DraftStep(turn_id="new", revision=1, number=1, body=b"step"))
        await storage.append("a", a_turn(b"new", id="new"), replaces=1)
        assert await storage.load_draft("a") is None
        assert not (await storage.read("a")).has_draft

    async def test_a_refused_replacement_leaves_the_draft(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.save_draft("a", DraftStep(turn_id="new", revision=1, number=1, body=b"step"))
        with pytest.raises(TurnGone):
            await storage.append("a", a_turn(b"new", id="new"), replaces=2)
        assert await storage.load_draft("a") is not None

    async def test_a_limit_counts_without_the_replaced_turn(self, storage: Storage) -> None:
        for keep, kept in ((99, [1, 2, 5]), (4, [1, 2, 5]), (3, [2, 5]), (2, [5]), (1, [5])):
            thread_id = f"keep {keep}"
            await fill(storage, thread_id, 1, 1, 5)
            await storage.append(thread_id, a_turn(b"new", messages=2), replaces=3, keep_messages=keep)
            found = await storage.read(thread_id)
            assert numbers(found) == kept, keep
            assert found.info is not None
            assert (found.info.turns, found.info.messages) == (len(kept), len(kept) + 1), keep
            assert (await storage.read(thread_id, turn_id="t3")).dropped is None
            assert (await storage.read(thread_id, turn_id="t1")).dropped == (None if 1 in kept else 1), keep

    async def test_a_limit_may_remove_the_turns_around_a_replaced_turn(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1, 1)
        await storage.summarize("a", b"to 2", through=2)
        await storage.append("a", a_turn(b"new"), replaces=2, keep_messages=2)
        found = await storage.read("a", with_summary=True)
        assert (numbers(found), found.summary) == ([4, 7], None)
        assert found.info is not None
        assert (found.info.first, found.info.turns, found.info.messages) == (4, 2, 2)

    async def test_a_cancelled_replacement_leaves_the_old_turn_or_the_new_one(
        self, storage: Storage, another: Storage
    ) -> None:
        await fill(storage, "a", 1)
        number = 1
        for i in range(16):
            task = asyncio.ensure_future(storage.append("a", a_turn(f"{i}", id=f"new {i}"), replaces=number))
            for _ in range(i % 8):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            settled = await another.append("a", a_turn(f"{i}", id=f"new {i}"), replaces=number)
            number = settled.revision
            assert await bodies(another, "a") == [str(i).encode()]
