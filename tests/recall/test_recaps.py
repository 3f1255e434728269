"""Recaps: questions about much of what was said are searched for by the words of their topic."""

import pytest

from recuerda.recall import RecallProvider
from recuerda.recall.folding import fold
from recuerda.recall.recaps import asks_for_what_was_said, frame_words
from recuerda.recall.requests import is_request
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import pair, say

RECAPS = """
In what order did the repairs come up?
Can you list, in the order in which I told you, what broke?
Please sum up the move.
Give me a summary of how the move went.
Could you recap our plans for the garden?
How did my budget change over the months?
How many books did I name across all our conversations?
How much did we spend in total?
¿En qué orden hablamos de los viajes?
Hazme un resumen de la mudanza.
¿Cómo ha cambiado mi presupuesto?
In welcher Reihenfolge sprachen wir über die Reisen?
Fass den Umzug bitte zusammen.
Wie haben sich meine Pläne entwickelt?
Dans quel ordre avons-nous parlé des voyages ?
Fais-moi un résumé du déménagement.
In che ordine abbiamo parlato dei viaggi?
Em que ordem falamos das viagens?
In welke volgorde spraken we over de reizen?
Podsumuj przeprowadzkę.
Подытожь переезд.
请总结一下搬家的事
引っ越しについてまとめて
이사를 요약해 줘
"""

NO_RECAPS = """
Could you improve my resume?
Where did I order the shoes?
Please order two pizzas.
Write a story about our cat.
Who changed the locks?
How did my mother find the house?
¿Dónde está la orden de compra?
Wer hat die Schlösser geändert?
"""


@pytest.mark.parametrize("text", RECAPS.strip().splitlines())
def test_a_question_asks_for_a_recap(text: str) -> None:
    assert asks_for_what_was_said(fold(text))
    assert not is_request(fold(text))
    assert "different" in frame_words(fold(text))


@pytest.mark.parametrize("text", NO_RECAPS.strip().splitlines())
def test_a_text_asks_for_no_recap(text: str) -> None:
    assert not asks_for_what_was_said(fold(text))
    assert "different" not in frame_words(fold(text))


async def test_the_frame_of_a_question_tells_less_than_its_topic(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    topic = [f"{what} with Stan." for what in ("Tea", "Weeding", "A quarrel", "Cards")]
    for number, text in enumerate(topic):
        await say(storage, f"topic {number}", *pair(text))
    await say(storage, "order", *pair("The order of beans was late."))
    await say(storage, "list", *pair("Soap is on the list."))
    for number in range(8):
        await say(storage, f"other {number}", *pair(f"Day {number} was dull."))
    question = "Can you put my days with Stan on a list in the order in which they came?"
    found = await recall.search(question, roles=["user"], limit=4)
    assert {memory.text for memory in found} == set(topic)


async def test_words_of_the_frame_alone_are_looked_for(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "one", *pair("My summary has two parts."))
    await say(storage, "two", *pair("The cat is asleep."))
    assert [memory.text for memory in await recall.search("summary", roles=["user"])] == ["My summary has two parts."]
    assert (await recall.search("Did I mention conversations?", roles=["user"])) == []
