"""A search box above a list of conversations: threads, passages and the places of the words."""

from pathlib import Path

import pytest

from recuerda import ChatMessage, ConfigurationError, InvalidInput, StorageUnavailable
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.recall import FoundThread, RecallIndex, RecallProvider, SQLiteRecallIndex, ThreadSearch
from recuerda.sqlite import SQLiteStorage
from recuerda.storage import MemoryStorage
from tests.recall.talking import pair, say

LONG = f"{'Before that we talked. ' * 20}The ferry to Tangier leaves at nine. {'After that we slept. ' * 20}"


def ids(found: list[FoundThread]) -> list[str]:
    return [one.thread.id for one in found]


def marked(found: FoundThread) -> list[list[str]]:
    return [[passage.text[start:end] for start, end in passage.matches] for passage in found.passages]


async def test_a_search_finds_threads_by_what_was_said_and_by_titles(storage: SQLiteStorage) -> None:
    await say(storage, "a", *pair("When does the ferry leave?", "The ferries to Tángier leave at nine."))
    await say(storage, "b", *pair("A ferry is a boat."))
    await say(storage, "c", *pair("Hello"))
    await storage.update_thread("c", title="Tangier by FERRY", archived=True)
    await say(storage, "d", *pair("The ferry to Tangier"), user="bo")
    async with ThreadSearch(storage) as search:
        found = await search.search("tangier ferry", user_id="ana")
        assert ids(found) == ["c", "a"]
        assert found[0].passages == ()
        assert [found[0].thread.title[start:end] for start, end in found[0].title_matches] == ["Tangier", "FERRY"]  # pyright: ignore[reportOptionalSubscript] - it has a title
        (passage,) = found[1].passages
        assert (passage.turn, passage.position, passage.role, passage.share) == (1, 1, "assistant", 1.0)
        assert marked(found[1]) == [["ferries", "Tángier"]]
        assert ids(await search.search("tangier ferry", user_id="ana", min_share=0.5)) == ["c", "a", "b"]
        assert await search.search("zebra", user_id="ana") == []
        assert await search.search("  ", user_id="ana") == []


async def test_a_passage_of_a_long_message_is_the_part_with_the_words(storage: SQLiteStorage) -> None:
    await say(storage, "a", ChatMessage("user", LONG.replace(". ", ".\n")))
    async with ThreadSearch(storage) as search:
        (found,) = await search.search("ferry Tangier", user_id="ana", max_characters=80)
    (passage,) = found.passages
    assert passage.text.startswith("…")
    assert passage.text.endswith("…")
    assert len(passage.text) == 82
    assert "The ferry to Tangier leaves at nine." in passage.text
    assert marked(found) == [["ferry", "Tangier"]]


async def test_the_newest_passages_of_a_thread_come_first_and_are_few(storage: SQLiteStorage) -> None:
    for number in range(5):
        await say(storage, "a", ChatMessage("user", f"ferry {number}"))
    await say(storage, "b", ChatMessage("user", "ferry"))
    async with ThreadSearch(storage) as search:
        found = await search.search("ferry", user_id="ana", max_passages=2)
        assert ids(found) == ["b", "a"]
        assert [passage.text for passage in found[1].passages] == ["ferry 4", "ferry 3"]
        assert ids(await search.search("ferry", user_id="ana", limit=1)) == ["b"]


async def test_what_is_gone_from_the_storage_is_not_found(storage: SQLiteStorage, elsewhere: SQLiteStorage) -> None:
    for thread_id in ("a", "b", "c"):
        await say(storage, thread_id, *pair("the ferry"))
    async with ThreadSearch(storage) as search:
        assert len(await search.search("ferry", user_id="ana")) == 3
        await elsewhere.undo("a")
        await elsewhere.delete("b")
        assert ids(await search.search("ferry", user_id="ana")) == ["c"]
        receipt = await storage.erase_user("ana")
        assert [(one.name, one.outcome) for one in receipt.followers] == [("ThreadSearch", "removed")]
        assert await search.search("ferry", user_id="ana") == []


async def test_a_search_finds_a_users_threads_in_every_namespace(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    await say(storage, "a", *pair("the ferry"))
    await storage.update_thread("b", metadata={"recall_namespace": "desk/2"}, user_id="ana")
    await say(storage, "b", *pair("a ferry"))
    async with ThreadSearch(storage) as search:
        assert set(ids(await search.search("ferry", user_id="ana"))) == {"a", "b"}
    assert {memory.thread_id for memory in await recall.search("ferry", user_id="ana")} == {"a"}
    await recall.close()


async def test_without_a_user_the_threads_of_nobody_are_searched() -> None:
    storage = MemoryStorage()
    await say(storage, "a", *pair("the ferry"), user=None)
    await say(storage, "b", *pair("the ferry"))
    await say(storage, "c", *pair("the boat"), user=None)
    await storage.update_thread("c", title="Ferry")
    await storage.update_thread("b", title="Ferry")
    async with ThreadSearch(storage) as search:
        assert ids(await search.search("ferry")) == ["c", "a"]


async def test_the_places_of_words_in_a_title_do_not_overlap() -> None:
    storage = MemoryStorage()
    await storage.update_thread("a", title="Straße nach Pórto", user_id="ana")
    async with ThreadSearch(storage) as search:
        (found,) = await search.search("port STRASSE porto", user_id="ana")
    title = found.thread.title or ""
    assert [title[start:end] for start, end in found.title_matches] == ["Straße", "Pórto"]


async def test_a_view_of_one_user_is_searched_as_that_user(storage: SQLiteStorage, index_path: Path) -> None:
    await say(storage, "a", *pair("the ferry"))
    await say(storage, "b", *pair("the ferry"), user="bo")
    async with ThreadSearch(storage.for_user("ana"), index_path) as search:
        assert ids(await search.search("ferry", user_id="ana")) == ["a"]


async def test_an_encrypted_storage_needs_a_named_index(storage: SQLiteStorage, index_path: Path) -> None:
    sealed = EncryptedStorage(storage, KeyRing({"k1": b"1" * 32}, current="k1"))
    await say(sealed, "a", *pair("the ferry"))
    with pytest.raises(ConfigurationError, match="plain text"):
        ThreadSearch(sealed)
    async with ThreadSearch(sealed, index_path) as search:
        assert ids(await search.search("ferry", user_id="ana")) == ["a"]


async def test_an_emoji_is_searched_if_the_query_has_no_word(storage: SQLiteStorage) -> None:
    await say(storage, "a", *pair("We sail 🚢 at nine", "Bon voyage 🎉🚢"))
    await say(storage, "b", *pair("🎉👍🏽", "No sail here 🇵🇪"))
    await say(storage, "c", *pair("nothing", "at all"))
    async with ThreadSearch(storage) as search:
        (found,) = await search.search("🚢", user_id="ana")
        assert marked(found) == [["🚢"], ["🚢"]]
        assert ids(await search.search("🚢🎉", user_id="ana")) == ["a"]
        assert ids(await search.search("🚢 🎉", user_id="ana", min_share=0.5)) == ["a", "b"]
        assert [ids(await search.search(one, user_id="ana")) for one in ("👍", "👍🏿", "🇵🇪", "🇪🇸", "🦑")] == [
            *(["b"], ["b"], ["b"]),
            *([], []),
        ]
        assert ids(await search.search("sail 🦑", user_id="ana")) == ["b", "a"]
        assert ids(await search.search("🎉 nothing", user_id="ana")) == ["c"]
        assert ids(await search.search("to the 🎉", user_id="ana")) == ["b", "a"]
        await storage.undo("b")
        assert await search.search("👍", user_id="ana") == []


async def test_an_emoji_changes_no_rank_and_no_run_asks_for_it(storage: SQLiteStorage, index_path: Path) -> None:
    await say(storage, "a", *pair("The ferry leaves 🚢🚢🚢 at nine", "Good 🚢"))
    await say(storage, "b", *pair("The ferry leaves at nine", "Good"))
    async with RecallProvider(index_path, storage=storage) as recall:
        found = await recall.search("ferry 🚢", user_id="ana", limit=5)
        assert len({one.score for one in found if one.text.startswith("The ferry")}) == 1
        assert await recall.search("🚢", user_id="ana") == []


async def test_a_given_index_stays_open_and_a_closed_search_is_an_error(storage: SQLiteStorage) -> None:
    index: RecallIndex = SQLiteRecallIndex(":memory:")
    search = ThreadSearch(storage, index)
    await search.close()
    assert (await index.stats()).documents == 0
    await index.close()
    with pytest.raises(StorageUnavailable):
        await search.search("ferry", user_id="ana")


async def test_arguments_that_cannot_be_used_are_refused(storage: SQLiteStorage) -> None:
    async with ThreadSearch(storage) as search:
        for wrong in ({"min_share": 0.0}, {"min_share": 1.5}, {"limit": 0}, {"max_passages": 0}, {"max_characters": 0}):
            with pytest.raises(InvalidInput):
                await search.search("ferry", user_id="ana", **wrong)  # pyright: ignore[reportArgumentType] - as they come


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("I earn 10,000 a month.", "earn 10k"),
        ("I earn 10k a month.", "10 000"),
        ("We meet at 3 pm.", "15:00"),
        ("My IBAN is DE89 3704 0044 0532 0130 00.", "DE89370400440532013000"),
        ("Order ORD-2024-0815 is late.", "ORD 2024 0815"),
        ("I take a cooking class.", "cooking-class"),
        ("Herr Müller wohnt in Köln.", "mueller koeln"),
    ],
)
async def test_words_are_found_in_other_spellings(storage: SQLiteStorage, said: str, query: str) -> None:
    await say(storage, "a", *pair(said))
    await say(storage, "b", *pair("I have 10 cats, 3 dogs and a class of 15."))
    async with ThreadSearch(storage) as search:
        found = await search.search(query, user_id="ana")
    assert ids(found) == ["a"]
    assert found[0].share == 1


SPELT = [
    ("We meet on May 8th.", "May 8"),
    ("We meet on May 8.", "May 8th"),
    ("May the 8th is free.", "8 May"),
    ("The second of May is fine.", "May 2"),
    ("Am zweiten Mai heiraten wir.", "2. Mai"),
    ("Le 1er mai est férié.", "1 mai"),
    ("El 1º de mayo es fiesta.", "1 de mayo"),
    ("De 20ste verjaardag", "20 verjaardag"),
    ("He lives on 5th avenue.", "5 avenue"),
    ("The email came.", "e-mail"),
    ("My coworkers left.", "co-worker"),
    ("My co-worker left.", "coworker"),
    ("Icecream please.", "ice-cream"),
    ("Frau Mueller kommt.", "Müller"),
]
SPELT_OTHERWISE = [
    ("We meet on May 18.", "May 8"),
    ("We meet on June 8.", "May 8"),
    ("The second may be better.", "2 may"),
    ("The 40th floor", "4 floor"),
    ("Frau Möller kommt.", "Müller"),
    ("Cold ice.", "ice-cream"),
    ("A mailer", "e-mail"),
]


@pytest.mark.parametrize(("said", "asked"), SPELT)
async def test_words_are_found_and_forgotten_in_other_spellings(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "a", ChatMessage("user", said))
    async with ThreadSearch(storage) as search:
        assert ids(await search.search(asked, user_id="ana")) == ["a"]
    assert await recall.forget(query=asked, dry_run=True) == 1


@pytest.mark.parametrize(("said", "asked"), SPELT_OTHERWISE)
async def test_other_words_are_neither_found_nor_forgotten(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "a", ChatMessage("user", said))
    async with ThreadSearch(storage) as search:
        assert await search.search(asked, user_id="ana") == []
    assert await recall.forget(query=asked, dry_run=True) == 0


async def test_a_word_with_hyphens_counts_as_its_parts(storage: SQLiteStorage) -> None:
    await say(storage, "a", ChatMessage("user", "Icecream please."))
    async with ThreadSearch(storage) as search:
        (found,) = await search.search("ice-cream cone", user_id="ana", min_share=0.5)
    assert found.share == pytest.approx(2 / 3)
