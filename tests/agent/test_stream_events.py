"""The events of a stream: one class for each kind, in the order in which things happen."""

from typing import assert_type

import msgspec

from recuerda import ChatMessage, RefusalContent, Storage, TextContent, TextReasoningContent, tool
from recuerda.agent import (
    ApprovalEvent,
    ContentEvent,
    OutputRejectedEvent,
    ReasoningEvent,
    RunEvent,
    TextEvent,
    ToolCallEvent,
    ToolResultEvent,
    TurnCommittedEvent,
)
from recuerda.agent.stream import AgentResponseStream
from recuerda.testing import ScriptedChatClient, call
from tests.conversation import texts


class Trip(msgspec.Struct):
    days: int


@tool
def weather() -> str:
    """Return the weather."""
    return "sun"


@tool(needs_approval=True)
def pay() -> str:
    """Pay."""
    return "paid"


def told(event: RunEvent[object]) -> str:
    """Return an event as a word and its content; every kind has its case."""
    match event:
        case TextEvent(text):
            return f"text:{text}"
        case ReasoningEvent(text):
            return f"reasoning:{text}"
        case ToolCallEvent(asked):
            return f"call:{asked.name}"
        case ToolResultEvent(result):
            return f"result:{result.result}"
        case ContentEvent(content):
            return f"content:{type(content).__name__}"
        case OutputRejectedEvent(reason):
            return f"rejected:{reason}"
        case ApprovalEvent(waiting):
            return f"approval:{waiting.name}"
        case TurnCommittedEvent(response):
            return f"committed:{response.value}"


async def all_told(stream: AgentResponseStream[object]) -> list[str]:
    return [told(event) async for event in stream.events()]


async def test_events_come_in_the_order_in_which_things_happen() -> None:
    thinking = ChatMessage("assistant", [TextReasoningContent("hm"), TextContent("Yes"), RefusalContent("no")])
    agent = ScriptedChatClient([call("weather"), thinking]).create_agent(tools=weather)
    assert await all_told(agent.run_stream("go")) == [
        "call:weather",
        "result:sun",
        "reasoning:hm",
        "text:Yes",
        "content:RefusalContent",
        "committed:None",
    ]


async def test_an_approval_is_the_end_of_the_events_until_the_turn_is_resumed(storage: Storage) -> None:
    agent = ScriptedChatClient([call("pay"), "Paid"]).create_agent(storage=storage, tools=pay)
    assert await all_told(agent.run_stream("go", thread="t")) == ["call:pay", "approval:pay"]
    resumed = agent.resume_stream("t", approvals={"call_1": True})
    assert await all_told(resumed) == ["result:paid", "text:Paid", "committed:None"]
    assert resumed.response.thread_id == "t"


async def test_a_turn_is_committed_before_its_event(storage: Storage) -> None:
    agent = ScriptedChatClient(["one", "again"]).create_agent(storage=storage)
    async for event in agent.run_stream("go", thread="t", turn_id="a").events():
        said = texts(await agent.get_thread("t").list_messages())
        assert said == (["go", "one"] if isinstance(event, TurnCommittedEvent) else [])
    replay = agent.run_stream("go", thread="t", turn_id="a")
    assert await all_told(replay) == ["text:one", "committed:None"]


async def test_an_answer_that_does_not_fit_is_told_before_the_next_one() -> None:
    stream = ScriptedChatClient(["{}", '{"days":2}']).create_agent().run_stream("go", output_type=Trip)
    async for event in stream.events():
        assert_type(event, RunEvent[Trip])
        if isinstance(event, TurnCommittedEvent):
            assert event.response.value.days == 2
    stream = ScriptedChatClient(["{}", '{"days":2}']).create_agent().run_stream("go", output_type=Trip)
    assert await all_told(stream) == [
        "text:{}",
        "rejected:Object missing required field `days`",
        'text:{"days":2}',
        "committed:Trip(days=2)",
    ]


async def test_leaving_the_events_early_cancels_the_turn(storage: Storage) -> None:
    agent = ScriptedChatClient(["one two three"]).create_agent(storage=storage)
    async with agent.run_stream("go", thread="t") as stream:
        async for _ in stream.events():
            break
    assert await agent.get_thread("t").list_messages() == []
