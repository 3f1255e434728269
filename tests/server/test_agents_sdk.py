"""OpenAI's Agents SDK: its own session of conversations, and its own model on responses, on this service."""

from __future__ import annotations

from typing import Any

import pytest
from agents import Agent, ModelSettings, OpenAIConversationsSession, OpenAIResponsesModel, Runner, function_tool
from agents.tracing import set_tracing_disabled
from openai import AsyncOpenAI

from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.server.serving import MODEL

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)


@pytest.fixture(autouse=True)
def nothing_is_reported() -> None:
    set_tracing_disabled(True)


@function_tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def agent_on(client: AsyncOpenAI) -> Agent[Any]:
    return Agent(
        name="Doctor",
        instructions="Be short.",
        model=OpenAIResponsesModel(MODEL, client),
        model_settings=ModelSettings(temperature=0),
        tools=[add],
    )


@ON_BOTH
async def test_its_session_remembers(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.extend(["Hello, Will.", "Will."])
    session: Any = OpenAIConversationsSession(openai_client=client)
    agent = agent_on(client)
    assert (await Runner.run(agent, "I am Will.", session=session)).final_output == "Hello, Will."
    again: Any = OpenAIConversationsSession(conversation_id=session.session_id, openai_client=client)
    assert (await Runner.run(agent, "Who am I?", session=again)).final_output == "Will."
    said = [message["content"] for message in model.requests[-1].messages]
    assert said == ["Be short.", "I am Will.", "Hello, Will.", "Who am I?"]
    assert len(await again.get_items()) == 4


@ON_BOTH
async def test_its_session_keeps_tool_calls(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("add", {"a": 3, "b": 4})]
    model.script.extend([Reply("Adding.", tool_calls=calls), "3 and 7.", "Yes."])
    session: Any = OpenAIConversationsSession(openai_client=client)
    agent = agent_on(client)
    assert (await Runner.run(agent, "Add 1 2 and 3 4.", session=session)).final_output == "3 and 7."
    assert (await Runner.run(agent, "Sure?", session=session)).final_output == "Yes."
    roles = [message["role"] for message in model.requests[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "tool", "assistant", "user"]


async def test_items_are_added_read_popped_and_cleared(client: AsyncOpenAI) -> None:
    session: Any = OpenAIConversationsSession(openai_client=client)
    await session.add_items([{"role": "user", "content": f"{number}"} for number in range(45)])
    texts = [text_of(item) for item in await session.get_items()]
    assert texts == [f"{number}" for number in range(45)]
    assert [text_of(item) for item in await session.get_items(limit=30)] == texts[15:]
    assert text_of(await session.pop_item()) == "44"
    assert text_of(await session.pop_item()) == "43"
    assert len(await session.get_items()) == 43
    await session.clear_session()
    assert await session.get_items() == []


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_the_server_keeps_the_history_of_its_agents(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    model.script.extend([Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2})]), "3.", "Yes."])
    agent = agent_on(client)
    conversation = (await client.conversations.create()).id
    for text, answer in (("1 + 2?", "3."), ("Sure?", "Yes.")):
        if is_streamed:
            run = Runner.run_streamed(agent, text, conversation_id=conversation)
            async for _ in run.stream_events():
                pass
            assert run.final_output == answer
        else:
            assert (await Runner.run(agent, text, conversation_id=conversation)).final_output == answer
    roles = [message["role"] for message in model.requests[-1].messages]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "user"]


async def test_its_chains_go_on(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.extend(["Hello, Will.", "Will."])
    agent = agent_on(client)
    first = await Runner.run(agent, "I am Will.")
    second = await Runner.run(agent, "Who am I?", previous_response_id=first.last_response_id)
    assert second.final_output == "Will."
    assert len(model.requests[-1].messages) == 4


def text_of(item: Any) -> str:
    return item["content"][0]["text"]
