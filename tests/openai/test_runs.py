"""Agents that speak to a service over HTTP and remember in SQLite."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from itertools import pairwise
from pathlib import Path

import pytest

from recuerda import Agent, AgentThread, ChatClientError, ChatMessage, DataContent, Storage, open_storage
from recuerda.openai import OpenAIChatClient
from recuerda.testing.openai_server import Dropped, Failure, RecordedRequest, Reply, ScriptedOpenAIServer, ToolCall

WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
TEXT = Reply("A story that is long enough to be cut into pieces.", chunk_delay_s=0.02)


def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b}


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_storage(f"sqlite:///{tmp_path}/memory.db") as storage:
        yield storage


@pytest.fixture
def agent(client: OpenAIChatClient, storage: Storage) -> Agent:
    return client.create_agent("Doctor", "Be brief.", storage=storage, tools=[add])


async def say(agent: Agent, text: str | ChatMessage, thread: AgentThread | str, *, is_streamed: bool) -> str:
    if not is_streamed:
        return (await agent.run(text, thread=thread)).text
    return "".join([update.text async for update in agent.run_stream(text, thread=thread)])


async def messages(agent: Agent, thread_id: str) -> list[ChatMessage]:
    store = agent.get_thread(thread_id).message_store
    assert store is not None
    return list(await store.list_messages())


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110 - the server lives in another thread
            await asyncio.sleep(0.01)


def connections(server: ScriptedOpenAIServer) -> int:
    running = server._running  # pyright: ignore[reportPrivateUsage] - there is no other way to see them
    return 0 if running is None else len(running.server.server_state.connections)


def echo(request: RecordedRequest) -> str:
    return f"You said: {request.last_text}"


def slow_echo(request: RecordedRequest) -> Reply:
    return Reply(echo(request), delay_s=0.5)


@WAYS
async def test_a_thread_is_sent_again_with_every_run(
    agent: Agent, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.default = echo
    assert await say(agent, "My name is Riker.", "riker", is_streamed=is_streamed) == "You said: My name is Riker."
    assert await say(agent, "What is my name?", "riker", is_streamed=is_streamed) == "You said: What is my name?"
    assert server.requests[1].messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "My name is Riker."},
        {"role": "assistant", "content": "You said: My name is Riker."},
        {"role": "user", "content": "What is my name?"},
    ]


@WAYS
async def test_tools_are_called_and_their_turn_is_remembered_whole(
    agent: Agent, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    calls = [ToolCall("add", {"a": 1, "b": 2}), ToolCall("add", {"a": "x"}), ToolCall("functions.sub")]
    server.script.extend([Reply("Let me see.", tool_calls=calls), "It is 3.", "You're welcome."])
    assert (await say(agent, "1 + 2?", "sums", is_streamed=is_streamed)).endswith("It is 3.")
    await say(agent, "Thanks", "sums", is_streamed=is_streamed)
    assert [message.role for message in await messages(agent, "sums")] == [
        "user", "assistant", "tool", "assistant", "user", "assistant",
    ]  # fmt: skip
    results = [str(message["content"]) for message in server.requests[1].messages if message["role"] == "tool"]
    assert results[0] == '{"sum":3}'
    assert all(result.startswith("Error: ") for result in results[1:])


@WAYS
async def test_what_was_sent_is_sent_again_byte_for_byte(
    agent: Agent, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.extend([
        Reply(tool_calls=[ToolCall("add", '{"b" : 2,\n "a":1}'), ToolCall("add", {"a": 1})]),
        Reply("It is 3. ¿Sí? 😀"),
        Reply(refusal="No."),
        "Good.",
    ])  # fmt: skip
    image = ChatMessage("user", ["Add what you see", DataContent(bytes(range(256)), "image/png")], author_name="Ana B")
    await say(agent, image, "cache", is_streamed=is_streamed)
    await say(agent, "And now?", "cache", is_streamed=is_streamed)
    await say(agent, "Well?", "cache", is_streamed=is_streamed)
    sent = [request.messages for request in server.requests]
    assert len(sent) == 4
    for earlier, later in pairwise(sent):
        assert str(later[: len(earlier)]) == str(earlier)


@WAYS
async def test_a_failed_call_leaves_the_thread_as_it_was(
    agent: Agent, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.extend(["One", Reply(tool_calls=[ToolCall("add", {"a": 1, "b": 2})]), Failure(400, "No"), "Two"])
    await say(agent, "First", "t", is_streamed=is_streamed)
    with pytest.raises(ChatClientError):
        await say(agent, "Second", "t", is_streamed=is_streamed)
    assert [message.text for message in await messages(agent, "t")] == ["First", "One"]
    assert await say(agent, "Third", "t", is_streamed=is_streamed) == "Two"


async def test_a_stream_that_breaks_is_never_half_remembered(agent: Agent, server: ScriptedOpenAIServer) -> None:
    server.script.append(Dropped(after_chunks=4, reply=TEXT))
    with pytest.raises(ChatClientError):
        await say(agent, "Tell me", "t", is_streamed=True)
    assert await messages(agent, "t") == []


@WAYS
async def test_a_cancelled_run_closes_its_connection_and_leaves_the_thread_as_it_was(
    agent: Agent, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply("Late", delay_s=30))
    running = asyncio.ensure_future(say(agent, "Hello?", "t", is_streamed=is_streamed))
    await until(lambda: server.requests)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    await until(lambda: not connections(server))
    assert await messages(agent, "t") == []


async def test_closing_a_stream_early_closes_its_connection_and_leaves_the_thread_as_it_was(
    agent: Agent, server: ScriptedOpenAIServer
) -> None:
    server.script.append(TEXT)
    async with agent.run_stream("Tell me", thread="t") as stream:
        async for update in stream:
            if update.text:
                break
    await until(lambda: not connections(server))
    assert await messages(agent, "t") == []


async def test_runs_on_several_threads_go_side_by_side(agent: Agent, server: ScriptedOpenAIServer) -> None:
    server.default = slow_echo
    running = asyncio.gather(*(say(agent, f"Number {i}", f"t{i}", is_streamed=i > 0) for i in range(3)))
    await until(lambda: len(server.requests) == 3)
    assert not running.done()
    assert await running == [f"You said: Number {i}" for i in range(3)]


# Several event loops


async def test_one_client_serves_several_event_loops(client: OpenAIChatClient, server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    agent = client.create_agent()
    await agent.run("Hello")
    texts = [(await asyncio.to_thread(agent.run_sync, "Hello")).text for _ in range(2)]
    await agent.run("Hello")
    assert texts == ["Hi", "Hi"]
    assert connections(server) == 2
    await client.close()
    await until(lambda: not connections(server))


def test_connections_end_with_their_event_loop(server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    client = OpenAIChatClient(model_id="m", base_url=server.base_url)
    agent = client.create_agent()
    for _ in range(2):
        assert asyncio.run(agent.run("Hello")).text == "Hi"
        asyncio.run(until(lambda: not connections(server)))


async def test_connections_end_with_a_client_that_nobody_holds(server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    await OpenAIChatClient(model_id="m", base_url=server.base_url).create_agent().run("Hello")
    await until(lambda: not connections(server))
