"""A streamed run: its pieces, its end, and what becomes of it when it is left early."""

import asyncio
import gc
import warnings

import pytest

from recuerda import (
    AgentResponseStream,
    ConfigurationError,
    FunctionCallContent,
    FunctionResultContent,
    InvalidInput,
    Storage,
    Usage,
)
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.agent.recording import Recorder
from tests.conversation import answered, texts


async def said(storage: Storage) -> list[str]:
    return texts(await ScriptedChatClient().create_agent(storage=storage).get_thread("t").list_messages())


async def test_the_pieces_make_up_the_answer(storage: Storage) -> None:
    client = ScriptedChatClient(["The answer is  42.\n"], usage=Usage(1, 2, 3))
    stream = client.create_agent(storage=storage).run_stream("hi", thread="t")
    pieces = [update.text async for update in stream]
    assert len(pieces) > 3
    assert "".join(pieces) == stream.response.text == "The answer is  42.\n"
    assert stream.response.usage == Usage(1, 2, 3)
    assert await said(storage) == ["hi", "The answer is  42.\n"]


async def test_a_streamed_turn_is_stored_like_any_other(storage: Storage) -> None:
    def f(x: int) -> int:
        return x + 1

    turns: list[object] = []
    for is_streamed in (False, True):
        agent = ScriptedChatClient([call("f", {"x": 1}), "It is two."]).create_agent(storage=storage, tools=f)
        thread = agent.get_new_thread()
        await answered(agent, "hi", is_streamed=is_streamed, thread=thread.id)
        turns.append(await thread.list_messages())
    assert turns[0] == turns[1]


async def test_calls_and_results_are_pieces_without_text() -> None:
    def f() -> str:
        return "result"

    agent = ScriptedChatClient([call("f"), "done"]).create_agent(tools=f)
    updates = [update async for update in agent.run_stream("hi")]
    assert [(update.role, type(update.contents[0]), update.text) for update in updates[:2]] == [
        ("assistant", FunctionCallContent, ""),
        ("tool", FunctionResultContent, ""),
    ]
    assert "".join(update.text for update in updates) == "done"


async def test_the_turn_is_committed_before_the_stream_ends(storage: Storage) -> None:
    stream = ScriptedChatClient(["one two"]).create_agent(storage=storage).run_stream("hi", thread="t")
    assert (await anext(stream)).text == "one"
    assert await said(storage) == []
    assert (await anext(stream)).text == " two"
    with pytest.raises(StopAsyncIteration):
        await anext(stream)
    assert await said(storage) == ["hi", "one two"]


async def test_there_is_no_response_before_the_end() -> None:
    stream = ScriptedChatClient(["one two"]).create_agent().run_stream("hi")
    with pytest.raises(InvalidInput, match="not ended"):
        _ = stream.response
    await anext(stream)
    with pytest.raises(InvalidInput, match="not ended"):
        _ = stream.response
    await stream.aclose()
    with pytest.raises(InvalidInput, match="not ended"):
        _ = stream.response


async def test_a_stream_that_is_closed_early_is_cancelled(storage: Storage) -> None:
    provider = Recorder()
    agent = ScriptedChatClient(["one two", "ok"]).create_agent(storage=storage, context_providers=provider)
    async with agent.run_stream("hi", thread="t") as stream:
        await anext(stream)
    assert provider.events == ["p.invoking:hi", "p.invoked:GeneratorExit"]
    assert await said(storage) == []
    await agent.run("again", thread="t")
    assert await said(storage) == ["again", "ok"]


async def test_closing_a_stream_that_has_ended_changes_nothing(storage: Storage) -> None:
    async with ScriptedChatClient(["ok"]).create_agent(storage=storage).run_stream("hi", thread="t") as stream:
        async for _ in stream:
            pass
    await stream.aclose()
    assert stream.response.text == "ok"
    assert await said(storage) == ["hi", "ok"]


async def test_a_stream_that_is_never_started_does_nothing(storage: Storage) -> None:
    client, provider = ScriptedChatClient(["never"]), Recorder()
    agent = client.create_agent(storage=storage, context_providers=provider)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        stream = agent.run_stream("hi", thread="t")
        await stream.aclose()
        del stream
        agent.run_stream("hi", thread="t")
        gc.collect()
    assert (client.requests, provider.events, await said(storage)) == ([], [], [])


async def first_piece(stream: AgentResponseStream) -> str:
    async for update in stream:
        return update.text
    return ""


async def test_the_next_run_waits_for_a_stream_whose_loop_was_left(storage: Storage) -> None:
    agent = ScriptedChatClient(["one two", "ok"]).create_agent(storage=storage)
    async for _ in agent.run_stream("left", thread="t"):
        break
    await agent.run("next", thread="t")
    assert (
        await first_piece(ScriptedChatClient(["x y"]).create_agent(storage=storage).run_stream("?", thread="t")) == "x"
    )
    assert await said(storage) == ["next", "ok"]


async def test_a_run_inside_the_loop_of_a_stream_on_its_thread_is_refused(storage: Storage) -> None:
    agent = ScriptedChatClient(["one two", "other"]).create_agent(storage=storage)
    async with agent.run_stream("hi", thread="t") as stream:
        async for _ in stream:
            assert (await agent.run("fine", thread="elsewhere")).text == "other"
            with pytest.raises(ConfigurationError, match="inside another run of the same thread"):
                await agent.run("not fine", thread="t")
            break
    assert await said(storage) == []


async def test_another_task_waits_for_a_stream(storage: Storage) -> None:
    client = ScriptedChatClient(["one two", "ok"])
    agent = client.create_agent(storage=storage)
    async with agent.run_stream("first", thread="t") as stream:
        await anext(stream)
        second = asyncio.create_task(agent.run("second", thread="t"))
        await asyncio.sleep(0)
        async for _ in stream:
            pass
    await second
    assert texts(client.requests[1].messages) == ["first", "one two", "second"]


async def test_a_stream_that_is_cancelled_leaves_the_thread_as_it_was(storage: Storage) -> None:
    provider, started = Recorder(), asyncio.Event()
    agent = ScriptedChatClient(["one two"]).create_agent(storage=storage, context_providers=provider)

    async def listen() -> None:
        async for _ in agent.run_stream("hi", thread="t"):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(listen())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await agent.get_thread("t").list_messages()
    del task
    gc.collect()
    for _ in range(20):
        await asyncio.sleep(0)
    assert provider.events[-1].startswith("p.invoked:")
    assert provider.events[-1] != "p.invoked:ok"
    assert await said(storage) == []
