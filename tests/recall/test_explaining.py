"""Why a memory has its score, what is remembered of a user, and what was forgotten."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import timedelta
from typing import get_args

import pytest

from recuerda.errors import InvalidInput, ThreadOwnershipError
from recuerda.recall import MemoryReport, Reason, RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.chats import CHATS, QUESTIONS
from tests.recall.talking import NOW, clock, pair, person, say
from tests.recall.test_reranking import Judge, tell_of_trees

REPEATED = ("Which race do you run on Friday, Ben?", "Which race is on Friday?")
WORDS = ("dashboard", "kitchen", "oak", "race", "friday", "budget", "flask", "pans")


class Counting:
    """An embedder whose vectors count some words."""

    model_id = "counting"

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        return [[0.1 + text.lower().count(word) for word in WORDS] for text in texts]


TALK = (
    person("Ben", "I run the race on Friday."),
    person("Ana", "Which race do you run on Friday, Ben?"),
    person("Ben", "The one in Lisbon."),
)
SAID = [
    *((name, exchange) for name, exchanges in CHATS.items() for exchange in exchanges),
    *(("asked", (question, f"The race on Monday {number}.")) for number, question in enumerate(REPEATED)),
    ("asked", ("Please always answer questions about a race in one line.", "I shall.")),
    ("asked", ("I no longer keep bees.", "I see.")),
]


async def tell_all(storage: SQLiteStorage) -> list[str]:
    """Say chats with an assistant and a talk between people, and return the texts."""
    for place, (name, exchange) in enumerate(SAID):
        await say(storage, name, *pair(*exchange), at=NOW - timedelta(days=40 - place))
    for message in TALK:
        await say(storage, "talk", message, at=NOW - timedelta(days=3))
    return [text for _, exchange in SAID for text in exchange] + [message.text for message in TALK]


def reasons(report: MemoryReport) -> dict[str, float]:
    return {part.reason: part.points for part in report.parts}


async def test_the_points_of_each_memory_add_up_to_its_score(storage: SQLiteStorage) -> None:
    await tell_all(storage)
    seen: set[str] = set()
    for embedder in (None, Counting()):
        recall = RecallProvider(storage=storage, user_id="ana", embedder=embedder, clock=clock)
        await recall.catch_up()
        asked = [question for question, *_ in QUESTIONS[::3]]
        for question in [
            *asked,
            "What did Ben do last Friday?",
            *REPEATED,
            "last week",
            "Do I keep bees?",
            "Plan a dinner.",
        ]:
            reports = await recall.explain(question, limit=20, min_relevance=0)
            assert [one.memory for one in reports] == await recall.search(question, limit=20, min_relevance=0)
            assert [one.place for one in reports] == list(range(1, len(reports) + 1))
            for one in reports:
                assert math.isclose(sum(part.points for part in one.parts), one.memory.score, rel_tol=1e-9)
                seen.update(reasons(one))
                assert one.reranked is None
        await recall.close()
    assert seen == set(get_args(Reason))


async def test_a_word_of_the_query_is_named(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "t", *pair("I repaired my bicycle."))
    await say(storage, "t", *pair("The weather is fine."))
    report = (await recall.explain("Who repairs a bicycle in this weather?", roles=["user"]))[0]
    assert [part.word for part in report.parts if part.reason == "word"] == ["repairs", "bicycle"]
    assert next(part for part in report.parts if part.reason == "coverage").points < 0
    who = (await recall.explain("Who am I?", roles=["user"]))[0]
    assert [part.word for part in who.parts if part.reason == "word"] == ["self"]


async def test_a_reranker_shows_its_score_and_the_place_before_it(storage: SQLiteStorage) -> None:
    await tell_of_trees(storage)
    recall = RecallProvider(storage=storage, user_id="ana", reranker=Judge("fir"))
    reports = await recall.explain("What fell?", roles=["user"])
    first = reports[0]
    assert ("fir" in first.memory.text, first.reranked) == (True, 1.0)
    assert sorted(one.place for one in reports) == list(range(1, len(reports) + 1))
    assert {one.reranked for one in reports[1:]} == {0.0}
    await recall.close()


async def test_a_corrected_memory_is_explained_too(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "t", *pair("I live in Oslo."))
    memory = (await recall.search("Where do I live?", roles=["user"]))[0]
    await recall.correct(memory, "I live in Bergen.")
    (report,) = await recall.explain("Where do I live in Bergen?", roles=["user"])
    assert report.memory.text == "I live in Bergen."
    assert math.isclose(sum(part.points for part in report.parts), report.memory.score)


async def test_all_memories_are_listed_page_by_page(storage: SQLiteStorage, recall: RecallProvider) -> None:
    said = await tell_all(storage)
    await say(storage, "of eva", *pair("A secret of Eva."), user="eva")
    pages = [await recall.memories(limit=7)]
    while pages[-1].cursor is not None:
        pages.append(await recall.memories(limit=7, cursor=pages[-1].cursor))
    assert all(0 < len(page.memories) <= 7 for page in pages)
    listed = [memory.text for page in pages for memory in page.memories]
    assert listed[:3] == [message.text for message in reversed(TALK)]
    assert sorted(listed) == sorted(said)
    with pytest.raises(InvalidInput, match="not one of a list of memories"):
        await recall.memories(cursor="x")
    with pytest.raises(ThreadOwnershipError):
        await recall.memories(user_id="eva")


async def test_a_list_shows_corrected_words_and_no_forgotten_ones(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for text in ("I live in Oslo.", "I like tea.", "I drive a bus."):
        await say(storage, "t", *pair(text, ""))
    memory = (await recall.search("Where do I live?", roles=["user"]))[0]
    await recall.correct(memory, "I live in Bergen.")
    await recall.forget(thread="t", turn=2)
    listed = (await recall.memories()).memories
    assert [one.text for one in listed] == ["I drive a bus.", "I live in Bergen.", "I live in Oslo."]
    assert listed[2].valid_until_us is not None
    (gone,) = await recall.forgotten()
    assert (gone.thread_id, gone.first, gone.last) == ("t", 2, 2)
    await storage.delete("t")
    assert (await recall.memories()).memories == ()
    assert await recall.forgotten() == []


async def test_a_list_of_nothing_is_empty(recall: RecallProvider) -> None:
    assert (await recall.memories()).memories == ()
    assert await recall.forgotten() == []
