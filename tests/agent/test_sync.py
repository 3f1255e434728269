"""`run_sync`, for programs without an event loop."""

import asyncio
import threading

import pytest

from recuerda import FunctionTool, Storage
from recuerda.agent.background import run_in_background
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.conversation import texts


def test_a_program_without_an_event_loop_can_run_an_agent() -> None:
    client = ScriptedChatClient(default="ok")
    agent = client.create_agent()
    thread = agent.get_new_thread()
    assert agent.run_sync("one", thread=thread).text == "ok"
    agent.run_sync("two", thread=thread)
    assert texts(client.requests[1].messages) == ["one", "ok", "two"]


def test_errors_come_through() -> None:
    with pytest.raises(LookupError, match="down"):
        ScriptedChatClient([LookupError("down")]).create_agent().run_sync("hi")


def test_a_turn_id_is_replayed() -> None:
    agent = ScriptedChatClient(["once"]).create_agent()
    replies = [agent.run_sync("hi", thread="t", turn_id="r1") for _ in range(2)]
    assert [(reply.text, reply.is_replay) for reply in replies] == [("once", False), ("once", True)]


async def test_it_works_from_inside_an_event_loop_too(storage: Storage) -> None:
    agent = ScriptedChatClient(default="ok").create_agent(storage=storage)
    await agent.run("one", thread="t")
    assert agent.run_sync("two", thread="t").text == "ok"
    assert texts(await agent.get_thread("t").list_messages()) == ["one", "ok", "two", "ok"]


def test_many_callers_may_use_it_at_once() -> None:
    agent = ScriptedChatClient(default="ok").create_agent()
    threads = [threading.Thread(target=agent.run_sync, args=("hi",), kwargs={"thread": "t"}) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    thread = agent.get_thread("t")
    assert len(asyncio.run(thread.list_messages())) == 16


def test_async_code_under_run_sync_that_calls_it_again_is_told_so_instead_of_hanging() -> None:
    inner = ScriptedChatClient(default="ok").create_agent()

    async def ask() -> str:
        return inner.run_sync("hi").text

    client = ScriptedChatClient([call("ask"), "done"])
    client.create_agent(tools=FunctionTool.of(ask, expose_errors=True)).run_sync("go")
    assert "run_sync" in str(client.requests[1].messages[-1].contents[0])


def test_a_sync_tool_under_run_sync_may_call_it_again() -> None:
    inner = ScriptedChatClient(default="ok").create_agent()

    def ask() -> str:
        return inner.run_sync("hi").text

    client = ScriptedChatClient([call("ask"), "done"])
    client.create_agent(tools=ask).run_sync("go")
    assert "'ok'" in str(client.requests[1].messages[-1].contents[0])


def test_one_background_loop_serves_the_process() -> None:
    async def loop() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    assert run_in_background(loop()) is run_in_background(loop())
