"""The tools of MCP servers of the official SDK: in this program, as a process, and over HTTP."""

import asyncio
import sys
from datetime import timedelta
from typing import Any

import pytest

from recuerda import (
    ConfigurationError,
    DataContent,
    FunctionResultContent,
    InvalidInput,
    ProviderError,
    TextContent,
    UriContent,
)
from recuerda.mcp import MCPTools
from recuerda.testing.scripted import ScriptedChatClient, call
from tests.mcp.offering import PIXEL, make_server
from tests.mcp.serving import served

COMMAND = [sys.executable, "-m", "tests.mcp.offering"]


async def results(tools: MCPTools, *calls: tuple[str, dict[str, Any]]) -> list[FunctionResultContent]:
    """Let a model make calls one after the other, and return what it is told."""
    client = ScriptedChatClient([*(call(name, arguments) for name, arguments in calls), "Done."])
    async with client.create_agent(tools=[tools]) as agent:
        reply = await agent.run("Go.")
    parts = [part for message in reply.messages for part in message.contents]
    return [part for part in parts if isinstance(part, FunctionResultContent)]


async def test_a_servers_tools_are_an_agents_tools() -> None:
    tools = MCPTools(make_server)
    client = ScriptedChatClient([call("add", {"a": 2, "b": 3}), "5."])
    async with client.create_agent(tools=[tools]) as agent:
        reply = await agent.run("2 + 3?")
    sent = {tool.name: tool for tool in client.requests[0].tools}
    assert sent["add"].description == "Add two numbers."
    assert sent["add"].parameters["required"] == ["a"]
    assert reply.messages[1].contents[0] == FunctionResultContent("call_1", "5")


async def test_a_result_keeps_its_texts_and_files() -> None:
    picture, mixed = await results(MCPTools(make_server), ("picture", {}), ("mixed", {}))
    assert picture.parts == (DataContent(PIXEL, "image/png"),)
    assert mixed.parts == (TextContent("inside"), UriContent("https://example.org/b.pdf", "application/pdf"))


async def test_a_failure_is_told_in_the_servers_words() -> None:
    missing, wrong = await results(MCPTools(make_server), ("files_read", {"path": "/no/such"}), ("add", {"a": "x"}))
    assert missing.is_error
    assert missing.result == "Error: MCPToolError: Error executing tool files.read"
    assert wrong.is_error


async def test_annotations_say_what_needs_an_approval_and_what_may_be_repeated() -> None:
    asked: dict[str, set[str]] = {}
    for approval in ("never", "destructive", "always"):
        tools = MCPTools(make_server, approval=approval, only=["add", "note", "wipe"])
        found = await tools.list_tools()
        asked[approval] = {tool.name for tool in found if tool.needs_approval}
        assert {tool.name for tool in found if tool.retry_safe} == {"add", "note"}
        await tools.close()
    assert asked == {"never": set(), "destructive": {"wipe"}, "always": {"add", "note", "wipe"}}


async def test_a_call_that_needs_approval_waits_for_it_and_is_run_later() -> None:
    client = ScriptedChatClient([call("wipe"), "Gone."])
    async with client.create_agent(storage="memory:", tools=MCPTools(make_server, approval="destructive")) as agent:
        waiting = await agent.run("Wipe.", thread="t")
        assert [one.name for one in waiting.pending] == ["wipe"]
        reply = await agent.resume("t", approvals={waiting.pending[0].call_id: True})
    assert reply.text == "Gone."


async def test_tools_are_chosen_and_prefixed() -> None:
    async with MCPTools(make_server, only=["add", "files.read"], prefix="my_") as tools:
        assert [tool.name for tool in await tools.list_tools()] == ["my_add", "my_files_read"]
    async with MCPTools(make_server, only=["nothing"]) as tools:
        with pytest.raises(ProviderError, match="has no tool 'nothing'; it has: add, die"):
            await tools.list_tools()


async def test_a_server_that_dies_in_a_call_is_started_again_by_the_next_use() -> None:
    tools = MCPTools(COMMAND)
    client = ScriptedChatClient([call("die"), "Sorry.", call("add", {"a": 1}), "2."])
    async with client.create_agent(storage="memory:", tools=[tools]) as agent:
        first = await agent.run("Die.", thread="t")
        second = await agent.run("1 + 1?", thread="t")
    (died,) = [part for part in first.messages[1].contents if isinstance(part, FunctionResultContent)]
    assert died.is_error
    assert "whether the tool has acted is not known" in died.result
    assert second.messages[1].contents[0] == FunctionResultContent("call_1", "2")


async def test_a_server_with_an_address_gets_the_headers() -> None:
    keys: list[str | None] = []
    app = make_server().streamable_http_app()

    async def guarded(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            keys.append(dict(scope["headers"]).get(b"authorization", b"").decode() or None)
        await app(scope, receive, send)

    async with served(guarded) as address:
        tools = MCPTools(f"{address}/mcp", headers={"Authorization": "Bearer secret"})
        assert "secret" not in repr(tools)
        (sum_,) = await results(tools, ("add", {"a": 40, "b": 2}))
    assert sum_ == FunctionResultContent("call_1", "42")
    assert set(keys) == {"Bearer secret"}


async def test_calls_of_one_answer_share_the_connection() -> None:
    async with MCPTools(make_server) as tools:
        (add,) = [tool for tool in await tools.list_tools() if tool.name == "add"]
        assert await asyncio.gather(*(add(a=i) for i in range(20))) == [str(i + 1) for i in range(20)]


def test_each_event_loop_has_its_own_connection() -> None:
    tools = MCPTools(make_server)
    agent = ScriptedChatClient(default="ok").create_agent(tools=[tools])
    assert agent.run_sync("hi").text == "ok"
    assert asyncio.run(agent.run("hi")).text == "ok"
    asyncio.run(agent.close())


async def test_a_server_that_is_not_there_ends_the_run_before_the_model_is_called() -> None:
    client = ScriptedChatClient(default="ok")
    for server in ("http://user:secret@127.0.0.1:1/mcp?token=secret", ["/no/such/program", "--token", "secret"]):
        tools = MCPTools(server, timeout=timedelta(seconds=20))
        async with client.create_agent(tools=[tools]) as agent:
            with pytest.raises(ProviderError, match="gave no tools") as refused:
                await agent.run("hi")
        assert "secret" not in str(refused.value) + repr(tools)
    assert not client.requests


@pytest.mark.parametrize(
    ("server", "problem"), [("example.org", "is an address"), ([], "is a list of texts"), ("", "is an address")]
)
def test_a_server_that_cannot_be_one_is_refused(server: Any, problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        MCPTools(server)
    with pytest.raises(ConfigurationError, match="headers are for"):
        MCPTools(["program"], headers={"a": "b"})
    with pytest.raises(InvalidInput, match="approval must be"):
        MCPTools(["program"], approval="sometimes")  # pyright: ignore[reportArgumentType]
