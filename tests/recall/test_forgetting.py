"""What is forgotten on request is gone from every search, stays gone, and leaves the threads as they are."""

from pathlib import Path
from typing import Any

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda.errors import ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.recall import RecallProvider
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import holds_bytes, pair, say


async def words(recall: RecallProvider, query: str, **options: str) -> set[str]:
    return {memory.text for memory in await recall.search(query, user_id=options.get("user"))}


@pytest.fixture
async def filled(storage: SQLiteStorage) -> SQLiteStorage:
    await say(storage, "one", *pair("I collect amber."), turn_id="first")
    await say(storage, "one", *pair("I collect red basalt."))
    await say(storage, "two", *pair("My sister collects basalt."))
    await say(storage, "ben's", *pair("I collect basalt too."), user="ben")
    return storage


async def test_a_thread_is_forgotten_as_it_is_now(filled: SQLiteStorage, recall: RecallProvider) -> None:
    assert await recall.forget(thread="one") == 4
    assert "I collect amber." not in await words(recall, "collect amber basalt")
    assert "My sister collects basalt." in await words(recall, "basalt")
    await say(filled, "one", *pair("Now I collect cobalt."))
    assert "Now I collect cobalt." in await words(recall, "cobalt")
    assert len((await filled.read("one")).records) == 3


async def test_a_thread_may_be_given_as_such(filled: SQLiteStorage, recall: RecallProvider) -> None:
    thread = AgentThread(message_store=ChatMessageStore(storage=filled, thread_id="two"))
    assert await recall.forget(thread=thread) == 2


@pytest.mark.parametrize("turn", [1, "first"])
async def test_a_turn_is_forgotten_by_number_or_id(
    filled: SQLiteStorage, recall: RecallProvider, turn: int | str
) -> None:
    assert await recall.forget(thread="one", turn=turn) == 2
    assert await recall.forget(thread="one", turn=turn) == 0
    found = await words(recall, "collect amber basalt")
    assert "I collect amber." not in found
    assert "I collect red basalt." in found


async def test_what_does_not_exist_is_forgotten_with_a_count_of_nothing(
    filled: SQLiteStorage, recall: RecallProvider, caplog: pytest.LogCaptureFixture
) -> None:
    assert await recall.forget(thread="nowhere") == 0
    assert await recall.forget(thread="one", turn="no such turn") == 0
    assert caplog.messages == []
    assert await recall.forget(query="chalcedony") == 0
    assert caplog.messages == ["there is nothing to forget, because no message has all words of the query"]
    with pytest.raises(InvalidInput, match="no word to look for"):
        await recall.forget(query="what did I")
    assert (await recall.stats()).documents == 6


async def test_a_user_is_forgotten_and_others_are_not(filled: SQLiteStorage) -> None:
    recall = RecallProvider(storage=filled)
    assert await recall.forget(user="nobody") == 0
    assert await recall.forget(user="ana") == 6
    assert await words(recall, "collect basalt", user="ana") == set()
    assert "I collect basalt too." in await words(recall, "collect basalt", user="ben")
    await recall.close()


async def test_a_query_forgets_the_turns_that_have_all_of_its_words(
    filled: SQLiteStorage, recall: RecallProvider
) -> None:
    assert await recall.forget(query="the red basalts") == 2
    found = await words(recall, "collect amber basalt")
    assert found >= {"I collect amber.", "My sister collects basalt."}
    assert "I collect red basalt." not in found
    assert await recall.forget(query="basalt") == 2


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("Herr Müller wohnt in Köln.", "MUELLER koeln"),
        ("I earn 10,000 a month.", "earn 10k"),
        ("I earn 10k a month.", "10 000"),
        ("It costs 1.5 million.", "1,500,000"),
        ("Ich zahle 1.234,56 Euro.", "1,234.56"),
        ("My phone is 600 123 456.", "600-123-456"),
        ("Mi DNI es 12.345.678-Z.", "12345678z"),
        ("My IBAN is DE89 3704 0044 0532 0130 00.", "DE89370400440532013000"),
        ("My IBAN is DE89370400440532013000.", "DE89 3704 0044 0532 0130 00"),
        ("We meet at 3 pm.", "15:00"),
        ("Order ORD-2024-0815 is late.", "ORD 2024 0815"),
        ("I take a cooking-class.", "cooking class"),
        ("I take a cooking class.", "the cooking-class"),
        ("My Wi-Fi is slow.", "wifi"),
    ],
)
async def test_a_query_forgets_words_in_other_spellings(
    storage: SQLiteStorage, recall: RecallProvider, said: str, query: str
) -> None:
    await say(storage, "one", *pair(said))
    await say(storage, "two", *pair("I like rain."))
    assert await recall.forget(query=query) == 2
    assert said not in await words(recall, f"{said} {query}")


@pytest.mark.parametrize(
    ("said", "query"),
    [
        ("I was born on 2024-08-15.", "ORD-2024-0815"),
        ("I have 3 cats.", "3 pm"),
        ("I paid 3000 euros.", "DE89 3704 0044 0532 0130 00"),
        ("The user is away.", "getUserById"),
        ("Ana Lopez gave an example.", "ana.lopez@example.com"),
        ("I like the art of the state.", "wi-fi"),
        ("I earn 10k.", "spend 10k"),
    ],
)
async def test_a_query_forgets_nothing_that_has_only_a_part_of_a_word(
    storage: SQLiteStorage, recall: RecallProvider, said: str, query: str
) -> None:
    await say(storage, "one", *pair(said))
    assert await recall.forget(query=query) == 0


async def test_a_query_forgets_turns_of_threads_that_another_process_changed(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "old", *pair("I collect amber."))
    assert await words(recall, "amber")
    await say(elsewhere, "old", *pair("I hide my amber."))
    for number in range(NEWEST_THREADS):
        await say(elsewhere, f"new {number}", *pair("It rained."))
    assert await recall.forget(query="amber") == 4


async def test_a_dry_run_counts_and_forgets_nothing(filled: SQLiteStorage, recall: RecallProvider) -> None:
    named: list[tuple[dict[str, Any], int]] = [
        ({"query": "the red basalts"}, 2),
        ({"query": "basalt"}, 4),
        ({"thread": "one"}, 4),
        ({"thread": "one", "turn": 1}, 2),
        ({"thread": "one", "turn": 99}, 0),
        ({"thread": "nothing"}, 0),
        ({"user": "ana"}, 6),
    ]
    for given, count in named:
        assert await recall.forget(**given, dry_run=True) == count, given
    assert (await recall.stats()).forgotten == 0
    assert "I collect red basalt." in await words(recall, "basalt")
    assert await recall.forget(user="ana") == 6


async def test_a_provider_of_one_user_forgets_nothing_of_another(filled: SQLiteStorage, recall: RecallProvider) -> None:
    others: list[dict[str, Any]] = [{"user": "ben"}, {"thread": "ben's"}, {"query": "basalt", "user": "ben"}]
    for named in others:
        with pytest.raises(ThreadOwnershipError):
            await recall.forget(**named)
    everybodys = RecallProvider(storage=filled)
    assert "I collect basalt too." in await words(everybodys, "basalt", user="ben")
    await everybodys.close()


async def test_what_was_forgotten_stays_forgotten_when_the_index_is_made_anew(
    filled: SQLiteStorage, recall: RecallProvider
) -> None:
    await recall.forget(thread="one", turn=1)
    assert (await recall.rebuild()).messages == 8
    assert "I collect amber." not in await words(recall, "amber")
    assert (await recall.stats()).forgotten == 1
    await filled.delete("one")
    await say(filled, "one", *pair("I collect amber again."))
    assert "I collect amber again." in await words(recall, "amber")


async def test_forgetting_leaves_no_trace_in_the_files(
    storage: SQLiteStorage, recall: RecallProvider, tmp_path: Path
) -> None:
    await say(storage, "one", *pair("My word is Quixotrope."))
    await recall.catch_up()
    assert await recall.forget(query="Quixotrope") == 2
    assert not holds_bytes(tmp_path, b"uixotrope")


@pytest.mark.parametrize(
    "named",
    [{}, {"thread": "a", "user": "b"}, {"turn": 1}, {"thread": "a", "turn": 1, "query": "x"}],
    ids=["nothing", "thread and user", "turn alone", "turn and query"],
)
async def test_what_to_forget_has_to_be_clear(recall: RecallProvider, named: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput):
        await recall.forget(**named)


async def test_a_query_is_forgotten_of_somebody(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    with pytest.raises(ConfigurationError, match="whose memories"):
        await recall.forget(query="amber")
    await recall.close()
