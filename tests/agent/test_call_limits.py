"""An answer with very many calls: so many are run, and the model is told of the others."""

from __future__ import annotations

import asyncio

from recuerda import FunctionCallContent, FunctionResultContent, MemoryStorage, tool
from recuerda.agent.tools import MAX_CALLS
from recuerda.messages.message import ChatMessage
from recuerda.testing.scripted import ScriptedChatClient


def many(name: str, count: int) -> ChatMessage:
    """Return an answer with a number of calls."""
    return ChatMessage("assistant", [FunctionCallContent(f"c{i}", name, {"number": i}) for i in range(count)])


def results_in(message: ChatMessage) -> list[FunctionResultContent]:
    return [part for part in message.contents if isinstance(part, FunctionResultContent)]


async def test_calls_beyond_the_limit_are_not_run_and_the_model_is_told() -> None:
    ran: list[int] = []
    running = most = 0

    async def act(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        ran.append(number)
        return number

    client = ScriptedChatClient([many("act", 1000), "done"])
    async with MemoryStorage() as storage:
        agent = client.create_agent(tools=act, storage=storage)
        response = await agent.run("go", thread="t")
        stored = await agent.get_thread("t").list_messages()
    assert response.text == "done"
    assert sorted(ran) == list(range(MAX_CALLS))
    assert most <= MAX_CALLS
    told = results_in(client.requests[1].messages[-1])
    assert [result.call_id for result in told] == [f"c{i}" for i in range(1000)]
    assert not any(result.is_error for result in told[:MAX_CALLS])
    assert all(result.is_error and "was not run" in str(result.result) for result in told[MAX_CALLS:])
    assert results_in(stored[-2]) == told


async def test_calls_beyond_the_limit_are_not_saved_as_started_and_wait_for_no_approval() -> None:
    ran: list[int] = []

    @tool(needs_approval=True)
    def act(number: int) -> int:
        """Act."""
        ran.append(number)
        return number

    client = ScriptedChatClient([many("act", MAX_CALLS + 3), "done"])
    async with MemoryStorage() as storage:
        agent = client.create_agent(tools=act, storage=storage, durability="steps")
        response = await agent.run("go", thread="t")
        assert [one.call_id for one in response.pending] == [f"c{i}" for i in range(MAX_CALLS)]
        resumed = await agent.resume("t", approvals={one.call_id: True for one in response.pending})
    assert resumed.text == "done"
    assert sorted(ran) == list(range(MAX_CALLS))
    assert len(results_in(client.requests[1].messages[-1])) == MAX_CALLS + 3
