"""Memories that say almost the same: reminders, corrections, forks, and a question with its answer."""

from datetime import timedelta

import pytest

from recuerda import AgentThread, ChatMessageStore
from recuerda.recall import RecallProvider
from recuerda.recall.correcting import saying
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


async def test_memories_are_compared_by_their_terms_only_if_most_words_begin_alike(
    storage: SQLiteStorage, recall: RecallProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[str] = []

    def counted(role: str, speaker: str | None, text: str) -> tuple[str, frozenset[str]]:
        made.append(text)
        return saying(role, speaker, text)

    monkeypatch.setattr("recuerda.recall.repeats.saying", counted)
    different = ["A lantern burns on the quay at night.", "Mara's bakery sells lantern bread.", "Broken lantern glass!"]
    alike = ["We painted the old lantern again.", "We paint old lanterns again."]
    japanese = ["ランタンを買った", "ランタンを買う"]
    await tell(storage, *different, *alike, *japanese)
    assert set(await found(recall, "lantern")) == {*different, alike[-1]}
    assert set(made) == set(alike)
    await found(recall, "ランタン")
    assert set(made) == {*alike, *japanese}


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


WORDS = ["alpha", "beta", "gamma", "delta", "kappa", "omega", "sigma", "theta", "lambda", "zeta", "epsilon", "iota"]
TRACE = "with a trace of the call that was made before it and of the call after it " * 8
LOG = "2026-05-01 12:{0}:07 ERROR worker {0} job {0}7 failed with code {0}1 after {0} ms in {1} of the billing service"

CROWDS: dict[str, tuple[list[str], str, str]] = {
    "lines of a log with numbers and another word": (
        [LOG.format(number, word) for number, word in enumerate(WORDS, 10)],
        "The billing service fails because its disk is full.",
        "Why does the billing service fail?",
    ),
    "long pastes": (
        [f"{LOG.format(number, word)} {TRACE} {word}" for number, word in enumerate(WORDS, 10)],
        "The billing service fails because its disk is full.",
        "Why does the billing service fail?",
    ),
    "one template": (
        [f"Order {word} has been shipped with {word.upper()}Post and arrives at my door." for word in WORDS],
        "I had every order shipped to my office.",
        "Where are my orders shipped to?",
    ),
    "a short template": (
        [f"Reminder: call {word.title()} at {word} o'clock." for word in WORDS],
        "Reminders go to my work phone.",
        "Where do my reminders go?",
    ),
    "the same question in other words": (
        [
            "Where did I park my car?",
            "Do you know where I parked the car?",
            "Can you tell me where I have parked my car?",
            "In which place did I park my car?",
            "Remind me where my car is parked?",
            "Any idea where I parked my car?",
            "where did i leave the car parked",
        ],
        "The car is parked on level 3 of the garage in Elm Street.",
        "Where is the car parked?",
    ),
}


@pytest.mark.parametrize("crowd", CROWDS)
async def test_messages_after_one_pattern_do_not_crowd_the_answer_out(
    storage: SQLiteStorage, recall: RecallProvider, crowd: str
) -> None:
    texts, answer, question = CROWDS[crowd]
    await tell(storage, *texts[:4], answer, *texts[4:])
    places = await found(recall, question, limit=5)
    assert answer in places
    assert places.index(answer) <= 3
    # What is left of the places is given to more of them.
    assert len(places) == 5
    assert len(set(places)) == 5


async def test_each_message_after_one_pattern_is_found_by_its_own_words(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    texts, _, _ = CROWDS["a short template"]
    await tell(storage, *texts)
    for word, text in zip(WORDS, texts, strict=True):
        assert (await found(recall, f"When do I call {word.title()}?"))[0] == text
    assert set(await found(recall, "reminder", limit=20)) == set(texts)


async def test_a_repeat_of_a_message_that_came_late_takes_no_second_place(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    texts, _, _ = CROWDS["lines of a log with numbers and another word"]
    await tell(storage, *texts, *texts, *(text.replace("12:", "13:") for text in texts))
    places = await found(recall, "billing service", limit=20)
    assert len(places) == len({text.replace("13:", "12:") for text in places}) == len(texts)
