"""What was recalled is never learnt again: else memories breed memories."""

from __future__ import annotations

import pytest

from recuerda import ChatMessage, FunctionCallContent, FunctionResultContent
from recuerda.agent.chat import ChatRequest
from recuerda.mem0 import Mem0Provider
from recuerda.mem0.texts import Recalled, without_repetitions
from recuerda.testing import ScriptedChatClient
from tests.mem0.threads import assistant, recalled, teach, thread_of, user
from tests.servers.mem0_platform import Mem0Platform

FACT = "I drink green tea without sugar."


def quoting(request: ChatRequest) -> str:
    """Answer as models do that were given memories: repeat them, then say something new."""
    memories = [line[3:-1] for line in request.messages[-2].text.splitlines() if line.startswith("- ")]
    number = len([message for message in request.messages if message.role == "user"])
    return " ".join([*memories, f"Here is recipe {number}."])


async def test_over_many_turns_what_is_recalled_never_reaches_add(platform: Mem0Platform) -> None:
    provider = Mem0Provider(
        api_key=platform.key, host=platform.host, user_id="ada", max_memories=100, max_characters=100_000
    )
    await teach(provider, FACT)
    client = ScriptedChatClient(default=quoting)
    async with client.create_agent(context_providers=provider) as agent:
        for number in range(30):
            await agent.run(f"Which tea do I drink with dish {number}?", thread="t")
            await provider._learning.finish()  # pyright: ignore[reportPrivateUsage] - so that the next turn finds it
    shown = [request.messages[-2].text for request in client.requests]
    assert all(FACT in text for text in shown)
    learnt = [message["content"] for body in platform.added[1:] for message in body["messages"]]
    assert len(learnt) == 60
    assert not [text for text in learnt if "green" in text or "sugar" in text or "Memories" in text]
    assert [memory["memory"] for memory in platform.memories].count(FACT) == 1


async def test_tool_results_system_messages_and_reasoning_are_not_learnt(
    platform: Mem0Platform, provider: Mem0Provider
) -> None:
    request = [ChatMessage("system", "Be brief."), *user("What is in my basket?")]
    response = [
        ChatMessage("assistant", [FunctionCallContent(call_id="1", name="basket", arguments="{}")]),
        ChatMessage("tool", [FunctionResultContent(call_id="1", result="a memory of another user")]),
        ChatMessage("assistant", "Two apples."),
    ]
    await provider.invoked(request, response, thread=thread_of())
    await provider.close()
    assert platform.added[0]["messages"] == [
        {"role": "user", "content": "What is in my basket?"},
        {"role": "assistant", "content": "Two apples."},
    ]


async def test_what_the_user_says_is_learnt_also_when_it_is_known(
    platform: Mem0Platform, provider: Mem0Provider
) -> None:
    thread = thread_of()
    await teach(provider, FACT)
    await recalled(provider, "tea", thread)
    await provider.invoked(user(f"As I said: {FACT}"), assistant("You drink green tea without sugar!"), thread=thread)
    await provider.close()
    assert platform.added[-1]["messages"] == [{"role": "user", "content": f"As I said: {FACT}"}]


async def test_an_answer_to_nothing_that_was_said_is_not_learnt(platform: Mem0Platform, provider: Mem0Provider) -> None:
    await provider.invoked([ChatMessage("system", "Go on.")], assistant("Once upon a time."), thread=thread_of())
    await provider.close()
    assert platform.added == []


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("You drink green tea without sugar.", ""),
        ("Since you drink green tea without sugar, take sencha. It suits the fish.", "It suits the fish."),
        ("Sencha suits the fish.", "Sencha suits the fish."),
        ("You drink green tea without sugar, and your sister brings sencha.", "and your sister brings sencha."),
        ("You drink green tea without sugar, and your PIN is 4711.", "and your PIN is 4711."),
        ("You drink green tea without sugar since 2019.", "You drink green tea without sugar since 2019."),
        ("1) You drink green tea without sugar", ""),
        ("You drink green tea without sugar, in Lima.", "in Lima."),
        ("You drink green tea without sugar, as always.", ""),
        ("I would take tea.", "I would take tea."),
        ("- you like green tea, no sugar\n- rice", "- you like green tea, no sugar\n- rice"),
        ("", ""),
    ],
)
def test_sentences_that_repeat_a_memory_are_left_out(text: str, left: str) -> None:
    assert without_repetitions(text, [Recalled(FACT, None), Recalled("tea", None)]) == left


def test_a_number_is_another_one_if_only_its_beginning_is_known() -> None:
    known = "Your order has the number 60012345."
    assert without_repetitions(known, [Recalled(known, None)]) == ""
    other = "Your order has the number 60019999."
    assert without_repetitions(other, [Recalled(known, None)]) == other


def test_the_day_of_a_memory_is_nothing_new() -> None:
    noted = [Recalled(FACT, "28 May 2026")]
    assert without_repetitions("You drink green tea without sugar, as of 28 May 2026.", noted) == ""
    assert without_repetitions("You drink green tea without sugar, as of 9 May 2026.", noted) == "as of 9 May 2026."


@pytest.mark.parametrize(
    ("memory", "answer"),
    [
        ("Ada likes tea.", "Ada no longer likes tea."),
        ("Ada likes tea.", "Noted: Ada doesn't like tea."),
        ("Ada works at Acme as an engineer.", "Ada does not work at Acme as an engineer any more."),
        ("Ada does not eat any meat.", "Ada does eat any meat."),
        ("Ada vive en Madrid con su hermana.", "Ada ya no vive en Madrid con su hermana."),
        ("Ada hat einen Hund namens Rex.", "Ada hat keinen Hund namens Rex mehr."),
        ("Ada habite à Paris avec son frère.", "Ada n'habite plus à Paris avec son frère."),
        ("Ada's code is A17.", "Ada's code is A18."),
    ],
)
def test_the_opposite_of_a_memory_and_another_code_are_learnt(memory: str, answer: str) -> None:
    assert without_repetitions(answer, [Recalled(memory, None)]).endswith(answer.removeprefix("Noted: "))
    assert without_repetitions(answer, [Recalled(answer, None)]) == ""
    assert without_repetitions(f"I do not know more, but {memory}", [Recalled(memory, None)]) == ""
