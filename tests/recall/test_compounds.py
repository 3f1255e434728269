"""Compounds are found by their last words, and last words by compounds."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from recuerda import ChatMessage
from recuerda.recall import RecallProvider, ThreadSearch
from recuerda.recall.compounds import compounds_with, ends_asked, ends_of, last_words, shown
from recuerda.recall.languages import stem
from recuerda.recall.text import terms_of
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import say

ASKED: Sequence[tuple[str, str]] = [
    ("Meine Krankenversicherung kostet 300 Euro.", "Was kostet die Versicherung?"),
    ("Der Hausschlüssel liegt im Flur.", "Wo ist der Schlüssel?"),
    ("Ich habe einen Zahnarzttermin.", "Wann ist der Termin?"),
    ("Meine Lieblingsfarbe ist Grün.", "Welche Farbe mag ich?"),
    ("Unsere Waschmaschine ist kaputt.", "Maschine"),
    ("Ich nehme Schlaftabletten.", "Welche Tablette nehme ich?"),
    ("Die Versicherung zahlt.", "Zahlt die Krankenversicherung?"),
    ("De huissleutel ligt op tafel.", "Waar is de sleutel?"),
    ("Ik heb een pindaallergie.", "Welke allergie heb ik?"),
    ("Bilförsäkringen är betald.", "försäkring"),
    ("Min lægeaftale er på mandag.", "Hvornår er min aftale?"),
    ("Jeg har en peanøttallergi.", "Hvilken allergi har jeg?"),
    ("Hammaslääkäri on kallis ja minulla on kissa.", "Kuka on lääkäri?"),
    ("The storm is coming.", "thunderstorm"),
]
NOT_ASKED: Sequence[tuple[str, str]] = [
    ("Ich habe die Bestellung gesehen.", "Welche Stellung habe ich?"),
    ("Der Wohnungspreis ist hoch.", "Wie war die Reise?"),
    ("Wir haben im Frühling geheiratet.", "Wo ist der Ring?"),
    ("Die Verabredung ist heute.", "Wer hielt die Redung?"),
    ("Ich war bei der Zeugenaussage dabei.", "Wo ist die Sage?"),
    ("Vi har en förening.", "Vad är en ening?"),
    ("The carpet is red.", "pet"),
    ("My girlfriend likes apples.", "trends"),
]


@pytest.mark.parametrize(("said", "asked"), ASKED)
async def test_a_compound_and_its_last_word_find_each_other(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "noise", ChatMessage("user", "Nothing else happened here."))
    await say(storage, "told", ChatMessage("user", said))
    assert [memory.text for memory in await recall.search(asked)] == [said]


@pytest.mark.parametrize(("said", "asked"), NOT_ASKED)
async def test_other_words_with_the_same_end_are_not_found(
    storage: SQLiteStorage, recall: RecallProvider, said: str, asked: str
) -> None:
    await say(storage, "told", ChatMessage("user", said))
    assert await recall.search(asked) == []


@pytest.mark.parametrize("memories", [3, 300], ids=["pending", "entered"])
async def test_a_compound_counts_less_than_the_word(
    storage: SQLiteStorage, recall: RecallProvider, memories: int
) -> None:
    said = [ChatMessage("user", f"Das ist die Bemerkung {number} zum Wetter.") for number in range(memories)]
    await say(storage, "noise", *said)
    for text in ("Die Krankenversicherung ist teuer.", "Die Versicherung ist teuer."):
        await say(storage, text, ChatMessage("user", text))
    found = await recall.search("Was macht die Versicherung?", limit=2)
    assert [memory.text for memory in found] == ["Die Versicherung ist teuer.", "Die Krankenversicherung ist teuer."]


async def test_the_end_of_a_word_is_no_word_to_search_or_to_forget(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "told", ChatMessage("user", "Meine Krankenversicherung ist teuer."))
    async with ThreadSearch(storage) as search:
        assert await search.search("Versicherung", user_id="ana") == []
    assert await recall.forget(query="Versicherung", dry_run=True) == 0
    assert await recall.forget(query="Krankenversicherung") == 1
    assert await recall.search("Was kostet die Versicherung?") == []


async def test_an_explanation_names_the_compound(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "told", ChatMessage("user", "Mein Hausschlüssel ist im Flur."))
    (report,) = await recall.explain("Wo ist der Schlüssel?")
    assert [(part.word, part.terms) for part in report.parts if part.reason == "word"] == [
        ("schlussel", ("hausschlussel",))
    ]


def test_only_long_words_of_languages_with_compounds_have_ends() -> None:
    words = [("krankenhaus", "krankenhaus"), ("haus", "haus"), ("laufen", "lauf")]
    assert ends_of(words, "de") == ["~suahneknark"]
    assert ends_of(words, "en") == []
    assert not any(term.startswith("~") for term in terms_of("The understanding was mutual.").counts)
    assert ends_asked({"house": 0}, ["en"], stem) == {}
    assert ends_asked({"hus": 0}, ["sv"], stem) == {}


def test_the_shortest_compounds_come_first() -> None:
    known = [f"~sunob{'a' * size}" for size in range(3, 20)]
    assert compounds_with("~~sunob", known) == known[:12]
    assert shown("~suahneknark") == "krankenhaus"
    assert list(last_words("hausschlussel"))[:2] == ["schlussel", "chlussel"]
