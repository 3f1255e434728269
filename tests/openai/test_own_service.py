"""Agents whose threads `recuerda serve` keeps: the service of one's own, in front of a model without a memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from recuerda import ChatClientError, ChatMessage, ChatRequest, ServiceThreadNotFound, open_storage
from recuerda.openai import OpenAIResponsesClient
from recuerda.testing.openai_server import Dropped, Failure, Reply, ScriptedOpenAIServer, ToolCall
from tests.openai.service import KINDS, WAYS
from tests.server.serving import running

ADD = Reply("Let me see", tool_calls=[ToolCall("add", {"a": 1})])


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


@pytest.fixture
async def url(server: ScriptedOpenAIServer, tmp_path: Path) -> AsyncIterator[str]:
    async with open_storage(f"sqlite:///{tmp_path}/memory.db") as storage, running(storage, server.base_url) as url:
        yield url


def client_at(url: str, **settings: Any) -> OpenAIResponsesClient:
    return OpenAIResponsesClient(model_id="m", api_key="k", base_url=f"{url}/v1", max_retries=0, **settings)


@WAYS
@KINDS
async def test_a_thread_goes_on_and_stays_whole(
    server: ScriptedOpenAIServer, url: str, kind: Any, is_streamed: bool
) -> None:
    server.script.extend(["Hello Riker", ADD, "It is 3.", ADD, Failure(500), "Riker"])
    async with client_at(url, threads=kind) as client:
        agent = client.create_agent("Doctor", "Be brief.", tools=[add])
        thread = agent.get_new_thread()

        async def say(text: str) -> str:
            if is_streamed:
                return "".join([update.text async for update in agent.run_stream(text, thread=thread)])
            return (await agent.run(text, thread=thread)).text

        await say("I am Riker")
        await say("1 + 2?")
        with pytest.raises(ChatClientError):
            await say("And again?")
        assert await say("Who am I?") == "Riker"
        read = await client.read_thread(thread.service_thread_id or "")
        assert [message.text for message in read] == [
            "I am Riker", "Hello Riker", "1 + 2?", "Let me see", "", "It is 3.", "Who am I?", "Riker",
        ]  # fmt: skip
        assert await client.newest_message_id(thread.service_thread_id or "") == read[-1].message_id


@KINDS
async def test_a_deleted_thread_is_unknown(server: ScriptedOpenAIServer, url: str, kind: Any) -> None:
    server.script.append("Hello")
    async with client_at(url, threads=kind) as client:
        agent = client.create_agent()
        thread = agent.get_new_thread()
        await agent.run("Hi", thread=thread)
        assert await client.delete_thread(thread.service_thread_id or "")
        with pytest.raises(ServiceThreadNotFound):
            await agent.run("Hi", thread=thread)
        assert not await client.delete_thread(thread.service_thread_id or "")


@pytest.mark.parametrize("fault", [Dropped(after_chunks=3), Failure(500)], ids=["cut", "500"])
async def test_a_stream_that_breaks_leaves_nothing(server: ScriptedOpenAIServer, url: str, fault: Any) -> None:
    server.script.extend(["Hello", fault])
    async with client_at(url) as client:
        agent = client.create_agent()
        thread = agent.get_new_thread()
        await agent.run("Hi", thread=thread)
        with pytest.raises(ChatClientError):
            async for _ in agent.run_stream("More", thread=thread):
                pass
        assert [message.text for message in await client.read_thread(thread.service_thread_id or "")] == ["Hi", "Hello"]


async def test_half_a_turn_of_a_process_that_died_is_mended(server: ScriptedOpenAIServer, url: str) -> None:
    server.script.extend(["Hello", ADD, "Fine"])
    async with client_at(url) as client:
        agent = client.create_agent(tools=[add])
        thread = agent.get_new_thread()
        await agent.run("Hi", thread=thread)
        half = ChatRequest(messages=[ChatMessage("user", "1 + 2?")], service_thread_id=thread.service_thread_id)
        await client.respond(half)
        assert (await agent.run("How are you?", thread=thread)).text == "Fine"
        read = await client.read_thread(thread.service_thread_id or "")
        assert [message.text for message in read] == ["Hi", "Hello", "How are you?", "Fine"]


async def test_a_local_history_is_handed_over(server: ScriptedOpenAIServer, url: str) -> None:
    server.script.append("Still here")
    history = [ChatMessage(role, f"{role} {number}") for number in range(25) for role in ("user", "assistant")]
    async with client_at(url) as client:
        known = await client.create_thread(history)
        agent = client.create_agent()
        await agent.run("There?", thread=agent.get_new_thread(service_thread_id=known))
        assert len(await client.read_thread(known)) == 52
