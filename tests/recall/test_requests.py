"""Requests: standing instructions and preferences are found for them, whatever their words."""

import pytest

from recuerda.recall import RecallProvider
from recuerda.recall.asking import questions_of
from recuerda.recall.folding import fold
from recuerda.recall.requests import is_request
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say

REQUESTS = """
Could you plan my trip to Rome?
Write me a letter to the landlord
What should I cook for eight people?
Any ideas for a present?
Find me a quiet hotel
How do I clean a chest drain?
What can I cook for my first week back?
What's the best way to get to the wedding?
Could you improve my resume?
please translate this: good morning
My back hurts. Suggest some exercises.
plz draft an email to my landlord
menu for tonight pls
porfa hazme una lista
un menu pour ce soir stp
¿Podrías planear mi viaje a Roma?
Escríbeme una carta para el casero.
¿Qué me recomiendas para cenar?
Könntest du meine Reise nach Rom planen?
Schreib mir einen Brief an den Vermieter.
Was soll ich für acht Leute kochen?
Peux-tu organiser mon voyage à Rome ?
Écris une lettre au propriétaire.
Écrivez-moi une lettre.
Donne-moi une idée.
Würdest du mir beim Packen helfen?
Você poderia planejar minha viagem?
Potresti organizzare il mio viaggio a Roma?
Scrivimi una lettera al padrone di casa.
Kun je mijn reis naar Rome plannen?
Schrijf een brief aan de huisbaas.
Kan du planera min resa till Rom?
Napisz list do właściciela mieszkania.
Что ты посоветуешь на ужин?
Напиши письмо хозяину квартиры.
Roma gezimi planlayabilir misin?
请帮我写一封信
晚饭吃什么好\uff1f给点建议
ローマ旅行の計画を手伝って
로마 여행을 추천해 주세요
اقترح عشاء لثمانية أشخاص
"""

OTHERS = """
Where did I put the passports?
Who is my dentist?
What did we say about the roof?
I have planned the trip to Rome.
We give the cat two spoons.
my dentist's address
Summarize how the move went, please.
Please remind me of the name of my dentist.
Could you tell me where I live?
¿Dónde vivo?
Resúmeme por favor la mudanza.
Wo wohne ich?
Wo wurde ich geboren?
Wo haben wir gemeinsam gewohnt?
Welches Schlagzeug habe ich?
Machine number of the lathe
Montreal hotel name
Hazel birthday
Où est mon passeport ?
Dove abito?
Где я живу?
Сколько стоит моя квартира?
我住在哪里\uff1f
私の犬の名前は何ですか
"""

MEAT, TABLES = "Please never suggest meat to me.", "From now on, put numbers into a table."
TOLD = ("Rome has seven hills.", "The trip to Oslo took a week.", "Mum flew to Rome for a week.", "My trip was long.")


@pytest.mark.parametrize("text", REQUESTS.strip().splitlines())
def test_a_message_is_a_request(text: str) -> None:
    assert is_request(fold(text))


@pytest.mark.parametrize("text", OTHERS.strip().splitlines())
def test_a_message_is_no_request(text: str) -> None:
    assert not is_request(fold(text))


def test_each_question_of_a_request_is_one() -> None:
    message = "Where do I live? Which dish should I cook?"
    assert [one.is_request for one in questions_of(message)] == [True, True]
    assert [one.is_request for one in questions_of("Where do I live? Who is my dentist?")] == [False, False]


async def tell(storage: SQLiteStorage) -> None:
    for number, text in enumerate((MEAT, *TOLD, TABLES)):
        await say(storage, f"thread {number}", *pair(text))


async def test_instructions_in_other_words_are_found_for_a_request(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage)
    found = [memory.text for memory in await recall.search("Could you write a menu for Sunday?", roles=["user"])]
    assert set(found) == {MEAT, TABLES}
    assert await recall.search("Which menu did we have on Sunday?") == []


async def test_what_a_request_is_about_comes_before_instructions_in_other_words(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage)
    request = "Could you plan a trip to Rome for a week?"
    found = [memory.text for memory in await recall.search(request, roles=["user"])]
    assert found[0] == TOLD[2]
    assert {MEAT, TABLES} <= set(found)


@pytest.mark.parametrize(
    "question",
    ["When should I see my dentist?", "What did you advise for the trip?", "Could you tell me where my dentist lives?"],
)
async def test_questions_of_facts_get_none(storage: SQLiteStorage, recall: RecallProvider, question: str) -> None:
    await tell(storage)
    assert not {MEAT, TABLES} & {memory.text for memory in await recall.search(question)}


async def test_a_report_names_an_instruction_and_its_points_add_up(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage)
    request = "Could you write a menu for Sunday?"
    reports = await recall.explain(request)
    assert [report.memory for report in reports] == await recall.search(request)
    for report in [one for one in reports if one.memory.role == "user"]:
        assert [part.word for part in report.parts if part.reason == "word"] == ["standing"]
        assert sum(part.points for part in report.parts) == pytest.approx(report.memory.score)


async def test_of_very_many_instructions_only_those_with_words_of_the_request_are_found(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await tell(storage)
    many = [pair(f"Always answer item {number} with the word {chr(0x4E00 + number) * 3}.") for number in range(800)]
    await say(storage, "many", *(message for messages in many for message in messages))
    found = [memory.text for memory in await recall.search("Could you plan a menu with meat?", roles=["user"])]
    assert found == [MEAT]
