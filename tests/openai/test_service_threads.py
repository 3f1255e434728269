"""Agents whose service keeps the threads: the same story as with a store, and the same promise of whole turns."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from typing import Any

import pytest

from recuerda import (
    Agent,
    AgentThread,
    ChatClientError,
    ChatMessage,
    ChatMessageStore,
    ConfigurationError,
    Context,
    ContextProvider,
    MemoryStorage,
    RunLimitError,
    ServiceThreadNotFound,
    ThreadDiverged,
    ThreadOwnershipError,
)
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing.openai_server import Dropped, Failure, RecordedRequest, Reply, ScriptedOpenAIServer, ToolCall
from tests.openai.service import WAYS, client_of, kept, until

KINDS = pytest.mark.parametrize("kind", ["conversation", "response"])
ADD = Reply("Let me see", reasoning="hm", tool_calls=[ToolCall("add", {"a": 1}), ToolCall("add", {"a": 2})])


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


class Mood(ContextProvider):
    """Says something that is sent with every call, and never kept."""

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread | None = None) -> Context:
        return Context(instructions="It is raining.", messages=[ChatMessage("user", "A reminder")])


async def say(agent: Agent, text: str, thread: AgentThread | None, *, is_streamed: bool = False) -> str:
    if not is_streamed:
        return (await agent.run(text, thread=thread)).text
    return "".join([update.text async for update in agent.run_stream(text, thread=thread)])


def asked(server: ScriptedOpenAIServer) -> list[RecordedRequest]:
    return [request for request in server.requests if request.method == "POST" and request.path == "/v1/responses"]


@WAYS
@KINDS
async def test_a_conversation_with_tools_survives_a_restart_by_its_reference_alone(
    server: ScriptedOpenAIServer, kind: Any, is_streamed: bool
) -> None:
    server.script.extend(["Hello Riker", ADD, "It is 3.", "You are Riker"])
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent("Doctor", "Be brief.", tools=[add])
        thread = agent.get_new_thread()
        assert thread.service_thread_id is None
        await say(agent, "I am Riker", thread, is_streamed=is_streamed)
        assert thread.service_thread_id
        await say(agent, "1 + 2?", thread, is_streamed=is_streamed)
        state = json.dumps(await thread.serialize())
    assert "Riker" not in state
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent("Doctor", "Be brief.", tools=[add])
        thread = await agent.deserialize_thread(json.loads(state))
        assert (await say(agent, "Who am I?", thread, is_streamed=is_streamed)).endswith("You are Riker")
        read = await client.read_thread(thread.service_thread_id or "")
    assert [len(request.messages) for request in asked(server)] == [1, 1, 2, 1]
    assert [request.body["instructions"] for request in asked(server)] == ["Be brief."] * 4
    assert [message.role for message in read] == [
        "user", "assistant", "user", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip


async def test_a_thread_that_exists_at_the_service_is_gone_on_with(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append("Still here")
    known = await responses.create_thread([ChatMessage("user", "Hello"), ChatMessage("assistant", "Hello!")])
    agent = responses.create_agent()
    thread = agent.get_new_thread(service_thread_id=known)
    assert await say(agent, "There?", thread) == "Still here"
    assert thread.service_thread_id == known
    assert kept(server, known) == ["Hello", "Hello!", "There?", "Still here"]


@KINDS
async def test_what_providers_bring_is_sent_and_never_kept(server: ScriptedOpenAIServer, kind: Any) -> None:
    server.script.append("Hello")
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent(instructions="Be brief.", context_providers=[Mood()])
        thread = agent.get_new_thread()
        await say(agent, "Hi", thread)
        read = await client.read_thread(thread.service_thread_id or "")
    assert [message.text for message in read] == ["Hi", "Hello"]
    assert "It is raining." in str(asked(server)[0].body["instructions"])


FAULTS = pytest.mark.parametrize(
    "fault",
    [Failure(500), Dropped(), Dropped(after_chunks=5), Dropped(after_chunks=5, is_kept=True)],
    ids=["500", "dropped", "cut", "cut and kept"],
)


@FAULTS
@WAYS
@KINDS
async def test_a_turn_that_fails_after_its_first_call_leaves_the_thread_whole(
    server: ScriptedOpenAIServer, fault: Any, kind: Any, is_streamed: bool
) -> None:
    server.script.extend(["Hello", ADD, fault, "Fine"])
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent(tools=[add])
        thread = agent.get_new_thread()
        await say(agent, "Hi", thread)
        known = thread.service_thread_id
        with pytest.raises(ChatClientError):
            await say(agent, "1 + 2?", thread, is_streamed=is_streamed)
        assert thread.service_thread_id == known
        assert await say(agent, "How are you?", thread) == "Fine"
        read = await client.read_thread(thread.service_thread_id or "")
    assert [message.text for message in read] == ["Hi", "Hello", "How are you?", "Fine"]


@pytest.mark.parametrize("is_kept", [False, True], ids=["lost", "kept by the service"])
@pytest.mark.parametrize("call", [1, 2], ids=["first call", "second call"])
async def test_a_stream_that_is_cut_anywhere_leaves_the_thread_whole(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, call: int, is_kept: bool
) -> None:
    server.script.append("Hello")
    agent = responses.create_agent(tools=[add])
    thread = agent.get_new_thread()
    await say(agent, "Hi", thread)
    replies = [ADD, Reply("It is 3.", reasoning="sum")]
    for place in range(24):
        server.script.extend(replies[: call - 1])
        server.script.append(Dropped(after_chunks=place, reply=replies[call - 1], is_kept=is_kept))
        with pytest.raises(ChatClientError):
            await say(agent, "1 + 2?", thread, is_streamed=True)
        if place or call > 1 or not is_kept:  # else nobody can know of the answer yet
            assert kept(server, thread.service_thread_id) == ["Hi", "Hello"], place
        server.script.append("Fine")
        assert await say(agent, "How are you?", thread) == "Fine"
        assert kept(server, thread.service_thread_id) == ["Hi", "Hello", "How are you?", "Fine"], place
        del server.threads.conversations[thread.service_thread_id or ""].items[2:]


async def test_a_stream_that_is_closed_anywhere_leaves_the_thread_whole(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append("Hello")
    agent = responses.create_agent(tools=[add])
    thread = agent.get_new_thread()
    await say(agent, "Hi", thread)
    for place in range(1, 20):
        server.script.extend([ADD, Reply("It is 3.", reasoning="sum")])
        seen = 0
        async with aclosing(agent.run_stream("1 + 2?", thread=thread)) as stream:
            async for _ in stream:
                seen += 1
                if seen == place:
                    break
        if seen < place:
            return
        assert kept(server, thread.service_thread_id) == ["Hi", "Hello"], place
        server.script.clear()
    raise AssertionError("the stream was never read to its end")


async def test_a_first_turn_that_fails_leaves_a_new_thread_and_no_conversation(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend([ADD, Failure(500), "Fine"])
    agent = responses.create_agent(tools=[add])
    thread = agent.get_new_thread()
    with pytest.raises(ChatClientError):
        await say(agent, "1 + 2?", thread)
    assert thread.service_thread_id is None
    assert server.threads.conversations == {}
    assert await say(agent, "How are you?", thread) == "Fine"
    assert kept(server, thread.service_thread_id) == ["How are you?", "Fine"]


async def test_a_turn_that_calls_without_end_is_taken_back(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append("Hello")
    agent = responses.create_agent(tools=[add], max_tool_rounds=2)
    thread = agent.get_new_thread()
    await say(agent, "Hi", thread)
    server.default = ADD
    with pytest.raises(RunLimitError):
        await say(agent, "1 + 2?", thread)
    assert kept(server, thread.service_thread_id) == ["Hi", "Hello"]


async def test_a_cancelled_run_leaves_the_thread_whole(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", ADD, Reply("Late", delay_s=30), "Fine"])
    agent = responses.create_agent(tools=[add])
    thread = agent.get_new_thread()
    await say(agent, "Hi", thread)
    run = asyncio.ensure_future(say(agent, "1 + 2?", thread))
    await until(lambda: len(asked(server)) == 3)
    run.cancel()
    with pytest.raises(asyncio.CancelledError):
        await run
    assert kept(server, thread.service_thread_id) == ["Hi", "Hello"]
    assert await say(agent, "How are you?", thread) == "Fine"


async def test_a_stream_that_is_closed_early_leaves_the_thread_whole(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    story = Reply("A story that is long enough to be cut into pieces.", chunk_delay_s=0.05)
    server.script.extend(["Hello", ADD, story, "Fine"])
    agent = responses.create_agent(tools=[add])
    thread = agent.get_new_thread()
    await say(agent, "Hi", thread)
    async with aclosing(agent.run_stream("1 + 2, and a story?", thread=thread)) as stream:
        async for update in stream:
            if "A stor" in update.text:
                break
    assert kept(server, thread.service_thread_id) == ["Hi", "Hello"]
    assert await say(agent, "How are you?", thread) == "Fine"


@KINDS
async def test_a_reference_that_the_service_forgot_is_a_clear_error(server: ScriptedOpenAIServer, kind: Any) -> None:
    server.script.extend(["Hello", "Never"])
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent()
        thread = agent.get_new_thread()
        await say(agent, "Hi", thread)
        server.threads.forget()
        with pytest.raises(ServiceThreadNotFound, match="Start a new thread"):
            await say(agent, "Still there?", thread)
    assert len(server.script) == 1


async def test_two_owners_are_refused_before_anything_is_paid_for(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, client: OpenAIChatClient
) -> None:
    with pytest.raises(ThreadOwnershipError):
        AgentThread(message_store=ChatMessageStore(), service_thread_id="conv_1")
    with pytest.raises(ThreadOwnershipError):
        AgentThread(service_thread_id="conv_1").message_store = ChatMessageStore()
    with pytest.raises(ThreadOwnershipError):
        client.create_agent().get_new_thread(service_thread_id="conv_1")
    with pytest.raises(ThreadOwnershipError):
        await client.create_agent().run("Hi", thread=AgentThread(service_thread_id="conv_1"))
    with pytest.raises(ConfigurationError, match="mirror="):
        responses.create_agent(storage=MemoryStorage())
    assert server.requests == []


async def test_a_run_without_a_thread_leaves_nothing_at_the_service(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend([ADD, "It is 3."])
    agent = responses.create_agent(tools=[add])
    assert (await agent.run("1 + 2?")).text == "It is 3."
    assert [request.body["store"] for request in server.requests] == [False, False]
    assert server.threads.conversations == server.threads.responses == {}


@WAYS
async def test_a_service_that_keeps_nothing_has_threads_on_a_storage(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend([ADD, Reply("It is 3.", reasoning="sum"), "You're welcome"])
    storage = MemoryStorage()
    agent = local.create_agent(storage=storage, tools=[add])
    await say(agent, "1 + 2?", agent.get_thread("sums"), is_streamed=is_streamed)
    again = local.create_agent(storage=storage, tools=[add])
    await say(again, "Thanks", again.get_thread("sums"), is_streamed=is_streamed)
    assert [item.get("type", "message") for item in asked(server)[2].messages] == [
        "message", "reasoning", "message", "function_call", "function_call",
        "function_call_output", "function_call_output", "reasoning", "message", "message",
    ]  # fmt: skip


async def test_a_thread_of_chat_completions_goes_on_with_responses(
    server: ScriptedOpenAIServer, client: OpenAIChatClient, local: OpenAIResponsesClient
) -> None:
    server.script.extend([Reply(reasoning="hm", tool_calls=[ToolCall("add", {"a": 1})]), "It is 3.", ADD, "Yes", "Bye"])
    storage = MemoryStorage()
    for speaker in (client, local, client):
        agent = speaker.create_agent(storage=storage, tools=[add])
        await say(agent, "1 + 2?", agent.get_thread("sums"))
    assert len(server.requests) == 5


@KINDS
async def test_a_mirror_holds_what_the_service_holds_and_goes_on_without_it(
    server: ScriptedOpenAIServer, kind: Any
) -> None:
    server.script.extend(["Hello Riker", ADD, "It is 3.", "You are Riker"])
    storage = MemoryStorage()
    async with client_of(server, threads=kind) as client:
        agent = client.create_agent(tools=[add], mirror=storage)
        thread = agent.get_thread("riker")
        await say(agent, "I am Riker", thread)
        await say(agent, "1 + 2?", thread)
        assert await thread.verify_mirror(client) == 0
        # Another process finds its way by the name, and asks the service only for what is newest.
        again = client.create_agent(tools=[add], mirror=storage).get_thread("riker")
        server.threads.forget()
        with pytest.raises(ServiceThreadNotFound, match=r"thread\.detach"):
            await say(agent, "Who am I?", again)
        await again.detach()
    async with client_of(server, store=False) as client:
        local = client.create_agent(tools=[add], storage=storage)
        assert await say(local, "Who am I?", local.get_thread("riker")) == "You are Riker"
    assert len(asked(server)[-1].messages) == 10


async def test_what_others_added_to_a_conversation_is_told_and_can_be_taken_over(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", "Hello you"])
    storage = MemoryStorage()
    thread = responses.create_agent(mirror=storage).get_thread("shared")
    await say(responses.create_agent(mirror=storage), "Hi", thread)
    elsewhere = responses.create_agent()
    await say(elsewhere, "Hi, too", elsewhere.get_new_thread(service_thread_id=thread.service_thread_id))
    agent = responses.create_agent(mirror=storage)
    again = agent.get_thread("shared")
    with pytest.raises(ThreadDiverged):
        await say(agent, "What now?", again)
    assert await again.update_mirror(responses) == 2
    server.script.append("On we go")
    assert await say(agent, "What now?", again) == "On we go"


@KINDS
async def test_a_local_thread_is_handed_over_to_the_service(server: ScriptedOpenAIServer, kind: Any) -> None:
    server.script.extend([ADD, "It is 3.", "You're welcome"])
    storage = MemoryStorage()
    async with client_of(server, store=False) as client:
        agent = client.create_agent(storage=storage, tools=[add])
        thread = agent.get_thread("sums")
        await say(agent, "1 + 2?", thread)
    async with client_of(server, threads=kind) as client:
        assert (await thread.attach(client)).startswith("conv_")
        agent = client.create_agent(mirror=storage, tools=[add])
        assert await say(agent, "Thanks", agent.get_thread("sums")) == "You're welcome"
        read = await client.read_thread(thread.service_thread_id or "")
    assert [message.role for message in read] == ["user", "assistant", "tool", "assistant", "user", "assistant"]
    assert len(asked(server)[-1].messages) == 1
