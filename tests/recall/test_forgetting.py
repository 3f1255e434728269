"""What is forgotten on request is gone from every search, stays gone, and leaves the threads as they are."""

from pathlib import Path
from typing import Any

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda.errors import ConfigurationError, InvalidInput, ThreadOwnershipError
from recuerda.recall import RecallProvider
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
