"""The index follows the log: whatever was written, undone or deleted, and by whom, a search tells the log's truth."""

import asyncio
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recuerda import AgentThread, ChatMessage, ChatMessageStore, FunctionResultContent, NewTurn, TextContent, Turn
from recuerda.messages.message import FunctionCallContent
from recuerda.recall import Progress, RecallProvider, SQLiteRecallIndex
from recuerda.recall.following import BATCH_TURNS, follow
from recuerda.recall.index import Document, Position
from recuerda.sqlite import SQLiteStorage
from recuerda.storage.ram import MemoryStorage
from tests.recall.talking import pair, say


async def texts(recall: RecallProvider, query: str, **options: object) -> list[str]:
    return [memory.text for memory in await recall.search(query, **options)]  # pyright: ignore[reportArgumentType]  # passed through


async def test_a_committed_turn_is_found_in_another_thread(storage: SQLiteStorage, recall: RecallProvider) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await store.add_messages(pair("My dentist is called Okafor."))
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    found = await recall.search("What is the name of my dentist?")
    assert (found[0].text, found[0].role, found[0].thread_id, found[0].turn) == (
        "My dentist is called Okafor.",
        "user",
        "one",
        1,
    )


async def test_turns_that_were_written_without_the_provider_are_found(
    elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(elsewhere, "one", *pair("I keep bees on the roof."))
    assert await texts(recall, "bees") == ["I keep bees on the roof.", "I see."]
    await say(elsewhere, "two", *pair("The bees made nine jars of honey."))
    assert "The bees made nine jars of honey." in await texts(recall, "honey")


async def test_a_turn_that_another_process_undid_is_not_returned(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."))
    await say(storage, "one", *pair("I have moved to Bergen."))
    assert "I have moved to Bergen." in await texts(recall, "Bergen")
    await elsewhere.undo("one")
    assert await texts(recall, "Bergen") == []
    assert "I live in Oslo." in await texts(recall, "Oslo")


async def test_a_turn_that_another_process_replaced_is_not_returned(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I live in Oslo."))
    await say(storage, "one", *pair("I have moved to Bergen."))
    assert "I have moved to Bergen." in await texts(recall, "Bergen")
    turn = Turn(messages=tuple(pair("I have moved to Madrid.")))
    await ChatMessageStore(storage=elsewhere, thread_id="one").append(turn, replaces=2)
    assert await texts(recall, "Bergen") == []
    assert "I have moved to Madrid." in await texts(recall, "Madrid")
    assert "I live in Oslo." in await texts(recall, "Oslo")


async def test_a_thread_deep_in_the_listing_that_another_process_changed_is_checked(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "old", *pair("My locker code is heptagon."))
    for number in range(25):
        await say(storage, f"new {number}", *pair("Nothing of interest."))
    assert "My locker code is heptagon." in await texts(recall, "heptagon")
    await elsewhere.trim("old", keep_turns=1)
    assert "My locker code is heptagon." in await texts(recall, "heptagon")
    await elsewhere.delete("old")
    assert await texts(recall, "heptagon") == []
    assert (await recall.stats()).documents == 50


async def test_a_turn_that_is_undone_and_followed_elsewhere_during_a_search_is_not_returned(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    for word in ("amber", "heptagon"):
        await say(storage, "old", *pair(f"My locker code is {word}."))
    for number in range(25):
        await say(storage, f"new {number}", *pair("Nothing of interest."))
    assert "My locker code is heptagon." in await texts(recall, "heptagon")
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to stop within a search
    documents_at = index.documents_at

    async def read_and_undo(keys: Sequence[int]) -> tuple[dict[int, Document], dict[str, Position]]:
        monkeypatch.undo()
        found = await documents_at(keys)
        await elsewhere.undo("old")
        other = RecallProvider(index, storage=elsewhere, user_id="ana")
        await other.catch_up()
        await other.close()
        return found

    monkeypatch.setattr(index, "documents_at", read_and_undo)
    assert await texts(recall, "heptagon") == []


async def test_documents_come_with_the_positions_of_their_threads(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for thread_id in ("one", "two"):
        await say(storage, thread_id, *pair("I collect amber."))
    await recall.catch_up()
    index = recall._of().index  # pyright: ignore[reportPrivateUsage] - to ask it alone
    keys = await index.newest("user:ana", None, 10)
    documents, positions = await index.documents_at(keys)
    assert documents == await index.documents(keys)
    assert positions == await index.positions(["one", "two"])
    assert await index.documents_at([]) == ({}, {})


async def test_what_a_trim_cuts_off_is_not_returned(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    for word in ("amber", "basalt", "cobalt"):
        await say(storage, "one", *pair(f"I collect {word}."))
    assert "I collect amber." in await texts(recall, "amber")
    await elsewhere.trim("one", keep_turns=1)
    assert "I collect amber." not in await texts(recall, "amber")
    assert "I collect cobalt." in await texts(recall, "cobalt")


async def test_turns_that_a_limit_drops_are_not_returned(storage: SQLiteStorage, recall: RecallProvider) -> None:
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana", max_messages=2)
    await store.add_messages(pair("I collect amber."))
    assert "I collect amber." in await texts(recall, "amber")
    await store.add_messages(pair("I collect basalt."))
    assert "I collect amber." not in await texts(recall, "amber")


async def test_a_thread_made_anew_under_its_id_remembers_only_what_it_is_now(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "one", *pair("I collect amber."))
    assert "I collect amber." in await texts(recall, "amber")
    await elsewhere.delete("one")
    await say(elsewhere, "one", *pair("I collect basalt."))
    assert await texts(recall, "amber") == []
    assert "I collect basalt." in await texts(recall, "basalt")


async def test_an_erased_user_is_not_remembered(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, recall: RecallProvider
) -> None:
    for thread in ("one", "two"):
        await say(storage, thread, *pair("I collect amber."))
    assert await texts(recall, "amber")
    await elsewhere.erase_user("ana")
    assert await texts(recall, "amber") == []
    assert (await recall.catch_up()) == Progress(threads=0, messages=0)
    assert (await recall.stats()).documents == 0


async def test_a_thread_that_changes_hands_is_remembered_by_its_new_user_alone(
    storage: SQLiteStorage, elsewhere: SQLiteStorage
) -> None:
    recall = RecallProvider(storage=storage)
    await say(storage, "one", *pair("I collect amber."))
    assert await texts(recall, "amber", user_id="ana")
    await elsewhere.update_thread("one", user_id="ben")
    assert await texts(recall, "amber", user_id="ana") == []
    assert "I collect amber." in await texts(recall, "amber", user_id="ben")
    await recall.close()


async def test_only_words_of_users_and_assistants_are_remembered(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(
        storage,
        "one",
        ChatMessage("system", "amber instructions"),
        ChatMessage("user", [TextContent("amber please"), TextContent("")]),
        ChatMessage("assistant", [FunctionCallContent("1", "find_amber")]),
        ChatMessage("tool", [FunctionResultContent("1", "amber result")]),
        ChatMessage("assistant", "amber found"),
        ChatMessage("user", "   "),
    )
    assert sorted(await texts(recall, "amber")) == ["amber found", "amber please"]
    assert (await recall.stats()).documents == 2


async def test_a_turn_that_cannot_be_read_is_left_out(
    storage: SQLiteStorage, recall: RecallProvider, caplog: pytest.LogCaptureFixture
) -> None:
    await say(storage, "one", *pair("I collect amber."))
    await storage.append("one", NewTurn(body=b"no JSON", message_count=1))
    await say(storage, "one", *pair("I collect basalt."))
    assert {"I collect amber.", "I collect basalt."} <= set(await texts(recall, "collect amber basalt"))
    assert "turn 2 of thread 'one' cannot be read" in caplog.text


async def test_a_long_thread_is_taken_in_batch_by_batch(storage: SQLiteStorage, recall: RecallProvider) -> None:
    count = BATCH_TURNS + 3
    for number in range(count):
        await say(storage, "one", ChatMessage("user", f"entry e{number} of the log"))
    assert await recall.catch_up() == Progress(threads=1, messages=count)
    assert await recall.catch_up() == Progress(threads=1, messages=0)
    for number in (0, BATCH_TURNS - 1, BATCH_TURNS, count - 1):
        assert (await texts(recall, f"e{number}", limit=1)) == [f"entry e{number} of the log"]


async def test_two_that_follow_one_thread_at_once_add_each_turn_once(
    storage: SQLiteStorage, elsewhere: SQLiteStorage, index_path: Path
) -> None:
    for number in range(30):
        await say(storage, "one", *pair(f"entry e{number}"))
    async with SQLiteRecallIndex(index_path) as mine, SQLiteRecallIndex(index_path) as theirs:
        await asyncio.gather(
            *(follow(storage, mine, "one") for _ in range(4)), *(follow(elsewhere, theirs, "one") for _ in range(4))
        )
        assert (await mine.stats()).documents == 60


KILLED_BETWEEN_COMMIT_AND_INDEX = """
import asyncio, os, signal, sys
from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.recall import RecallProvider
from recuerda.recall.sqlite import index
from recuerda.sqlite import SQLiteStorage

async def main():
    storage = SQLiteStorage(sys.argv[1])
    recall = RecallProvider(storage=storage, user_id="ana")
    store = ChatMessageStore(storage=storage, thread_id="one", user_id="ana")
    await store.add_messages([ChatMessage("user", "I collect amber.")])
    await recall.invoked([], [], thread=AgentThread(message_store=store))
    await store.add_messages([ChatMessage("user", "I collect basalt.")])
    applied = index.following.apply
    def apply_and_die(update, connection):
        applied(update, connection)
        os.kill(os.getpid(), signal.SIGKILL)
    index.following.apply = apply_and_die
    await recall.invoked([], [], thread=AgentThread(message_store=store))

asyncio.run(main())
"""


async def test_a_turn_survives_a_kill_between_its_commit_and_the_index(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", KILLED_BETWEEN_COMMIT_AND_INDEX, str(path))
    assert await process.wait() == -signal.SIGKILL
    async with SQLiteStorage(path) as storage:
        recall = RecallProvider(storage=storage, user_id="ana")
        assert (await recall.stats()).documents == 1
        assert "I collect basalt." in await texts(recall, "basalt")
        assert "I collect amber." in await texts(recall, "amber")
        await recall.close()


async def test_a_rebuild_gives_the_same_memories(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for number in range(5):
        await say(storage, f"thread {number}", *pair(f"entry e{number}"))
    await recall.catch_up()
    seen: list[Progress] = []
    before = await recall.search("entry e3")
    assert await recall.rebuild(progress=seen.append) == Progress(threads=5, messages=10)
    assert [progress.threads for progress in seen] == [1, 2, 3, 4, 5]
    assert await recall.search("entry e3") == before
    assert (await recall.stats()).documents == 10


OPERATIONS = st.lists(
    st.tuples(
        st.sampled_from(["say", "undo", "replace", "trim", "delete", "search"]),
        st.sampled_from(["x", "y"]),
        st.sampled_from(["amber", "basalt", "cobalt"]),
    ),
    max_size=25,
)


@settings(max_examples=settings().max_examples // 2)
@given(OPERATIONS)
def test_whatever_happens_to_threads_exactly_what_they_hold_is_found(operations: list[tuple[str, str, str]]) -> None:
    async def run() -> None:
        storage = MemoryStorage()
        recall = RecallProvider(storage=storage, user_id="ana")
        for number, (operation, thread, word) in enumerate([*operations, ("search", "x", "amber")]):
            if operation == "say":
                # Equal messages would be found once.
                await say(storage, thread, ChatMessage("user", f"I collect {word} number{number}"))
            elif operation == "undo":
                await storage.undo(thread)
            elif operation == "replace" and (turns := (await storage.read(thread)).records):
                turn = Turn(messages=(ChatMessage("user", f"I sold {word} number{number}"),))
                store = ChatMessageStore(storage=storage, thread_id=thread)
                await store.append(turn, replaces=turns[-1 - number % len(turns)].number)
            elif operation == "trim" and await storage.head(thread) is not None:
                await storage.trim(thread, keep_turns=2)
            elif operation == "delete":
                await storage.delete(thread)
            else:
                held = [
                    (info.id, record.number)
                    async for info in storage.threads()
                    for record in (await storage.read(info.id)).records
                    if word.encode() in record.body
                ]
                found = await recall.search(word, limit=100)
                assert sorted((m.thread_id, m.turn) for m in found if word in m.text) == sorted(held)
        await recall.close()

    asyncio.run(run())
