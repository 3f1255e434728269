"""ADK's own runner over `RecuerdaSessionService` and `RecuerdaMemoryService`, with a scripted model."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from google.adk.agents import LlmAgent
from google.adk.agents._streaming_mode import StreamingMode
from google.adk.agents.run_config import RunConfig
from google.adk.errors import StaleSessionError
from google.adk.events.event import Event
from google.adk.memory.memory_entry import MemoryEntry
from google.adk.models.llm_request import LlmRequest
from google.adk.models.llm_response import LlmResponse
from google.adk.runners import Runner
from google.adk.sessions import InMemorySessionService
from google.adk.sessions.base_session_service import GetSessionConfig
from google.adk.tools import LongRunningFunctionTool, ToolContext, preload_memory
from google.adk.workflow import START, Workflow
from google.genai import types

from recuerda import ChatMessageStore, MemoryStorage, Storage
from recuerda.interop.google_adk import RecuerdaMemoryService, RecuerdaSessionService
from recuerda.interop.google_adk.places import namespace_of
from recuerda.recall.scopes import NAMESPACE_KEY
from tests.interop.google_adk.events import (
    RIKER,
    SHIP,
    ScriptedLlm,
    answered,
    asked,
    calls,
    got,
    runner_of,
    say,
    says,
    texts,
)

THREAD = RecuerdaSessionService.thread_id("ship", "ana", "riker")


@pytest.fixture
async def service(storage: Storage) -> RecuerdaSessionService:
    service = RecuerdaSessionService(storage)
    await service.create_session(**RIKER)
    return service


async def turns_of(storage: Storage) -> list[list[str]]:
    turns = await ChatMessageStore(storage=storage, thread_id=THREAD).list_turns()
    return [[message.role for message in stored.messages] for stored in turns]


def add(a: int, b: int, tool_context: ToolContext) -> int:
    """Add two numbers."""
    tool_context.state["sum"] = a + b
    tool_context.state["user:sums"] = tool_context.state.get("user:sums", 0) + 1
    tool_context.state["temp:last"] = a
    return a + b


def pay(amount: int) -> None:
    """Pay an amount, once somebody has agreed."""


def asked_of(runner: Runner) -> list[list[types.Content]]:
    agent = runner.agent
    assert isinstance(agent, LlmAgent)
    assert isinstance(agent.model, ScriptedLlm)
    return agent.model.asked


@pytest.mark.parametrize("mode", [StreamingMode.NONE, StreamingMode.SSE], ids=["whole", "streamed"])
async def test_a_run_with_parallel_tools_is_one_turn(
    service: RecuerdaSessionService, storage: Storage, mode: StreamingMode
) -> None:
    sums = calls(("add", {"a": 1, "b": 2}), ("add", {"a": 3, "b": 4}))
    script = [[sums], [says("3 and", partial=True), says(" 7.", partial=True), says("3 and 7.")], [says("Yes.")]]
    runner = runner_of(service, script, tools=[add])
    config = RunConfig(streaming_mode=mode)
    for question in ("Add 1 2 and 3 4.", "Sure?"):
        told = await say(runner, question, run_config=config)
        assert any(event.partial for event in told) == (question != "Sure?")
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"], ["user", "assistant"]]
    session = await got(service)
    assert texts(session.events) == ["Add 1 2 and 3 4.", None, None, "3 and 7.", "Sure?", "Yes."]
    assert session.state["user:sums"] == 2
    assert session.state["sum"] in {3, 7}
    assert "temp:last" not in session.state
    assert len(asked_of(runner)[-1]) == 5


async def test_the_same_run_gives_the_same_events_as_on_their_service(service: RecuerdaSessionService) -> None:
    theirs = InMemorySessionService()
    await theirs.create_session(**RIKER)
    found: list[Any] = []
    for one in (service, theirs):
        script = [[calls(("add", {"a": 1, "b": 2}))], [says("3.")], [says("Bye.")]]
        runner = runner_of(one, script, tools=[add], output_key="answer")
        for question in ("Add 1 and 2.", "Bye."):
            await say(runner, question)
        session = await one.get_session(**RIKER)
        assert session is not None
        own: Any = {"id", "timestamp", "invocation_id", "long_running_tool_ids"}
        events = [event.model_dump(mode="json", exclude=own) for event in session.events]
        found.append((len(events), [event["actions"] for event in events], session.state))
    assert found[0] == found[1]


async def test_each_answer_of_several_agents_is_a_turn(service: RecuerdaSessionService, storage: Storage) -> None:
    first = LlmAgent(name="first", model=ScriptedLlm(script=[[says("One.")]]), output_key="one", mode="single_turn")
    second = LlmAgent(name="second", model=ScriptedLlm(script=[[says("Two.")]]), mode="single_turn")
    workflow = Workflow(name="both", edges=[(START, first, second)])
    await say(Runner(app_name="ship", node=workflow, session_service=service), "Go.")
    assert await turns_of(storage) == [["user", "assistant"], ["assistant"]]
    session = await got(service)
    assert texts(session.events) == ["Go.", "One.", "Two."]
    assert len({event.invocation_id for event in session.events}) == 1
    assert session.state == {"one": "One."}


async def test_a_long_running_tool_is_answered_in_a_later_run(
    service: RecuerdaSessionService, storage: Storage, another: Storage
) -> None:
    runner = runner_of(service, [[calls(("pay", {"amount": 5}))]], tools=[LongRunningFunctionTool(pay)])
    told = await say(runner, "Pay 5.")
    assert await turns_of(storage) == []
    (call,) = [call for event in told for call in event.get_function_calls()]
    response = types.FunctionResponse(id=call.id, name="pay", response={"result": "paid"})
    message = types.Content(role="user", parts=[types.Part(function_response=response)])
    later = RecuerdaSessionService(another)
    runner = runner_of(later, [[says("Paid.")]], tools=[LongRunningFunctionTool(pay)])
    assert texts(await say(runner, message)) == ["Paid."]
    assert await turns_of(storage) == [["user", "assistant", "tool", "assistant"]]


class Fails(ScriptedLlm):
    async def generate_content_async(
        self, llm_request: LlmRequest, stream: bool = False
    ) -> AsyncGenerator[LlmResponse, None]:
        yield says("Hal", partial=True)
        raise ConnectionError("the model is gone")


async def test_a_run_that_fails_leaves_its_question_and_the_next_run_goes_on(
    service: RecuerdaSessionService, storage: Storage
) -> None:
    agent = LlmAgent(name="doctor", model=Fails(script=[]))
    with pytest.raises(ConnectionError):
        await say(Runner(app_name="ship", agent=agent, session_service=service), "Hello.")
    (failed,) = await ChatMessageStore(storage=storage, thread_id=THREAD).list_turns()
    assert failed.turn.is_interrupted
    assert (await got(service)).events[-1].error_message == "the model is gone"
    runner = runner_of(service, [[says("Hi!")]])
    await say(runner, "Hello again.")
    turns = await ChatMessageStore(storage=storage, thread_id=THREAD).list_turns()
    assert [stored.turn.is_interrupted for stored in turns] == [True, False]
    assert len((await got(service)).events) == 4


async def test_a_run_that_another_one_has_overtaken_is_stale(service: RecuerdaSessionService, another: Storage) -> None:
    other = RecuerdaSessionService(another)

    async def interrupt() -> str:
        """Let another run begin and end."""
        await say(runner_of(other, [[says("Second.")]]), "Faster.")
        return "done"

    runner = runner_of(service, [[calls(("interrupt", {}))], [says("First.")]], tools=[interrupt])
    with pytest.raises(StaleSessionError):
        await say(runner, "Slow.")
    assert texts((await got(service)).events) == ["Slow.", None, "Faster.", "Second."]


async def test_a_rewound_session_goes_on_from_an_earlier_invocation(service: RecuerdaSessionService) -> None:
    runner = runner_of(service, [[says("One.")], [says("Two.")], [says("Three.")]], output_key="last")
    for question in ("First?", "Second?"):
        await say(runner, question)
    second = (await got(service)).events[2].invocation_id
    await runner.rewind_async(user_id="ana", session_id="riker", rewind_before_invocation_id=second)
    assert (await got(service)).state == {"last": "One."}
    await say(runner, "Third?")
    said = [content.parts[0].text for content in asked_of(runner)[-1] if content.parts]
    assert said == ["First?", "One.", "Third?"]
    assert (await got(service)).state == {"last": "Three."}


async def test_a_run_can_read_the_newest_events_only(service: RecuerdaSessionService) -> None:
    runner = runner_of(service, [[says(str(number))] for number in range(6)])
    for number in range(5):
        await say(runner, f"{number}?")
    config = RunConfig(get_session_config=GetSessionConfig(num_recent_events=2))
    await say(runner, "last?", run_config=config)
    said = [content.parts[0].text for content in asked_of(runner)[-1] if content.parts]
    assert said == ["4?", "4", "last?"]
    assert len((await got(service)).events) == 12


async def test_many_sessions_run_at_once(storage: Storage) -> None:
    service = RecuerdaSessionService(storage)
    for number in range(10):
        await service.create_session(**SHIP, session_id=str(number))

    async def run(number: int) -> list[Event]:
        runner = runner_of(service, [[calls(("add", {"a": number, "b": 1}))], [says(f"{number}!")]], tools=[add])
        message = types.UserContent("Add.")
        run = runner.run_async(user_id="ana", session_id=str(number), new_message=message)
        return [event async for event in run]

    await asyncio.gather(*map(run, range(10)))
    for number in range(10):
        session = await service.get_session(**SHIP, session_id=str(number))
        assert session is not None
        assert texts(session.events) == ["Add.", None, None, f"{number}!"]
        assert session.state["sum"] == number + 1


# -- memory ------------------------------------------------------------------------------------------------------------


def memories(found: Any) -> list[str]:
    return [memory.content.parts[0].text for memory in found.memories]


async def test_an_agent_remembers_an_earlier_session(storage: Storage) -> None:
    service = RecuerdaSessionService(storage)
    async with RecuerdaMemoryService(storage) as memory:
        for app, user, text in (("ship", "ana", "My cat is called Spot."), ("ship", "bob", "My cat is called Tom.")):
            session = await service.create_session(app_name=app, user_id=user)
            await service.append_event(session, asked(text))
            await service.append_event(session, answered("Noted."))
        await service.create_session(**RIKER)
        llm = ScriptedLlm(script=[[says("Spot.")]])
        agent = LlmAgent(name="doctor", model=llm, tools=[preload_memory])
        runner = Runner(app_name="ship", agent=agent, session_service=service, memory_service=memory)
        await say(runner, "What is my cat called?")
        assert "Spot" in str(llm.asked)
        assert "Tom" not in str(llm.asked)
        for app, user in (("ship", "bob"), ("dock", "ana")):
            found = await memory.search_memory(app_name=app, user_id=user, query="What is my cat called?")
            assert "My cat is called Spot." not in memories(found)


async def test_a_session_of_this_storage_is_not_copied_into_memory(service: RecuerdaSessionService) -> None:
    session = await got(service)
    for event in (asked("My cat is called Spot."), answered("Noted."), asked("My dog is Rex.", "i2")):
        await service.append_event(session, event)
    async with RecuerdaMemoryService(service.storage) as memory:
        await memory.add_session_to_memory(session)
        assert len((await service.storage.list_threads()).threads) == 1
        found = await memory.search_memory(**SHIP, query="cat called")
        assert memories(found)[0] == "My cat is called Spot."


async def test_a_session_of_another_service_is_copied_once(storage: Storage) -> None:
    theirs = InMemorySessionService()
    session = await theirs.create_session(**RIKER)
    async with RecuerdaMemoryService(storage) as memory:
        for event in (asked("My cat is called Spot."), answered("Noted."), asked("My dog is Rex.", "i2")):
            await theirs.append_event(session, event)
            await memory.add_session_to_memory(session)
        (info,) = (await storage.list_threads()).threads
        assert (info.turns, info.user_id) == (3, "ana")
        assert info.metadata[NAMESPACE_KEY] == namespace_of("ship")
        found = await memory.search_memory(**SHIP, query="cat called")
        assert memories(found)[0] == "My cat is called Spot."
        assert found.memories[0].author == "user"


async def test_single_memories_are_added_found_and_deleted(storage: Storage) -> None:
    entry = MemoryEntry(id="m1", content=types.UserContent("I prefer tea, Earl Grey, hot."))
    async with RecuerdaMemoryService(storage) as memory:
        for _ in range(2):
            await memory.add_memory(**SHIP, memories=[entry])
        found = (await memory.search_memory(**SHIP, query="Which tea do I prefer?")).memories
        assert [one.content.parts[0].text for one in found if one.content.parts] == ["I prefer tea, Earl Grey, hot."]
        await memory.delete_memory(app_name="dock", user_id="ana", memory_id=found[0].id)
        assert (await memory.search_memory(**SHIP, query="Which tea do I prefer?")).memories == found
        await memory.delete_memory(**SHIP, memory_id=found[0].id)
        assert (await memory.search_memory(**SHIP, query="Which tea do I prefer?")).memories == []
        await memory.add_memory(**SHIP, memories=[entry])
        assert (await memory.search_memory(**SHIP, query="Which tea do I prefer?")).memories == []


async def test_services_close_only_the_storage_that_they_opened() -> None:
    async with MemoryStorage() as storage:
        async with RecuerdaSessionService(storage), RecuerdaMemoryService(storage):
            pass
        assert await storage.head("t") is None
    async with RecuerdaSessionService("memory:") as service, RecuerdaMemoryService("memory:"):
        assert (await service.list_sessions(app_name="ship")).sessions == []
