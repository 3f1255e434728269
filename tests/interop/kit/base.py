"""What the adapters of the kit share beside the contract: a limit for the reads of runs, and a quick way to fill."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import TypeVar

from recuerda.testing.conversation_contract import ConversationAdapter
from recuerda.testing.conversation_contract.runs import go_on

StoreT = TypeVar("StoreT")
ItemT = TypeVar("ItemT")


class KitAdapter(ConversationAdapter[StoreT, ItemT]):
    """An adapter for the kit and for the benchmark.

    Attributes:
        reads: the largest number of the newest items that a run reads first; None for all. A framework that can only
            read all does so in any case.
    """

    reads: int | None = None

    @abstractmethod
    def load(self, dumps: Sequence[bytes]) -> list[ItemT]:
        """Return the items that `dump` has given as bytes, made as the framework makes them."""

    async def fill(self, store: StoreT, conversation_id: str, pairs: Sequence[Sequence[ItemT]]) -> None:
        """Add pairs of a question and an answer, each as a run of its own."""
        reads, self.reads = self.reads, 1
        try:
            for number, pair in enumerate(pairs):
                await self.add_run(store, conversation_id, pair, pause=go_on, run_id=f"{number}")
        finally:
            self.reads = reads
