"""The search in threads with an index on PostgreSQL."""

from recuerda.recall import ThreadSearch
from recuerda.recall.postgres import PostgresRecallIndex
from recuerda.storage import MemoryStorage
from tests.recall.talking import pair, say


async def test_a_search_finds_threads_by_an_index_on_postgresql(index: PostgresRecallIndex) -> None:
    storage = MemoryStorage()
    await say(storage, "a", *pair("When does the ferry leave?", "The ferries to Tangier leave at nine."))
    await say(storage, "b", *pair("A ferry is a boat."))
    await say(storage, "c", *pair("The ferry to Tangier"), user="bo")
    async with ThreadSearch(storage, index) as search:
        (found,) = await search.search("tangier ferry", user_id="ana")
        (passage,) = found.passages
        assert (found.thread.id, [passage.text[start:end] for start, end in passage.matches]) == (
            "a",
            ["ferries", "Tangier"],
        )
        found = await search.search("tangier ferry", user_id="ana", min_share=0.5)
        assert [(one.thread.id, len(one.passages)) for one in found] == [("a", 2), ("b", 1)]
        await storage.delete("a")
        assert await search.search("tangier ferry", user_id="ana") == []


async def test_an_emoji_is_searched_by_an_index_on_postgresql(index: PostgresRecallIndex) -> None:
    storage = MemoryStorage()
    await say(storage, "a", *pair("We sail 🚢 at nine", "Bon voyage 🎉"))
    await say(storage, "b", *pair("🎉", "Enjoy"))
    async with ThreadSearch(storage, index) as search:
        (found,) = await search.search("🚢", user_id="ana")
        assert (found.thread.id, found.passages[0].matches) == ("a", ((8, 9),))
        assert {one.thread.id for one in await search.search("🎉", user_id="ana")} == {"a", "b"}
        assert [one.thread.id for one in await search.search("🎉 enjoy", user_id="ana")] == ["b"]
        await storage.undo("b")
        assert [one.thread.id for one in await search.search("🎉", user_id="ana")] == ["a"]
