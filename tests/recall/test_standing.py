"""Standing instructions and preferences: how they are recognized, returned and ranked."""

from datetime import timedelta

import pytest

from recuerda import ChatMessage
from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.recall import RecallProvider
from recuerda.recall.folding import fold
from recuerda.recall.standing import is_standing
from recuerda.sqlite import SQLiteStorage
from tests.recall.talking import NOW, pair, person, say

STANDING = """
Always include version numbers when I ask about software.
Please never suggest pork to me.
From now on, reply in Spanish.
I really prefer aisle seats.
I'd rather read than watch films.
Don't ever book flights before 9.
You can call me Kim.
Could you remember that I'm allergic to nuts?
Whenever I ask for recipes, leave out garlic.
For my reports, always use British spelling.
- Always use tabs.
You should always double-check dates.
A partir de ahora, contéstame con listas.
Por favor, nunca me recomiendes carne.
Prefiero el té al café.
Llámame Pepe.
Recuerda que soy celíaca.
Ab jetzt bitte auf Deutsch.
Je préfère le train.
Bitte antworte immer auf Deutsch.
Antworten Sie mir bitte immer in ganzen Sätzen.
Verwende nie Emojis.
Schreib niemals Abkürzungen.
Réponds toujours en français.
Répondez-moi toujours brièvement.
N'utilise jamais d'emojis.
Responde siempre en español.
Respóndeme siempre con ejemplos.
Responda sempre em português.
Rispondi sempre in italiano.
Non usare mai emoji.
D'ora in poi rispondi in italiano.
Please stop apologizing.
Keep your answers under 100 words.
Whenever you write code, add comments.
Use British spelling, please.
Make sure to include units.
Do not mention my ex.
Ich möchte, dass du mich siezt.
Antwoord altijd in het Nederlands.
Ik heb liever korte antwoorden.
Svara alltid på svenska.
Odpowiadaj zawsze po polsku.
Отвечай всегда по-русски.
Я предпочитаю короткие ответы.
Her zaman Türkçe cevap ver.
请总是用中文回答。
以后请叫我船长。
これからは日本語で答えてください。
항상 한국어로 대답해 줘.
"""
OTHER = """
Always nice to see you.
Он всегда опаздывает.
Zawsze pada deszcz.
我以后再告诉你。
Never mind.
I never went there.
It always rains in Bergen.
Call me back tomorrow.
I remember that trip well.
Never again!
I've always loved swimming.
She always calls me on Sundays.
Always happy to help!
What do you prefer?
Nunca he estado en Roma.
Siempre me gustó el mar.
Ich antworte immer zu spät.
Er sagt immer nein.
Sie fragen immer dasselbe, meine Kinder.
Hat sie nie geschrieben?
Il répond toujours mal.
Je n'utilise jamais le bus.
Mi padre responde siempre tarde.
Mia madre usa sempre il treno.
Non sono mai stato a Roma.
"""


def test_standing_instructions_are_told_from_other_messages() -> None:
    assert [line for line in STANDING.strip().splitlines() if not is_standing(fold(line))] == []
    assert is_standing("i don\u2019t want you to guess")
    assert [line for line in OTHER.strip().splitlines() if is_standing(fold(line))] == []


def test_an_instruction_counts_before_and_behind_a_long_paste_but_not_within_it() -> None:
    paste = "\n".join(f"Line {number} of a log." for number in range(500))
    assert is_standing(f"from now on, be brief.\n{paste}")
    assert is_standing(f"{paste}\nfrom now on, be brief.")
    assert not is_standing(f"{paste}\nfrom now on, be brief.\n{paste}")


async def test_standing_instructions_of_the_user_come_newest_first_and_equal_ones_once(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    for number, text in enumerate(
        ("Call me Kim.", "I live in Bergen.", "I prefer trains.", "call me KIM!", "Always use tabs.")
    ):
        await say(storage, f"t{number}", *pair(text, "I always prefer that, too."), at=NOW + timedelta(days=number))
    await say(storage, "other", *pair("From now on, be brief."), user="ben")
    found = await recall.standing()
    assert [memory.text for memory in found] == ["Always use tabs.", "call me KIM!", "I prefer trains."]
    assert [memory.text for memory in await recall.standing(limit=1)] == ["Always use tabs."]
    assert [memory.text for memory in await recall.standing(user_id="ana", thread_id="t0")] == ["Call me Kim."]


async def test_a_withdrawn_instruction_stands_no_more(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "kept", *pair("I prefer trains."))
    await say(storage, "undone", *pair("Always use tabs."))
    assert len(await recall.standing()) == 2
    await storage.delete("undone")
    await recall.forget(thread="kept", turn=1)
    assert await recall.standing() == []


async def test_a_speaker_whose_name_is_a_mark_has_no_standing_instructions(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "t", person("Standing Self", "The boat leaves at nine."))
    assert await recall.standing() == []
    assert await recall.search("Who am I?") == []


async def test_standing_is_told_plainly(storage: SQLiteStorage) -> None:
    recall = RecallProvider(storage=storage)
    with pytest.raises(ConfigurationError, match="no user whose memories"):
        await recall.standing()
    with pytest.raises(InvalidInput, match="limit"):
        await recall.standing(user_id="ana", limit=0)
    await recall.close()


async def test_an_instruction_comes_before_a_message_that_fits_as_well(
    storage: SQLiteStorage, recall: RecallProvider
) -> None:
    await say(storage, "order", *pair("Always name the garlic in recipes."), at=NOW - timedelta(days=9))
    await say(storage, "other", *pair("My garlic is in the recipes."), at=NOW)
    assert (await recall.search("garlic recipes", roles=["user"]))[0].text == "Always name the garlic in recipes."


async def test_an_assistants_promise_is_no_instruction(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "t", ChatMessage("user", "Hello."), ChatMessage("assistant", "From now on, I will be brief."))
    assert await recall.standing() == []
