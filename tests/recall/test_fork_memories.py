"""Memories of forks: a turn that several threads have is one memory, for as long as one of the threads has it."""

from datetime import timedelta

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda.recall import FactExtractor, RecallProvider, searching
from recuerda.sqlite import SQLiteStorage
from recuerda.testing.scripted import ScriptedChatClient
from tests.recall.talking import NOW, pair, say
from tests.recall.test_facts import finds
from tests.recall.test_meaning import Meanings

CAT = "My cat is called Mochi."


def thread_of(storage: SQLiteStorage, thread_id: str) -> AgentThread:
    return AgentThread(message_store=ChatMessageStore(storage=storage, thread_id=thread_id, user_id="ana"))


async def six_forks(storage: SQLiteStorage) -> list[AgentThread]:
    """Say two turns in a thread, and fork it six times."""
    await say(storage, "origin", *pair(CAT, "Noted."), at=NOW - timedelta(days=2))
    await say(storage, "origin", *pair("The harbour was closed.", "A pity."), at=NOW - timedelta(days=1))
    origin = thread_of(storage, "origin")
    return [await origin.fork(thread_id=f"fork {number}") for number in range(6)]


async def found(recall: RecallProvider, question: str = "What is my cat called?") -> list[str]:
    return [memory.text for memory in await recall.search(question, roles=["user"], min_relevance=0.3)]


async def test_a_turn_of_six_forks_is_recalled_once(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await six_forks(storage)
    assert await found(recall) == [CAT]


async def test_a_run_is_not_told_what_it_sends_anyway(storage: SQLiteStorage, recall: RecallProvider) -> None:
    fork, *_ = await six_forks(storage)
    client = ScriptedChatClient(["Mochi.", "Mochi.", "Mochi."])
    agent = client.create_agent(storage=storage, context_providers=[recall])
    for thread in (fork, thread_of(storage, "origin"), agent.get_thread("new", user_id="ana")):
        await agent.run("What is my cat called?", thread=thread)
    told = ["".join(message.text for message in request.messages).count(CAT) for request in client.requests]
    assert told == [1, 1, 1]


async def test_copies_do_not_crowd_other_memories_out(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "_CANDIDATES", 6)
    await say(storage, "other", *pair("A cat is fed at nine by the neighbour."), at=NOW - timedelta(days=9))
    await six_forks(storage)
    memories = await recall.search("Mochi the cat", limit=2)
    assert [memory.text for memory in memories] == [CAT, "A cat is fed at nine by the neighbour."]


async def test_a_memory_stays_while_one_thread_has_it(storage: SQLiteStorage, recall: RecallProvider) -> None:
    forks = await six_forks(storage)
    assert await found(recall) == [CAT]
    await storage.delete("origin")
    assert await found(recall) == [CAT]
    for fork in forks[:-1]:
        store = fork.turn_store
        assert store is not None
        await store.undo(number=1)
        assert await found(recall) == [CAT]
    await storage.delete(forks[-1].id)
    assert await found(recall) == []


async def test_erasing_the_user_erases_the_memory_of_all_forks(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await six_forks(storage)
    assert await found(recall) == [CAT]
    await storage.erase_user("ana")
    assert await found(recall) == []
    assert (await recall.stats()).documents == 0


async def test_a_forgotten_turn_is_forgotten_in_all_forks(storage: SQLiteStorage, recall: RecallProvider) -> None:
    fork, *_ = await six_forks(storage)
    assert await found(recall) == [CAT]
    assert await recall.forget(thread=fork, turn=1) == 14
    assert await found(recall) == []
    await recall.rebuild()
    assert await found(recall) == []
    assert await found(recall, "Was the harbour closed?") == ["The harbour was closed."]


async def test_turns_that_only_have_the_same_id_are_no_copies(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair(CAT), at=NOW - timedelta(days=2), turn_id="first")
    await say(storage, "two", *pair("The harbour was closed."), at=NOW - timedelta(days=2), turn_id="first")
    await say(storage, "three", *pair(CAT), at=NOW - timedelta(days=1), turn_id="first")
    assert await found(recall) == [CAT]
    assert await recall.forget(thread="one", turn="first") == 2
    assert await found(recall) == [CAT]
    assert await found(recall, "Was the harbour closed?") == ["The harbour was closed."]


async def test_a_forgotten_thread_leaves_the_turns_of_its_forks(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await six_forks(storage)
    assert await recall.forget(thread="origin") == 4
    assert await found(recall) == [CAT]


async def test_a_correction_stays_while_one_thread_has_the_turn(storage: SQLiteStorage, recall: RecallProvider) -> None:
    forks = await six_forks(storage)
    (memory,) = await recall.search("What is my cat called?", roles=["user"], min_relevance=0.3)
    await recall.correct(memory, "My cat is called Mocha.")
    late = await forks[0].fork(thread_id="late")
    assert await found(recall) == ["My cat is called Mocha."]
    for thread_id in ("origin", *(fork.id for fork in forks)):
        await storage.delete(thread_id)
        assert await found(recall) == ["My cat is called Mocha."]
    await storage.delete(late.id)
    assert (await found(recall), await recall.facts(has_history=True)) == ([], [])


async def test_a_fork_is_not_searched_for_the_facts_of_its_parent_again(storage: SQLiteStorage) -> None:
    finder = ScriptedChatClient([finds({"text": "Ana has a cat."}), finds()], default=finds())
    recall = RecallProvider(storage=storage, user_id="ana", facts=FactExtractor(finder))
    agent = ScriptedChatClient(default="Noted.").create_agent(storage=storage, context_providers=[recall])
    origin = thread_of(storage, "origin")
    for text in (CAT, "The harbour was closed."):
        await agent.run(text, thread=origin)
        await recall.flush()
    forks = [await origin.fork() for _ in range(3)]
    for fork in forks:
        await agent.run(f"Go on, {fork.id}.", thread=fork)
        await recall.flush()
    assert len(finder.requests) == 2 + len(forks)
    (fact,) = await recall.facts()
    assert len(fact.sources) == 1 + len(forks)
    for thread in (origin, *forks[:-1]):
        await storage.delete(thread.id)
        assert [one.text for one in await recall.facts()] == ["Ana has a cat."]
    await storage.delete(forks[-1].id)
    assert await recall.facts() == []
    await recall.close()


async def test_a_copy_in_a_fork_gets_the_vector_of_its_original(storage: SQLiteStorage) -> None:
    embedder = Meanings()
    recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder)
    await say(storage, "origin", *pair("A hound barked.", "A canoe passed."), at=NOW - timedelta(days=1))
    await recall.catch_up()
    origin = thread_of(storage, "origin")
    asked = list(embedder.asked)
    forks = [await origin.fork() for _ in range(3)]
    await recall.catch_up()
    assert embedder.asked == asked
    assert (await recall.stats()).vectors == 2 + 2 * len(forks)
    await storage.delete("origin")
    assert [memory.text for memory in await recall.search("dog", limit=1)] == ["A hound barked."]
    await recall.close()


async def test_the_forgotten_turns_of_a_fork_are_listed_also_after_the_loss_of_the_index(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await six_forks(storage)
    await recall.forget(thread="origin", turn=1)
    expected = {("origin", 1, 1), *((f"fork {number}", 1, 1) for number in range(6))}
    index = recall._of().index  # pyright: ignore[reportPrivateUsage]
    for _ in range(2):
        assert {(one.thread_id, one.first, one.last) for one in await recall.forgotten()} == expected
        assert await found(recall) == []
        await index.erase(["origin", *(f"fork {number}" for number in range(6))], None)
        await recall.catch_up()
