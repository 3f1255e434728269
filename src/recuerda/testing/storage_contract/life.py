"""Tests of opening, sharing and closing a storage."""

from __future__ import annotations

import asyncio

import pytest

from recuerda.errors import StorageUnavailable
from recuerda.storage.contract import Storage
from recuerda.storage.drafts import DraftStep
from recuerda.testing.storage_contract.base import ContractBase, a_turn, bodies


class LifeContract(ContractBase):
    """Tests of `Storage.close`, and of a storage that several event loops use."""

    async def test_closing_twice_is_fine(self, storage: Storage) -> None:
        await storage.append("a", a_turn())
        await storage.close()
        await storage.close()

    async def test_closing_before_any_use_is_fine(self, storage: Storage) -> None:
        await storage.close()

    async def test_use_after_close_is_an_error(self, storage: Storage) -> None:
        await storage.append("a", a_turn())
        await storage.close()
        calls = (
            storage.append("a", a_turn()),
            storage.read("a"),
            storage.head("a"),
            storage.undo("a"),
            storage.trim("a", keep_turns=1),
            storage.list_threads(),
            storage.update_thread("a", title="T"),
            storage.delete("a"),
            storage.save_draft("a", DraftStep(turn_id="t", revision=1, number=1, body=b"")),
            storage.load_draft("a"),
            storage.drop_draft("a"),
        )
        for call in calls:
            with pytest.raises(StorageUnavailable):
                await call

    async def test_closing_finishes_what_was_begun(self, storage: Storage) -> None:
        appends = [asyncio.ensure_future(storage.append("a", a_turn(str(i)))) for i in range(20)]
        await asyncio.sleep(0)
        await storage.close()
        outcomes = await asyncio.gather(*appends, return_exceptions=True)
        assert {type(one) for one in outcomes if isinstance(one, BaseException)} <= {StorageUnavailable}

    async def test_the_end_of_a_with_block_closes(self, storage: Storage) -> None:
        async with storage as same:
            assert same is storage
            await storage.append("a", a_turn())
        with pytest.raises(StorageUnavailable):
            await storage.read("a")

    async def test_several_event_loops_may_share_one_storage(self, storage: Storage) -> None:
        async def append_some() -> None:
            await asyncio.gather(*(storage.append("a", a_turn()) for _ in range(20)))

        def in_another_loop() -> None:
            asyncio.run(append_some())

        await asyncio.gather(asyncio.to_thread(in_another_loop), asyncio.to_thread(in_another_loop), append_some())
        info = await storage.head("a")
        assert info is not None
        assert (info.revision, info.turns) == (60, 60)
        assert len(await bodies(storage, "a")) == 60

    async def test_run_locks_are_one_for_each_thread(self, storage: Storage) -> None:
        lock, same, other = storage.run_lock("a"), storage.run_lock("a"), storage.run_lock("b")
        assert lock is same
        assert lock is not other
