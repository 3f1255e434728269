"""Words that no memory has: similar terms stand for them, of other forms and of other spellings."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recuerda import ChatMessage
from recuerda.recall import RecallProvider
from recuerda.recall.index import ScopeInfo
from recuerda.recall.question import question_of
from recuerda.recall.similar_words import can_be_similar, similar_terms, to_look_up
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import say

ASKED: Sequence[tuple[str, str]] = [
    ("The doctor gave me penicillin.", "penicilin"),
    ("The doctor gave me penicilin.", "penicillin"),
    ("We stayed at the Sheraton.", "Sheratton"),
    ("Katarzyna is on leave.", "Katarzina"),
    ("The accommodation is cheap.", "acommodation"),
    ("Herr Kowalczyk kommt.", "Kowalzcyk"),
    ("Мой стоматолог занят.", "стоматлог"),
    ("Two tickets to Reykjavik.", "Reykjavk"),
    ("Két jegyet vettem a koncertre.", "Hol vannak a jegyek?"),
    ("A lányom allergiás a mogyoróra.", "Milyen allergiája van?"),
    ("Vicini rumorosi.", "vicino"),
    ("Dcéra dostala nové topánky.", "topánka"),
    ("Mano dukra alergiška riešutams.", "alergija"),
    ("Mu tütar on allergiline pähklite vastu.", "pähkel"),
    ("Моја ћерка је алергична.", "алергија"),
    ("Dental hygiene costs 80 euros.", "hygene"),
    ("The minuscule font hurts my eyes.", "miniscule"),
    ("I was disappointed by the hotel.", "dissapointed"),
    ("The gynecologist called.", "ginecologist"),
    ("We visited Philadelphia.", "Filadelfia"),
    ("Our guarantee ended.", "garantee"),
    ("Der Rhabarber ist reif.", "Rabarber"),
    ("Het abonnement loopt af.", "abbonement"),
    ("A minha mensagem chegou.", "mansagem"),
    ("Винегрет готов.", "венегрет"),
    ("Η εγκυμοσύνη πάει καλά.", "εγγυμοσυνη"),
    ("ჩემს ქალიშვილს ალერგია აქვს.", "ალერგიები"),
]


@pytest.mark.parametrize(("said", "asked"), ASKED)
async def test_a_word_that_no_memory_has_finds_a_similar_one(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "noise", ChatMessage("user", "Nothing else happened here."))
    await say(storage, "told", ChatMessage("user", said))
    assert [memory.text for memory in await recall.search(asked)] == [said]


async def test_a_word_that_a_memory_has_finds_no_similar_one(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for text in ("The planet is red.", "Every plant needs water."):
        await say(storage, text, ChatMessage("user", text))
    assert [memory.text for memory in await recall.search("plant")] == ["Every plant needs water."]


async def test_a_similar_word_counts_less_than_the_word(storage: SQLiteStorage, recall: RecallProvider) -> None:
    for text in ("My sister paints flowers.", "The gardener likes orchids."):
        await say(storage, text, ChatMessage("user", text))
    (first, second) = await recall.search("orchids of a paintner")
    assert [first.text, second.text] == ["The gardener likes orchids.", "My sister paints flowers."]


async def test_words_beside_a_question_find_no_similar_ones(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "told", ChatMessage("user", "The doctor gave me penicillin."))
    await say(storage, "other", ChatMessage("user", "The gardener likes orchids."))
    found = await recall.search("I took penicilin. What does the gardener like?")
    assert [memory.text for memory in found] == ["The gardener likes orchids."]


async def test_another_scope_s_words_are_not_similar(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "theirs", ChatMessage("user", "The doctor gave me penicillin."), user="bo")
    await say(storage, "mine", ChatMessage("user", "The gardener likes orchids."))
    assert await recall.search("penicilin") == []


@pytest.mark.parametrize("memories", [3, 300], ids=["pending", "entered"])
async def test_similar_words_are_found_in_many_and_few_memories(
    storage: SQLiteStorage, recall: RecallProvider, memories: int
) -> None:
    said = [ChatMessage("user", f"Remark {number} about the weather.") for number in range(memories)]
    await say(storage, "told", ChatMessage("user", "The doctor gave me penicillin."), *said)
    assert [memory.text for memory in await recall.search("penicilin", limit=1)] == ["The doctor gave me penicillin."]


def test_the_most_similar_terms_stand_for_a_word() -> None:
    known = ["control", "contract", "contrabass", "contour", "constant", "other"]
    assert similar_terms(["contrakt"], known) == ["contract"]
    assert similar_terms(["wine"], known) == []
    assert len(similar_terms(["abcdef"], [f"abcde{letter}" for letter in "ghijklmn"])) == 4


def test_other_words_are_not_similar() -> None:
    pairs = [("horror", "horse"), ("bread", "breakfasts"), ("cat", "car"), ("wine", "line"), ("market", "mart")]
    pairs += [("tailor", "sailor"), ("bitter", "butter"), ("kirch", "kirsch"), ("chicken", "kitchen")]
    pairs += [("honey", "money"), ("passion", "mission"), ("leather", "weather"), ("барон", "баран")]
    assert [pair for pair in pairs if similar_terms(pair[:1], pair[1:])] == []
    assert [word for word in ("1234567", "ord-2024", "car", "猫が好き") if can_be_similar(word)] == []


def test_few_terms_are_looked_up() -> None:
    wanted = to_look_up(["accomodation", "accomod"])
    assert "acco" in wanted.starts
    assert len(wanted.starts) < 20
    assert len(wanted.spellings) < 400
    assert wanted.has("accommod")
    assert not wanted.has("ascent")


def test_a_neighbour_of_an_unknown_word_is_not_similar_to_it() -> None:
    question = question_of("Which vegetarian lasagne?", ScopeInfo(documents=2, mean_size=3.0), 0)
    assert question.spelt()["lasagne"][0] == "lasagne"
    assert not any(term.startswith("veg") for term in question.spelt()["lasagne"])


async def test_an_explanation_names_the_similar_term(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "told", ChatMessage("user", "The doctor gave me penicillin."))
    (report,) = await recall.explain("penicilin")
    assert sum(part.points for part in report.parts) == pytest.approx(report.memory.score)
    assert [(part.word, part.terms) for part in report.parts if part.reason == "word"] == [
        ("penicilin", ("penicillin",))
    ]
