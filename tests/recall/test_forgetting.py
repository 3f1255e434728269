"""What is forgotten on request is gone from every search, stays gone, and leaves the threads as they are."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import AsyncMock

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda._drivers.sqlite import delete_files
from recuerda.copying import copy_thread
from recuerda.encryption import EncryptedStorage, KeyRing
from recuerda.errors import ConfigurationError, InvalidInput, StorageUnavailable, ThreadOwnershipError
from recuerda.recall import FactExtractor, RecallProvider
from recuerda.recall.checking import NEWEST_THREADS
from recuerda.recall.forgotten import FORGOTTEN_KEY
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.operations import ReadQuery, ThreadSlice
from recuerda.testing.scripted import ScriptedChatClient
from recuerda.threads.history import stored_turn
from tests.recall.talking import holds_bytes, pair, say
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings


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


@pytest.mark.parametrize("way", ["turn", "thread", "query", "user"])
async def test_a_fork_that_was_given_to_another_user_is_not_forgotten_with_its_parent(
    storage: SQLiteStorage, recall: RecallProvider, way: str
) -> None:
    await say(storage, "one", *pair("My cat is called Mochi."), turn_id="told")
    await ChatMessageStore(storage=storage, thread_id="one", user_id="ana").fork(thread_id="two")
    assert len(await recall.search("What is my cat called?", roles=["user"])) == 1
    await storage.update_thread("two", user_id="ben")  # by another process, so the index does not know it
    named: dict[str, Any] = {
        "turn": {"thread": "one", "turn": "told"}, "thread": {"thread": "one"}, "query": {"query": "Mochi"},
        "user": {"user": "ana"},
    }  # fmt: skip
    await recall.forget(**named[way])
    assert await words(recall, "What is my cat called?") == set()
    (left,) = (await storage.read("two")).records
    assert FORGOTTEN_KEY not in stored_turn(left, "two").metadata
    bens = RecallProvider(recall._of().index, storage=storage, user_id="ben")  # pyright: ignore[reportPrivateUsage]
    assert "My cat is called Mochi." in await words(bens, "What is my cat called?")
    await bens.close()


async def test_a_thread_that_is_given_away_during_the_forgetting_is_left_alone(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("My cat is called Mochi."))
    of = recall._of()  # pyright: ignore[reportPrivateUsage]
    turns = await of.turns_to_forget("one", None, (await of.follow("one")).position)
    await storage.update_thread("one", user_id="ben")
    assert await of.forget(turns) == 0
    await of.follow("one")
    assert (await of.index.held(turns, 1)).count == await of.index.forget(turns) == 0
    bens = RecallProvider(of.index, storage=storage, user_id="ben")
    assert "My cat is called Mochi." in await words(bens, "What is my cat called?")
    assert await bens.forgotten() == []
    await bens.close()


async def test_what_was_forgotten_stays_forgotten_when_the_index_is_made_anew(
    filled: SQLiteStorage, recall: RecallProvider
) -> None:
    await recall.forget(thread="one", turn=1)
    assert (await recall.rebuild()).messages == 6
    assert "I collect amber." not in await words(recall, "amber")
    assert (await recall.stats()).forgotten == 1
    await filled.delete("one")
    await say(filled, "one", *pair("I collect amber again."))
    assert "I collect amber again." in await words(recall, "amber")


async def lost(storage: SQLiteStorage, folder: Path) -> RecallProvider:
    delete_files(folder / "memory.recall.db")
    return RecallProvider(storage=storage)


async def another(storage: SQLiteStorage, folder: Path) -> RecallProvider:
    return RecallProvider(folder / "another.db", storage=storage)


async def copied(storage: SQLiteStorage, folder: Path) -> RecallProvider:
    copy = RecallProvider(storage=f"sqlite:///{folder / 'copy.db'}")
    target = copy._of().storage  # pyright: ignore[reportPrivateUsage] - the provider closes it
    for thread_id in ("one", "two"):
        assert (await copy_thread(storage, target, thread_id)).problem is None
    return copy


async def forked(storage: SQLiteStorage, folder: Path) -> RecallProvider:
    for thread_id in ("one", "two"):
        thread = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id, user_id="ana"))
        await thread.fork(thread_id=f"fork of {thread_id}")
        await storage.delete(thread_id)
    return RecallProvider(folder / "another.db", storage=storage)


@pytest.mark.parametrize("moved", [lost, another, copied, forked], ids=lambda moved: moved.__name__)
async def test_what_was_forgotten_stays_forgotten_without_its_index(
    filled: SQLiteStorage,
    recall: RecallProvider,
    tmp_path: Path,
    moved: Callable[[SQLiteStorage, Path], Awaitable[RecallProvider]],
) -> None:
    assert await recall.forget(query="amber") == 2
    assert await recall.forget(thread="two") == 2
    await recall.close()
    now = await moved(filled, tmp_path)
    assert await words(now, "collect amber basalt", user="ana") == {"I collect red basalt.", "I see."}
    await now.close()


@pytest.mark.parametrize("elsewhere", [lost, another])
async def test_an_index_that_is_made_anew_lists_the_forgotten_turns(
    filled: SQLiteStorage,
    recall: RecallProvider,
    tmp_path: Path,
    elsewhere: Callable[[SQLiteStorage, Path], Awaitable[RecallProvider]],
) -> None:
    for number in range(2, 8):
        await say(filled, "one", *pair(f"I have {number} stones."))
    await recall.forget(thread="one", turn=5)
    await recall.forget(thread="one", turn=6)
    await recall.forget(thread="one", turn="first")
    await recall.close()
    anew = await elsewhere(filled, tmp_path)
    for _ in range(2):
        found = {(one.thread_id, one.first, one.last) for one in await anew.forgotten(user_id="ana")}
        assert found == {("one", 1, 1), ("one", 5, 6)}
        await anew.rebuild()
    await filled.undo("one")
    await say(filled, "one", *pair("I have many stones."))
    await anew.forget(thread="one")
    await anew.rebuild()
    assert not await words(anew, "stones", user="ana")
    await filled.delete("one")
    assert await anew.forgotten(user_id="ana") == []
    await anew.close()


async def test_the_messages_of_a_forgotten_turn_stay_in_the_thread(
    filled: SQLiteStorage, recall: RecallProvider
) -> None:
    await recall.forget(thread="one", turn=1)
    first, second = await ChatMessageStore(storage=filled, thread_id="one").list_turns()
    assert first.messages == pair("I collect amber.")
    assert (first.id, first.number) == ("first", 1)
    assert (first.metadata, second.metadata) == ({FORGOTTEN_KEY: True}, {})


async def test_a_forgotten_turn_is_not_searched_for_facts(storage: SQLiteStorage, tmp_path: Path) -> None:
    await say(storage, "one", *pair("I collect amber."))
    first = RecallProvider(storage=storage)
    await first.forget(thread="one", turn=1)
    await first.close()
    finder = ScriptedChatClient(default=finds({"text": "They collect amber."}))
    recall = RecallProvider(tmp_path / "another.db", storage=storage, facts=FactExtractor(finder))
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await store.add_messages(pair("It rained."))
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    await recall.flush()
    assert ["amber" in str(request.messages) for request in finder.requests] == [False]
    await recall.close()


async def test_a_forgetting_that_breaks_off_leaves_nothing_that_comes_back(
    filled: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "I collect amber." in await words(recall, "amber")
    with monkeypatch.context() as broken:
        index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to break it
        broken.setattr(index, "forget", AsyncMock(side_effect=StorageUnavailable("the disk is gone")))
        with pytest.raises(StorageUnavailable):
            await recall.forget(thread="one")
    assert await words(recall, "collect amber basalt") == {"My sister collects basalt.", "I see."}
    assert await recall.forget(thread="one") == 0


async def test_a_turn_that_is_said_meanwhile_is_not_forgotten_and_hinders_nothing(
    filled: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "I collect amber." in await words(recall, "amber")
    rewrite = filled.rewrite

    async def say_and_rewrite(*args: Any, **options: Any) -> int | None:
        monkeypatch.undo()
        await say(elsewhere, "one", *pair("Now I collect cobalt."))
        return await rewrite(*args, **options)

    monkeypatch.setattr(filled, "rewrite", say_and_rewrite)
    assert await recall.forget(thread="one") == 4
    assert await words(recall, "collect amber red cobalt") == {
        "Now I collect cobalt.",
        "My sister collects basalt.",
        "I see.",
    }


async def test_forgetting_a_turn_of_a_long_thread_neither_reads_it_anew_nor_embeds_it_again(
    storage: SQLiteStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    embedder = Meanings()
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder)
    for number in range(300):
        await say(storage, "long", *pair(f"Stone {number} is {'amber' if number % 9 == 0 else 'basalt'}.", "Yes."))
    await recall.catch_up()
    calls = len(embedder.asked)
    assert await recall.forget(thread="long", turn=150) == 2
    read = storage._read  # pyright: ignore[reportPrivateUsage] - to count
    records: list[int] = []

    async def counted(thread_id: str, query: ReadQuery) -> ThreadSlice:
        found = await read(thread_id, query)
        records.append(len(found.records))
        return found

    monkeypatch.setattr(storage, "_read", counted)
    await recall.catch_up()
    assert len(embedder.asked) == calls
    assert sum(records) == 0
    assert await recall.forget(thread="long") == 598
    await recall.close()


async def test_a_turn_of_an_encrypted_thread_stays_forgotten_in_another_index(path: Path, tmp_path: Path) -> None:
    async with EncryptedStorage(SQLiteStorage(path), KeyRing({"k": b"k" * 32}, current="k")) as sealed:
        await say(sealed, "one", *pair("I collect amber."))
        first = RecallProvider(tmp_path / "first.db", storage=sealed)
        assert await first.forget(thread="one") == 2
        await first.close()
        second = RecallProvider(tmp_path / "second.db", storage=sealed)
        assert await words(second, "amber", user="ana") == set()
        await second.close()


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
