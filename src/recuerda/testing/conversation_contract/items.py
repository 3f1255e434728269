"""Tests of one writer: order, items that come back unchanged, conversations that do not mix, deletion."""

from __future__ import annotations

from pathlib import Path

from recuerda.testing.conversation_contract.runs import ContractBase, go_on

IDS = ("a", "A", "a b", "a/b", "a:b", "../a", "ä", "a%2Fb", "a\n", "'; DROP TABLE a; --", "x" * 120)
WORDS = ("", " ", "\u0000", "\n\r\n", "é e\u0301 🖖🏽", '"{}"', "x" * 70_000)


class ItemContract(ContractBase):
    """Tests of one writer."""

    async def test_items_come_back_in_order_and_unchanged(self, place: Path) -> None:
        async with self.adapter.open(place) as store, self.adapter.open(place) as other:
            assert await self.dumps(store, "t") == []
            for number in range(3):
                await self.add(store, "t", f"{number}")
                assert await self.dumps(store, "t") == self.run(*map(str, range(number + 1)))
            assert await self.dumps(other, "t") == self.run("0", "1", "2")

    async def test_any_words_come_back(self, place: Path) -> None:
        make = self.adapter.make
        items = [make(part, words) for words in WORDS for part in ("question", "answer")]
        async with self.adapter.open(place) as store:
            for at in range(0, len(items), 2):
                await self.adapter.add_run(store, "t", items[at : at + 2], pause=go_on, run_id=f"{at}")
            assert await self.dumps(store, "t") == self.dumped(items)

    async def test_unusual_items_come_back_bit_for_bit(self, place: Path) -> None:
        items = [self.adapter.make("question", "Look at this."), *self.adapter.unusual_items()]
        items.append(self.adapter.make("answer", "I see."))
        written = self.dumped(items)
        async with self.adapter.open(place) as store, self.adapter.open(place) as other:
            await self.adapter.add_run(store, "t", items, pause=go_on, run_id="r")
            assert await self.dumps(other, "t") == written

    async def test_conversations_with_similar_ids_do_not_mix(self, place: Path) -> None:
        async with self.adapter.open(place) as store:
            for number, conversation_id in enumerate(IDS):
                await self.add(store, conversation_id, f"{number}")
            for number, conversation_id in enumerate(IDS):
                assert await self.dumps(store, conversation_id) == self.run(f"{number}"), conversation_id

    async def test_a_deleted_conversation_is_gone_and_can_begin_anew(self, place: Path) -> None:
        async with self.adapter.open(place) as store, self.adapter.open(place) as other:
            await self.add(store, "t", "0", "1")
            await self.add(store, "kept", "2")
            await self.adapter.delete(store, "t")
            assert await self.dumps(other, "t") == []
            assert await self.dumps(other, "kept") == self.run("2")
            await self.add(store, "t", "3")
            assert await self.dumps(other, "t") == self.run("3")
