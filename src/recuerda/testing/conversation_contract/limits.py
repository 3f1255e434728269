"""Tests of a list of the newest items."""

from __future__ import annotations

from pathlib import Path

from recuerda.testing.conversation_contract.runs import RUN_LENGTH, ContractBase


class LimitContract(ContractBase):
    """Tests of a store that gives the newest items."""

    async def test_a_limit_gives_the_newest_items(self, place: Path) -> None:
        async with self.adapter.open(place) as store:
            await self.add(store, "t", "0", "1", "2")
            whole = self.run("0", "1", "2")
            for limit in range(1, len(whole) + 2):
                found = await self.dumps(store, "t", limit)
                assert found == whole[len(whole) - len(found) :], limit
                assert len(found) <= limit
                assert found or limit < RUN_LENGTH


class PairContract(ContractBase):
    """Tests of a store whose limited lists a model accepts as they are."""

    async def test_a_limit_never_begins_with_a_result_without_its_call(self, place: Path) -> None:
        async with self.adapter.open(place) as store:
            await self.add(store, "t", "0", "1", "2")
            results = self.dumped([self.adapter.make("result", f"call-{number}") for number in range(3)])
            for limit in range(1, 3 * RUN_LENGTH + 1):
                found = await self.dumps(store, "t", limit)
                assert found[:1] not in [[result] for result in results], limit
