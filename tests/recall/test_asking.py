"""The questions of a message: each gets its share, and the sentences beside it are a help."""

import pytest

from recuerda.recall import RecallProvider
from recuerda.recall.asking import Asked, questions_of
from recuerda.recall.traits import IS_QUESTION, asks_assistant, traits_of
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say

TOLD = (
    "My dentist is called Okafor.",
    "The passports are in the blue drawer.",
    "The cat gets two spoons of food at seven.",
    "We fly to Lisbon with the children every spring.",
    "On Friday we always have fish.",
    "The children fly kites on Friday.",
    "A friend of the children fell asleep on the flight.",
    "I fly out on a Friday whenever I can.",
)


@pytest.mark.parametrize(
    ("message", "asked"),
    [
        ("Who is my dentist?", [("Who is my dentist?", "")]),
        ("my dentist", [("my dentist", "")]),
        ("We fly on Friday. Where are the passports?", [("Where are the passports?", "We fly on Friday.")]),
        ("Where are the passports? We fly on Friday!", [("Where are the passports?", "We fly on Friday!")]),
        ("Who is my dentist? Who feeds the cat?", [("Who is my dentist?", ""), ("Who feeds the cat?", "")]),
        ("Where do I live, and who is my dentist?", [("Where do I live", "who is…"), ("who is my dentist?", "Where…")]),
        ("¿Dónde vivo y quién es mi dentista?", [("¿Dónde vivo", "quién…"), ("quién es mi dentista?", "¿Dónde…")]),
        ("Wo wohne ich und wie heißt mein Hund?", [("Wo wohne ich", "wie…"), ("wie heißt mein Hund?", "Wo…")]),
        (
            "明天出发。护照在哪里\uff1f牙医是谁\uff1f",
            [("护照在哪里\uff1f", "明天出发。"), ("牙医是谁\uff1f", "明天出发。")],
        ),
        ("أسافر غدا. أين جواز السفر؟", [("أين جواز السفر؟", "أسافر غدا.")]),
        ("What did Dr. Lee say on 3. Mai?", [("What did Dr. Lee say on 3. Mai?", "")]),
        ("I moved to the U.S. in May. Is J. Lee here?", [("Is J. Lee here?", "I moved…")]),
    ],
)
def test_a_message_has_these_questions(message: str, asked: list[tuple[str, str]]) -> None:
    found = questions_of(message)
    assert [one.text for one in found] == [text for text, _ in asked]
    for one, (_, beside) in zip(found, asked, strict=True):
        assert one.beside.startswith(beside.rstrip("…")) if beside.endswith("…") else one.beside == beside


@pytest.mark.parametrize(
    "message",
    [
        "Can you help me? I need the number of my dentist.",
        "I met Tom. Who is he?",
        "When and where did we meet?",
        "Which cities did Ana and Tom visit and when?",
        "Who? Me? What cat? Which dog? Whose car? Whose boat? Whose house?",
    ],
)
def test_a_message_stays_whole_if_its_questions_alone_ask_for_nothing_or_are_many(message: str) -> None:
    assert [(one.text, one.beside) for one in questions_of(message)] == [(message, "")]


@pytest.mark.parametrize("text", ["أين جواز السفر؟", "Πού είναι το διαβατήριο\u037e", "护照在哪里\uff1f", "Passport?"])
def test_a_message_that_ends_with_any_question_mark_is_a_question(text: str) -> None:
    assert traits_of(text) & IS_QUESTION


def test_what_was_said_before_helps_all_but_small_talk() -> None:
    assert questions_of("Where is his practice?", "Okafor.") == [Asked("Where is his practice?", "Okafor.")]
    assert questions_of("And why?", "Okafor.") == [Asked("And why?", "Okafor.")]
    there = "I'd eat there."
    assert questions_of(there, "Okafor.") == [Asked(there, "Okafor.")]
    for text in ("Thanks!", "Okay, great.", "¡Gracias!", "Danke!"):
        assert questions_of(text, "Okafor.") == [Asked(text)]


async def tell(storage: SQLiteStorage) -> None:
    for number, text in enumerate(TOLD):
        await say(storage, f"thread {number}", *pair(text))


@pytest.mark.parametrize(
    "message",
    [
        "On Friday we fly to Lisbon with the children and a friend. Where did I put the passports?",
        "Where did I put the passports? On Friday we fly to Lisbon with the children and a friend.",
    ],
)
async def test_the_sentences_beside_a_question_do_not_take_its_place(
    storage: SQLiteStorage, recall: RecallProvider, message: str
) -> None:
    await tell(storage)
    for number in range(10):
        await say(storage, f"swimming {number}", *pair(f"On Friday the children swam for {number + 20} minutes."))
    found = await recall.search(message, roles=["user"])
    assert found[0].text == TOLD[1]
    assert TOLD[3] in [memory.text for memory in found]


@pytest.mark.parametrize(
    "message",
    [
        "Who is my dentist? What does the cat get to eat? Where did I put the passports?",
        "Who is my dentist, and where did I put the passports, and what food does the cat get?",
    ],
)
async def test_each_question_of_a_message_gets_its_share(
    storage: SQLiteStorage, recall: RecallProvider, message: str
) -> None:
    await tell(storage)
    for number in range(12):
        await say(storage, f"more {number}", *pair(f"My cousin asked the dentist a question, number {number}, again."))
    found = [memory.text for memory in await recall.search(message, roles=["user"], limit=6)]
    assert {TOLD[0], TOLD[1], TOLD[2]} <= set(found)
    assert len(found) == len(set(found))


async def test_a_question_without_answer_leaves_the_places_to_the_other(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage)
    found = await recall.search("Where did I put the passports? What is a zeppelin?", roles=["user"], limit=3)
    assert found[0].text == TOLD[1]


async def test_the_points_of_each_question_add_up(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await tell(storage)
    message = "We fly on Friday. Where are the passports? And who is my dentist?"
    reports = await recall.explain(message)
    assert [report.memory for report in reports] == await recall.search(message)
    assert [report.place for report in reports[:2]] == [1, 1]
    for report in reports:
        assert sum(part.points for part in report.parts) == pytest.approx(report.memory.score)


@pytest.mark.parametrize(
    "question",
    [
        "What did you propose to end the quarrel over the books?",
        "Which name did you favour?",
        "Which of the dinners you wrote out for us are quick?",
        "What was your advice on the delay?",
        "¿Qué me has recomendado contra el ruido?",
        "Was hast du mir gegen den Lärm empfohlen?",
        "Qu'est-ce que tu m'as conseillé ?",
        "Che cosa mi hai consigliato?",
        "Что ты мне посоветовал?",
        "你曾经给我推荐过哪些画家?",
    ],
)
def test_a_question_asks_what_the_assistant_said(question: str) -> None:
    assert asks_assistant(question)


@pytest.mark.parametrize(
    "question", ["Who is my dentist?", "Do you know my dentist?", "What did Ben say?", "¿Dónde vivo?", "Wo wohne ich?"]
)
def test_a_question_asks_not_what_the_assistant_said(question: str) -> None:
    assert not asks_assistant(question)


async def test_what_the_assistant_said_is_in_the_reply_to_what_was_asked(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    told, reply = "We quarrel about the books: she wants to keep all of them.", "Give each of you eight boxes."
    await say(storage, "moving", *pair(told, reply))
    await say(storage, "reading", *pair("I put the books on the shelf.", "They look good there."))
    supports: list[float] = []
    for question in (
        "Who ended the quarrel over the books?",
        "What did you propose to end the quarrel over the books?",
    ):
        reports = {report.memory.text: report for report in await recall.explain(question)}
        for report in reports.values():
            assert sum(part.points for part in report.parts) == pytest.approx(report.memory.score)
        words = sum(part.points for part in reports[told].parts if part.reason in ("word", "coverage"))
        support = sum(part.points for part in reports[reply].parts if part.reason == "neighbour")
        supports.append(support / words)
    assert supports == pytest.approx([0.1, 0.5])
    assert [memory.text for memory in await recall.search(question, limit=2)] == [told, reply]
