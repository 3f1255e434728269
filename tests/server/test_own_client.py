"""recuerda's own client for services that keep the history, against recuerda's own service."""

from __future__ import annotations

import pytest

from recuerda.openai import OpenAIResponsesClient
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.server.serving import MODEL


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_an_agent_whose_history_the_service_keeps_remembers(
    service: str, model: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    model.script.extend(["Hello, Will.", Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2})]), "3, Will."])
    async with OpenAIResponsesClient(model_id=MODEL, base_url=f"{service}/v1", api_key="none") as client:
        agent = client.create_agent(instructions="Be short.", tools=[add])
        thread = agent.get_new_thread()
        for text, answer in (("I am Will.", "Hello, Will."), ("1 + 2?", "3, Will.")):
            if is_streamed:
                shown = "".join([update.text async for update in agent.run_stream(text, thread=thread)])
            else:
                shown = (await agent.run(text, thread=thread)).text
            assert shown == answer
        assert thread.service_thread_id is not None
        again = await agent.deserialize_thread(await thread.serialize())
        model.script.append("Will.")
        assert (await agent.run("Who am I?", thread=again)).text == "Will."
    roles = [message["role"] for message in model.requests[-1].messages]
    assert roles == ["system", "user", "assistant", "user", "assistant", "tool", "assistant", "user"]
