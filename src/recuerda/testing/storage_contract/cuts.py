"""Tests of undo, trim and the limit of an append, each of which removes whole turns and raises the revision."""

from __future__ import annotations

import asyncio

import pytest

from recuerda.errors import InvalidInput, ThreadConflict, ThreadNotFound
from recuerda.storage.contract import Storage
from recuerda.storage.operations import UndoneTurn
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies, fill, numbers

KEPT = {1: [4], 4: [4], 6: [4], 7: [3, 4], 9: [2, 3, 4], 99: [1, 2, 3, 4]}
"""For a thread whose turns have 1, 2, 3 and 4 messages: a limit, and the numbers of the turns that it leaves."""


class CutContract(ContractBase):
    """Tests of `Storage.undo`, `Storage.trim`, and `keep_messages` of `Storage.append`."""

    async def test_undo_takes_the_last_turn_out_and_gives_it_back(self, storage: Storage, another: Storage) -> None:
        appended = await fill(storage, "a", 1, 2)
        assert await storage.undo("a") == UndoneTurn(appended[1].record)
        found = await another.read("a")
        assert found.records == (appended[0].record,)
        assert found.info is not None
        assert (found.info.revision, found.info.turns, found.info.messages) == (3, 1, 1)

    async def test_undos_go_back_turn_by_turn_until_nothing_is_left(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        undone = [await storage.undo("a") for _ in range(5)]
        assert [None if one is None else one.record.number for one in undone] == [3, 2, 1, None, None]
        info = await storage.head("a")
        assert info is not None
        assert (info.revision, info.turns, info.messages) == (6, 0, 0)

    async def test_undo_of_a_thread_that_does_not_exist_does_nothing(self, storage: Storage) -> None:
        assert await storage.undo("a") is None
        assert await storage.head("a") is None

    async def test_a_revision_never_comes_back_after_an_undo(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        assert (await storage.append("a", a_turn(b"new"))).revision == 4
        assert numbers(await storage.read("a")) == [1, 4]

    async def test_an_undone_id_is_free_again(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        assert (await storage.read("a", turn_id="t2")).found is None
        again = await storage.append("a", a_turn(b"anew", id="t2"))
        assert not again.replayed
        assert await bodies(storage, "a") == [b"1", b"anew"]

    async def test_a_handle_that_read_before_learns_of_an_undo(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await another.undo("a")
        await another.append("a", a_turn(b"new"))
        found = await storage.read("a", after=2)
        assert [(record.number, record.kind, record.target, record.body) for record in found.records] == [
            (3, "undo", 2, b""),
            (4, "turn", None, b"new"),
        ]
        assert found.records[0].message_count == 0

    async def test_an_undo_beside_an_undone_turn_skips_it(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        await storage.undo("a")
        undone = await storage.undo("a")
        assert undone is not None
        assert undone.record.number == 1
        assert [record.target for record in (await storage.read("a", after=2)).records] == [2, 1]

    async def test_an_undo_with_another_revision_takes_nothing_out(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        for expected in (0, 1, 3):
            with pytest.raises(ThreadConflict) as conflict:
                await storage.undo("a", expected=expected)
            assert (conflict.value.expected, conflict.value.actual) == (expected, 2)
            assert numbers(await storage.read("a")) == [1, 2], expected
        assert await storage.undo("a", expected=2) is not None

    async def test_concurrent_undos_never_take_one_turn_twice(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", *[1] * 6)
        outcomes = await asyncio.gather(storage.undo("a"), another.undo("a"), storage.undo("a"), return_exceptions=True)
        undone = [one.record.number for one in outcomes if one is not None and not isinstance(one, BaseException)]
        conflicts = [one for one in outcomes if isinstance(one, ThreadConflict)]
        assert undone
        assert len(undone) + len(conflicts) == 3
        assert sorted(undone + numbers(await storage.read("a"))) == [1, 2, 3, 4, 5, 6]

    async def test_trim_keeps_so_many_of_the_newest_turns(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 2, 3, 4)
        assert await storage.trim("a", keep_turns=2) == 2
        found = await another.read("a")
        assert numbers(found) == [3, 4]
        assert found.info is not None
        assert (found.info.revision, found.info.first, found.info.turns, found.info.messages) == (5, 3, 2, 7)

    async def test_trim_by_messages_keeps_whole_turns(self, storage: Storage) -> None:
        for keep, kept in KEPT.items():
            thread_id = f"keep {keep}"
            await fill(storage, thread_id, 1, 2, 3, 4)
            assert await storage.trim(thread_id, keep_messages=keep) == 4 - len(kept), keep
            assert numbers(await storage.read(thread_id)) == kept, keep

    async def test_a_trim_with_nothing_to_take_leaves_the_revision(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        before = await storage.head("a")
        assert await storage.trim("a", keep_turns=2) == 0
        assert await storage.trim("a", keep_messages=2) == 0
        assert await storage.head("a") == before

    async def test_a_handle_that_read_before_learns_of_a_trim(self, storage: Storage, another: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await another.trim("a", keep_turns=1)
        found = await storage.read("a", after=3)
        assert [(record.number, record.kind, record.target) for record in found.records] == [(4, "trim", 3)]
        assert found.info is not None
        assert found.info.first == 3

    async def test_a_trim_passes_over_undone_turns(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.undo("a")
        await storage.append("a", a_turn(b"4"))
        assert await storage.trim("a", keep_turns=2) == 1
        assert await bodies(storage, "a") == [b"2", b"4"]
        assert await storage.undo("a") is not None
        assert await storage.undo("a") is not None
        assert await storage.undo("a") is None

    async def test_a_trim_of_a_thread_without_turns_takes_nothing(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.undo("a")
        assert await storage.trim("a", keep_turns=1) == 0

    async def test_a_trim_to_nothing_or_to_two_limits_is_refused(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        with pytest.raises(InvalidInput):
            await storage.trim("a", keep_turns=0)
        with pytest.raises(InvalidInput):
            await storage.trim("a", keep_messages=0)
        with pytest.raises(InvalidInput):
            await storage.trim("a")
        with pytest.raises(InvalidInput):
            await storage.trim("a", keep_turns=1, keep_messages=1)
        assert numbers(await storage.read("a")) == [1]

    async def test_a_trim_with_another_revision_takes_nothing_out(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1)
        with pytest.raises(ThreadConflict):
            await storage.trim("a", keep_turns=1, expected=1)
        assert numbers(await storage.read("a")) == [1, 2]
        assert await storage.trim("a", keep_turns=1, expected=2) == 1

    async def test_a_thread_that_does_not_exist_cannot_be_trimmed(self, storage: Storage) -> None:
        with pytest.raises(ThreadNotFound):
            await storage.trim("a", keep_turns=1)

    async def test_a_limit_on_append_drops_the_oldest_whole_turns(self, storage: Storage) -> None:
        for keep, kept in KEPT.items():
            thread_id = f"keep {keep}"
            await fill(storage, thread_id, 1, 2, 3)
            appended = await storage.append(thread_id, a_turn(messages=4), keep_messages=keep)
            assert appended.revision == 4, keep
            found = await storage.read(thread_id)
            assert numbers(found) == kept, keep
            assert found.info is not None
            assert (found.info.turns, found.info.first) == (len(kept), kept[0]), keep
            assert found.info.messages == sum(kept), keep

    async def test_the_new_turn_stays_however_large(self, storage: Storage) -> None:
        await fill(storage, "a", 1)
        await storage.append("a", a_turn(b"large", messages=50), keep_messages=2)
        assert await bodies(storage, "a") == [b"large"]

    async def test_a_limit_on_the_first_append_is_fine(self, storage: Storage) -> None:
        await storage.append("a", a_turn(b"large", messages=50), keep_messages=2)
        assert await bodies(storage, "a") == [b"large"]

    async def test_a_limit_of_nothing_is_refused(self, storage: Storage) -> None:
        for keep in (0, -1):
            with pytest.raises(InvalidInput):
                await storage.append("a", a_turn(), keep_messages=keep)
        assert await storage.head("a") is None

    async def test_a_handle_that_read_before_learns_of_a_limit_by_first(self, storage: Storage) -> None:
        await fill(storage, "a", 1, 1, 1)
        await storage.append("a", a_turn(), keep_messages=2)
        found = await storage.read("a", after=3)
        assert numbers(found) == [4]
        assert found.info is not None
        assert found.info.first == 3
