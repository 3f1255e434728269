"""Several agents and several people in one thread can be told apart."""

from typing import Any, cast

import pytest

from recuerda import ChatMessage, ConfigurationError, Storage
from recuerda.agent.chat import ChatRequest
from recuerda.openai.responses_call import response_arguments
from recuerda.openai.wire import wire_messages
from recuerda.recall import RecallProvider
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import answered


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_an_agents_name_stands_on_its_messages(storage: Storage, *, is_streamed: bool) -> None:
    def look() -> str:
        return "a cat"

    triage = ScriptedChatClient([call("look"), "Ask Refunds."]).create_agent("Triage", storage=storage, tools=[look])
    reply = await answered(triage, "Who are you?", is_streamed=is_streamed, thread="t")
    await ScriptedChatClient(["I am Refunds."]).create_agent("Refunds", storage=storage).run("And you?", thread="t")
    await ScriptedChatClient(["I have none."]).create_agent(storage=storage).run("And you?", thread="t")
    stored = await triage.get_thread("t").list_messages()
    speakers = [message.author_name for message in stored if message.role == "assistant"]
    assert speakers == ["Triage", "Triage", "Refunds", None]
    assert reply.messages == tuple(stored[1:4])


async def test_the_updates_of_a_stream_name_the_agent() -> None:
    agent = ScriptedChatClient(["Hello there."]).create_agent("Triage", storage="memory:")
    for _ in range(2):  # the second time is a replay
        names = [update.author_name async for update in agent.run_stream("hi", thread="t", turn_id="r1")]
        assert set(names) == {"Triage"}


def test_a_name_must_be_a_text() -> None:
    with pytest.raises(ConfigurationError, match="name must be a str"):
        ScriptedChatClient([]).create_agent(cast("Any", 5))


SAID = (
    ChatMessage("user", "Hi.", author_name="Ana  María"),
    ChatMessage("assistant", "I am Triage.", author_name="Triage"),
    ChatMessage("assistant", "I am Refunds.", author_name="Refunds"),
    ChatMessage("user", "Thanks."),
)


def test_chat_completions_name_each_speaker_but_the_agent_that_asks() -> None:
    names = [message.get("name") for message in wire_messages(SAID, agent_name="Refunds")]
    assert names == ["Ana_María", "Triage", None, None]


def test_a_request_of_responses_begins_each_text_with_its_speaker() -> None:
    def sent(*, is_temporary: bool) -> list[str]:
        request = ChatRequest(messages=SAID, agent_name="Refunds", is_temporary=is_temporary)
        arguments = response_arguments(request, model_id="m", store=False, service_thread_id=None)
        contents = [item["content"] for item in arguments["input"]]
        return [content if isinstance(content, str) else content[0]["text"] for content in contents]

    assert sent(is_temporary=True) == ["[Ana María] Hi.", "[Triage] I am Triage.", "I am Refunds.", "Thanks."]
    assert sent(is_temporary=False) == ["Hi.", "I am Triage.", "I am Refunds.", "Thanks."]


async def test_recall_says_which_agent_said_it() -> None:
    recall = RecallProvider(user_id="ana")
    client = ScriptedChatClient(["The boiler is a Vaillant."])
    async with client.create_agent("Plumber", storage="memory:", context_providers=[recall]) as agent:
        await agent.run("Which boiler do I have?", thread=agent.get_thread("t", user_id="ana"))
        found = await recall.search("Vaillant boiler")
    assert ("Plumber", "The boiler is a Vaillant.") in [(memory.speaker, memory.text) for memory in found]
