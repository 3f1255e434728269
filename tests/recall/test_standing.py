"""Standing instructions and preferences: how they are recognized, returned and ranked."""

from datetime import timedelta

import pytest

from recuerda import ChatMessage
from recuerda.errors import ConfigurationError, InvalidInput
from recuerda.recall import RecallProvider
from recuerda.recall.folding import fold
from recuerda.recall.standing import is_standing
from recuerda.sqlite import SQLiteStorage
from tests.recall.standing_sentences import OTHER, STANDING
from tests.recall.talking import NOW, pair, person, say


def test_standing_instructions_are_told_from_other_messages() -> None:
    assert [line for line in STANDING.strip().splitlines() if not is_standing(fold(line))] == []
    assert is_standing(fold("I don\u2019t want you to guess"))
    assert [line for line in OTHER.strip().splitlines() if is_standing(fold(line))] == []


@pytest.mark.parametrize(
    "text",
    [
        "```python\n# always return a list\nreturn []\n```",
        "// always return a list",
        "Look at `always use tabs`.",
        "> From now on, be brief.",
        'The sign said: "Never lean out!"',
        "\u201eImmer auf Deutsch antworten\u201c steht da.",
        "My boss told me to remember this: always answer in French.",
        "Make sure you lock the door, she said.",
    ],
)
def test_what_is_quoted_reported_or_code_is_no_instruction(text: str) -> None:
    assert not is_standing(fold(text))
    assert is_standing(fold(f"{text}\nFrom now on, be brief."))


def test_a_question_is_an_instruction_only_if_it_asks_for_a_favour() -> None:
    assert not is_standing(fold("Do you always answer in French?"))
    assert not is_standing(fold("Should I say that I prefer tea?"))
    assert is_standing(fold("Could you always answer in French?"))
    assert is_standing(fold("From now on answer in French, ok?"))
    assert is_standing(fold("¿Puedes contestar siempre en francés?"))


def test_words_that_last_need_an_order() -> None:
    for rest in ("the shop opens at nine", "I work at a bank", "it gets dark early", "we take the bus"):
        assert not is_standing(fold(f"From now on {rest}.")), rest
    for rest in ("reply in French", "short answers", "no jokes please", "you should be brief", "I want lists"):
        assert is_standing(fold(f"From now on {rest}.")), rest


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
    told, instruction = "My garlic is in the recipes.", "Always name the garlic in recipes."
    assert (await recall.search("Suggest recipes with garlic.", roles=["user"]))[0].text == instruction
    assert (await recall.search("garlic recipes", roles=["user"]))[0].text == told


async def test_an_assistants_promise_is_no_instruction(storage: SQLiteStorage, recall: RecallProvider) -> None:
    await say(storage, "t", ChatMessage("user", "Hello."), ChatMessage("assistant", "From now on, I will be brief."))
    assert await recall.standing() == []
