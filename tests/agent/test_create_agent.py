"""`create_agent` takes the arguments of `Agent`, which are listed once."""

import inspect
from typing import assert_type

import pytest

from recuerda import Agent
from recuerda.testing.scripted import ScriptedChatClient


def test_a_client_takes_the_arguments_of_an_agent_but_for_the_model() -> None:
    of_agent = list(inspect.signature(Agent).parameters.values())
    of_client = list(inspect.signature(ScriptedChatClient.create_agent).parameters.values())
    assert (of_agent[0].name, of_client[0].name) == ("model", "self")
    assert of_client[1:] == of_agent[1:]


async def test_the_name_and_the_instructions_may_come_without_their_names() -> None:
    client = ScriptedChatClient(["hi"])
    agent = client.create_agent("Doctor", "Answer briefly.", max_tool_rounds=3)
    assert_type(agent, Agent)
    await agent.run("Hello!")
    assert (agent.name, client.requests[0].instructions) == ("Doctor", "Answer briefly.")


def test_an_unknown_argument_is_refused() -> None:
    with pytest.raises(TypeError, match="colour"):
        ScriptedChatClient([]).create_agent(colour="red")  # pyright: ignore[reportCallIssue] - a checker reports it as well
