"""The relevance of memories, and searches that find nothing because nothing that was said matters."""

from datetime import timedelta

import pytest

from recuerda import AgentThread, ChatMessage, ChatMessageStore
from recuerda.errors import InvalidInput
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import NOW, clock, pair, say

SAID = (
    "My dentist is called Okafor, near the harbour.",
    "I am learning the cello with a strict teacher.",
    "We painted the kitchen yellow in the spring.",
    "My brother repairs old clocks in a small workshop.",
    "The dog ate my train ticket this morning.",
    "I cancelled the gym because of the noise.",
    "Our landlord wants to sell the house.",
    "I baked bread with too much salt again.",
)


@pytest.fixture
async def told(storage: SQLiteStorage) -> SQLiteStorage:
    for number, text in enumerate(SAID):
        await say(storage, f"t{number}", *pair(text), at=NOW - timedelta(days=number))
    return storage


async def test_the_relevance_tells_an_answer_from_a_far_match(told: SQLiteStorage, recall: RecallProvider) -> None:
    answers = ("Who is my dentist near the harbour?", "Which colour did we paint the kitchen?", "Who repairs clocks?")
    others = (
        "Which small hotel in Vienna had the purple carpet?",
        "What salt did the chemist order for our laboratory?",
    )
    for question in answers:
        assert (await recall.search(question))[0].relevance > 0.4, question
    for question in others:
        assert all(memory.relevance < 0.4 for memory in await recall.search(question, min_relevance=0)), question
        assert await recall.search(question, min_relevance=0.4) == [], question


async def test_relevances_fall_with_the_scores_and_stay_below_one(told: SQLiteStorage, recall: RecallProvider) -> None:
    found = await recall.search("the dog, the house and the kitchen", min_relevance=0)
    relevances = [memory.relevance for memory in found]
    assert relevances == sorted(relevances, reverse=True)
    assert len(found) > 2
    assert all(0 < relevance < 1 for relevance in relevances)


async def test_the_best_memory_decides_for_all(told: SQLiteStorage, recall: RecallProvider) -> None:
    question = "Which bread did my brother bake in the workshop?"
    found = await recall.search(question, min_relevance=0)
    between = (found[0].relevance + found[-1].relevance) / 2
    assert await recall.search(question, min_relevance=between) == found
    assert await recall.search(question, min_relevance=found[0].relevance + 0.001) == []


async def test_a_question_about_a_time_or_a_person_is_relevant_too(told: SQLiteStorage, recall: RecallProvider) -> None:
    for question in ("What happened yesterday?", "Who am I?", "What did we do on 18 May?"):
        assert (await recall.search(question, min_relevance=0.4)) != [], question


async def test_a_long_question_is_not_asked_for_every_word(told: SQLiteStorage, recall: RecallProvider) -> None:
    question = (
        "Could you give me a detailed overview of everything concerning the strict cello teacher, including potential "
        "challenges, decisions, milestones, budgets, deadlines, colleagues, priorities and further considerations?"
    )
    assert (await recall.search(question))[0].text == SAID[1]


async def test_a_run_gets_no_far_matches(told: SQLiteStorage) -> None:
    thread = AgentThread(message_store=ChatMessageStore(storage=told, thread_id="new", user_id="ana"))
    asked = [ChatMessage("user", "Which small hotel in Vienna had the purple carpet?")]
    for min_relevance, is_empty in ((0.0, False), (0.4, True)):
        recall = RecallProvider(storage=told, user_id="ana", clock=clock, min_relevance=min_relevance)
        assert (await recall.invoking(asked, thread=thread) is None) == is_empty
        await recall.close()


async def test_the_smallest_relevance_is_from_0_to_1(recall: RecallProvider) -> None:
    for value in (-0.1, 1.5, float("nan")):
        with pytest.raises(InvalidInput, match="min_relevance must be from 0 to 1"):
            RecallProvider(min_relevance=value)
        with pytest.raises(InvalidInput, match="min_relevance must be from 0 to 1"):
            await recall.search("anything", min_relevance=value)
