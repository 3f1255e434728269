"""Tests of a run that is repeated, because its caller does not know whether it was stored."""

from __future__ import annotations

from pathlib import Path

from recuerda.testing.conversation_contract.runs import ContractBase


class RetryContract(ContractBase):
    """Tests of a store that knows a run by its id."""

    async def test_a_run_that_is_repeated_with_its_id_is_stored_once(self, place: Path) -> None:
        async with self.adapter.open(place) as store, self.adapter.open(place) as other:
            await self.add(store, "t", "0", "1")
            await self.repeat(store, "t", "1")
            await self.repeat(other, "t", "1")
            assert await self.dumps(store, "t") == self.run("0", "1")
            await self.add(store, "t", "2")
            await self.repeat(other, "t", "2")
            assert await self.dumps(store, "t") == self.run("0", "1", "2")
