"""Memories that say almost the same: reminders, corrections, forks, and a question with its answer."""

from datetime import timedelta

from recuerda import AgentThread, ChatMessageStore
from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import NOW, pair, person, say


async def tell(storage: SQLiteStorage, *texts: str) -> None:
    """Say each text a day after the one before it."""
    for number, text in enumerate(texts):
        await say(storage, f"t{number}", *pair(text), at=NOW - timedelta(days=len(texts) - number))


async def found(recall: RecallProvider, question: str, limit: int = 10) -> list[str]:
    return [memory.text for memory in await recall.search(question, limit=limit, roles=["user"])]


async def test_of_reminders_that_differ_in_their_number_the_newest_takes_one_place(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage, "Plants die without water.", *(f"Reminder {at}: water the plants!" for at in range(12)))
    assert set(await found(recall, "water the plants", limit=3)) == {
        "Reminder 11: water the plants!",
        "Plants die without water.",
    }


async def test_a_long_message_with_another_word_is_a_repeat(storage: SQLiteStorage, recall: RecallProvider) -> None:
    report = "The nightly backup of the customer database finished {} after checking every table and index."
    await tell(storage, report.format("quickly"), report.format("slowly"), "The backup needs a new disk.")
    assert len([text for text in await found(recall, "nightly backup") if "nightly" in text]) == 1


async def test_a_correction_is_no_repeat(storage: SQLiteStorage, recall: RecallProvider) -> None:
    long = "After the summer my family and I want to move our small furniture workshop to {} for good."
    pairs = [
        ("I live in Oslo.", "I live in Bergen.", "Where do I live?"),
        (long.format("Oslo"), long.format("Bergen"), "Where does the furniture workshop move?"),
        ("The boat leaves at nine.", "The boat leaves at ten.", "boat"),
        ("My badge is 4471.", "My badge is 4472.", "badge"),
    ]
    for old, new, question in pairs:
        await tell(storage, old, new)
        assert (await found(recall, question))[:2] == [new, old], question
        for thread in ("t0", "t1"):
            await storage.delete(thread)


async def test_what_two_people_say_is_no_repeat(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for name in ("Ana", "Ben"):
        await say(storage, f"of {name}", person(name, "I weighed my suitcase: 21 kilos."))
    assert len(await found(recall, "suitcase kilos")) == 2


async def test_a_fork_s_copies_count_once(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "origin", *pair("My dentist is called Okafor.", "Noted."))
    origin = AgentThread(message_store=ChatMessageStore(storage=storage, thread_id="origin", user_id="ana"))
    for number in range(3):
        await origin.fork(thread_id=f"fork {number}")
    assert len({memory.thread_id for memory in await recall.search("dentist", limit=9)}) == 1
    assert await found(recall, "Who is my dentist?") == ["My dentist is called Okafor."]


async def test_an_answer_comes_with_its_question(storage: SQLiteStorage, recall: RecallProvider) -> None:
    talk = [
        ("Ana", "Which hotel near the harbour would you take, Ben?"),
        ("Ben", "The Astoria, it is quiet."),
        ("Ana", "Thanks."),
        ("Ben", "The harbour was closed, and the hotel bar too."),
    ]
    for place, (name, text) in enumerate(talk):
        await say(storage, f"talk {place // 2}", person(name, text), at=NOW - timedelta(days=3 - place // 2))
    assert "The Astoria, it is quiet." in (await found(recall, "Which hotel near the harbour?", limit=2))
