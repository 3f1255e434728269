"""Verbs whose prefix stands apart in a message are found by the whole verb."""

import pytest

from recuerda.recall import RecallProvider
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say

APART = [
    ("Ich rief gestern beim Zahnarzt an.", ["Wen habe ich angerufen?", "Wo muss ich anrufen?"]),
    ("Ich hole das Paket morgen ab.", ["Was muss ich abholen?", "Was ist abzuholen?"]),
    ("Der Kurs fängt im Juni an.", ["Wann hat es angefangen?"]),
    ("Wir luden Oma zum Essen ein.", ["Wen haben wir eingeladen?"]),
    ("Ich zog 2019 nach Ulm um.", ["Wann bin ich umgezogen?"]),
    ("Sie bot mir eine Stelle in Köln an.", ["Was wurde mir angeboten?"]),
    ("Ik belde gisteren de tandarts op.", ["Wie heb ik opgebeld?"]),
    ("We nodigden oma uit.", ["Wie hebben we uitgenodigd?"]),
]


@pytest.mark.parametrize(("text", "questions"), APART)
async def test_a_verb_is_found_whose_prefix_stands_apart(
    storage: SQLiteStorage, recall: RecallProvider, text: str, questions: list[str]
) -> None:
    for number, one in enumerate([text, "Es regnet seit Tagen.", "Het regent al dagen."]):
        await say(storage, f"{number}", *pair(one))
    for question in questions:
        assert [memory.text for memory in await recall.search(question, roles=["user"])] == [text], question


async def test_a_verb_without_its_prefix_is_not_looked_for_if_a_message_has_the_whole_verb(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "1", *pair("Ich habe Mara angerufen."))
    await say(storage, "2", *pair("Jemand hat laut gerufen."))
    found = await recall.search("Wen habe ich angerufen?", roles=["user"])
    assert [memory.text for memory in found] == ["Ich habe Mara angerufen."]


async def test_an_english_word_has_no_prefix(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "1", *pair("The road is closed."))
    assert await recall.search("Where did we go abroad?") == []
