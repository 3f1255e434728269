"""`@tool`: what a model may call, said at the function itself."""

from typing import assert_type

import pytest

from recuerda import ConfigurationError, FunctionTool, tool
from recuerda.testing.scripted import ScriptedChatClient, call


@tool
def add(first: int, second: int) -> int:
    """Add two numbers."""
    return first + second


@tool(needs_approval=True, name="wipe")
async def delete_all(table: str) -> str:
    """Delete everything."""
    return f"{table} is gone"


def test_a_decorated_function_is_a_tool_and_still_a_function() -> None:
    assert isinstance(add, FunctionTool)
    assert (add.name, add.description, add.needs_approval, add(2, 3)) == ("add", "Add two numbers.", False, 5)


async def test_a_type_checker_knows_the_parameters_and_the_result_of_a_decorated_function() -> None:
    assert_type(add(2, second=3), int)
    assert_type(await delete_all("x"), str)
    with pytest.raises(TypeError):
        add("2")  # pyright: ignore[reportCallIssue] - the point of the test: a checker reports the missing argument


def test_a_decorator_says_what_is_special() -> None:
    assert (delete_all.name, delete_all.needs_approval, delete_all.retry_safe) == ("wipe", True, False)


async def test_an_agent_takes_decorated_functions() -> None:
    client = ScriptedChatClient(
        [call("add", {"first": 2, "second": 3}), "5", call("wipe", {"table": "x"}, call_id="w")]
    )
    agent = client.create_agent(tools=[add, delete_all])
    assert (await agent.run("2 + 3?", thread="t")).text == "5"
    assert [one.call_id for one in (await agent.run("wipe x", thread="t")).pending] == ["w"]


def test_what_is_said_of_a_tool_later_is_heard() -> None:
    assert FunctionTool.of(add) is add
    guarded = FunctionTool.of(add, needs_approval=True)
    assert (guarded.needs_approval, guarded.name, add.needs_approval) == (True, "add", False)
    assert FunctionTool.of(guarded, name="plus").needs_approval
    with pytest.raises(ConfigurationError, match="cannot be a tool's name"):
        FunctionTool.of(add, name="no name")
