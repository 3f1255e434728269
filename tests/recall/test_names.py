"""Speakers whose names are words."""

import pytest

from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import person, say

SAID = {
    "Ana": "I bought a kayak in Bled.",
    "Will": "The kayak is green.",
    "May": "My kayak leaks.",
    "Al": "I sold a kayak once.",
    "Hope": "I rent kayaks out.",
    "Can Yilmaz": "A kayak costs 300 euros.",
    "So Young": "Kayak lessons are on Monday.",
}


@pytest.mark.parametrize(
    ("question", "speaker"),
    [
        ("What did Will say about the kayak?", "Will"),
        ("what did will say about the kayak", "Will"),
        ("Where is Will's kayak?", "Will"),
        ("What did Will say?", "Will"),
        ("What does May say of her kayak?", "May"),
        ("Did Al say anything about kayaks?", "Al"),
        ("What did Hope say on the kayak?", "Hope"),
        ("What did Can tell of kayaks?", "Can Yilmaz"),
        ("Which kayak does So have?", "So Young"),
    ],
)
async def test_a_speaker_is_known_by_a_name_that_is_a_word(
    storage: SQLiteStorage, recall: RecallProvider, question: str, speaker: str
) -> None:
    for name, text in SAID.items():
        await say(storage, "talk", person(name, text))
    assert (await recall.search(question))[0].text == SAID[speaker]


async def test_a_question_that_begins_with_a_verb_names_no_speaker(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for name, text in {"Will": "I like boats.", "Ana": "The kayak will be green."}.items():
        await say(storage, name, person(name, text))
    assert [memory.text for memory in await recall.search("Will the kayak be green?")] == ["The kayak will be green."]
