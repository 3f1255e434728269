"""Answers in the form of a type: what the model is asked for, what `reply.value` is, and what the thread keeps."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, assert_type

import msgspec
import pytest
from pydantic import BaseModel, Field

from recuerda import (
    AgentResponse,
    AgentResponseStream,
    ChatMessage,
    ChatRequest,
    ChatUpdate,
    ConfigurationError,
    FunctionCallContent,
    InvalidInput,
    OutputError,
    OutputRefused,
    RefusalContent,
    Storage,
    Usage,
    tool,
)
from recuerda.agent.output import output_form
from recuerda.testing import ScriptedChatClient, call
from tests.conversation import texts


class Trip(msgspec.Struct):
    city: str
    days: Annotated[int, msgspec.Meta(ge=1)] = 1


@dataclass
class Place:
    city: str
    days: int = 1


class Stop(TypedDict):
    city: str


class Model(BaseModel):
    city: str
    days: int = Field(default=1, ge=1)


@dataclass
class Stay:
    city: str
    nights: int = 1


LIMA = '{"city": "Lima", "days": 2}'
ANSWER = call("final_result", {"city": "Lima", "days": 2})
BAD = '{"city": "Lima", "days": 0}'


async def test_a_type_checker_knows_the_value_of_an_answer() -> None:
    agent = ScriptedChatClient(default=LIMA).create_agent()
    assert_type(await agent.run("go"), AgentResponse[None])
    assert_type((await agent.run("go", output_type=Trip)).value, Trip)
    assert_type(agent.run_stream("go", output_type=Place), AgentResponseStream[Place])
    assert_type(agent.run_stream("go"), AgentResponseStream[None])
    agent = ScriptedChatClient(default='{"response": [1]}').create_agent()
    assert_type((await agent.run("go", output_type=list[int])).value, list[int])
    agent = ScriptedChatClient(default='{"response": {"city": "Lima", "days": 2}}').create_agent()
    assert_type((await agent.run("go", output_type=Stay | Trip)).value, Stay | Trip)
    agent = ScriptedChatClient(default='{"response": "a"}').create_agent()
    assert_type((await agent.run("go", output_type=Literal["a"])).value, Literal["a"])


@pytest.mark.parametrize(
    ("output_type", "text", "value"),
    [
        (Trip, LIMA, Trip("Lima", 2)),
        (Trip, '{"city": "Lima"}', Trip("Lima")),
        (Place, LIMA, Place("Lima", 2)),
        (Stop, '{"city": "Lima"}', {"city": "Lima"}),
        (Model, LIMA, Model(city="Lima", days=2)),
        (dict[str, int], '{"a": 1}', {"a": 1}),
        (list[Trip], f'{{"response": [{LIMA}]}}', [Trip("Lima", 2)]),
        (list[Model], f'{{"response": [{LIMA}]}}', [Model(city="Lima", days=2)]),
        (Trip | None, f'{{"response": {LIMA}}}', Trip("Lima", 2)),
        (Trip | None, '{"response": null}', None),
        (int | str, '{"response": "four"}', "four"),
        (int, '{"response": 4}', 4),
        (Stay | Trip, f'{{"response": {LIMA}}}', Trip("Lima", 2)),
        (Stay | Trip, '{"response": {"city": "Lima"}}', Stay("Lima")),
        (Stay | list[Trip] | None, '{"response": null}', None),
        (Literal["yes", "no"], '{"response": "no"}', "no"),
        (Annotated[int, Field(ge=1)], '{"response": 4}', 4),
        (Annotated[list[int], msgspec.Meta(examples=[[1]])], '{"response": [4]}', [4]),
        (Trip, f"Here it is:\n```json\n{LIMA}\n```", Trip("Lima", 2)),
    ],
)
async def test_the_value_is_of_the_type(output_type: Any, text: str, value: object) -> None:
    client = ScriptedChatClient([text, call("final_result", text)])
    agent = client.create_agent()
    said = await agent.run("go", output_type=output_type)
    called = await agent.run("go", output_type=output_type)
    assert [said.value, called.value] == [value, value]
    assert [said.text, called.text] == [text, text]


def test_a_type_without_a_schema_is_refused_by_its_name() -> None:
    class Socket:
        pass

    agent = ScriptedChatClient().create_agent()
    nowhere = list["Nowhere"]  # pyright: ignore[reportUndefinedVariable] # noqa: F821 - the case
    for wrong in (Socket, list[Socket], 5, "Trip", nowhere):
        given: Any = wrong
        with pytest.raises(ConfigurationError, match="output_type"):
            agent.run_stream("go", output_type=given)


async def test_a_client_without_schemas_is_asked_by_a_tool_and_the_thread_keeps_text(storage: Storage) -> None:
    client = ScriptedChatClient([ANSWER, "Two days."])
    agent = client.create_agent(storage=storage)
    reply = await agent.run("go", thread="t", output_type=Trip)
    assert reply.value == Trip("Lima", 2)
    (asked,) = client.requests[0].tools
    assert (asked.name, asked.parameters) == ("final_result", output_form(Trip).schema.schema)  # pyright: ignore[reportOptionalMemberAccess]
    assert texts(await agent.get_thread("t").list_messages()) == ["go", '{"city":"Lima","days":2}']
    await agent.run("How long?", thread="t")
    assert (client.requests[1].tools, client.requests[1].output) == ((), None)


async def test_a_client_with_schemas_gets_the_schema() -> None:
    class Client(ScriptedChatClient):
        supports_json_schema = True

    client = Client([LIMA])
    assert (await client.create_agent().run("go", output_type=Trip)).value == Trip("Lima", 2)
    request = client.requests[0]
    assert (request.tools, request.output and request.output.name) == ((), "Trip")


async def test_an_answer_that_does_not_fit_is_asked_for_again_and_leaves_no_trace(storage: Storage) -> None:
    client = ScriptedChatClient([BAD, LIMA], usage=Usage(input_tokens=3))
    agent = client.create_agent(storage=storage)
    reply = await agent.run("go", thread="t", output_type=Trip)
    assert reply.value == Trip("Lima", 2)
    assert reply.usage == Usage(input_tokens=6)
    said = texts(client.requests[1].messages)
    assert said[:2] == ["go", BAD]
    assert "Expected `int` >= 1 - at `$.days`" in said[2]
    assert texts(await agent.get_thread("t").list_messages()) == ["go", LIMA]


async def test_a_second_answer_that_does_not_fit_is_an_error_that_names_the_type_and_the_field(
    storage: Storage,
) -> None:
    client = ScriptedChatClient([BAD, '{"days": 3}', BAD, BAD])
    agent = client.create_agent(storage=storage)
    with pytest.raises(OutputError, match=r"form of Trip: the field 'city'") as caught:
        await agent.run("go", thread="t", output_type=Trip)
    assert (caught.value.type_name, caught.value.field) == ("Trip", "city")
    assert await agent.get_thread("t").list_messages() == []
    with pytest.raises(OutputError):
        await agent.run("go", thread="t", output_type=Trip, keep_failed=True)
    (turn,) = await agent.get_thread("t").list_turns()
    assert texts(turn.messages) == ["go", BAD]
    assert turn.turn.error is not None
    assert turn.turn.error.startswith("OutputError: ")


async def test_a_kept_failure_is_answered_again_in_the_form(storage: Storage) -> None:
    client = ScriptedChatClient([BAD, BAD, LIMA])
    agent = client.create_agent(storage=storage)
    with pytest.raises(OutputError):
        await agent.run("go", thread="t", output_type=Trip, keep_failed=True)
    assert (await agent.regenerate("t", output_type=Trip)).value == Trip("Lima", 2)
    assert texts(await agent.get_thread("t").list_messages()) == ["go", LIMA]


async def test_a_refusal_is_an_error_and_is_not_corrected() -> None:
    client = ScriptedChatClient([ChatMessage("assistant", [RefusalContent("No.")])])
    with pytest.raises(OutputRefused, match="refused to answer, so there is no Trip"):
        await client.create_agent().run("go", output_type=Trip)
    assert len(client.requests) == 1


async def test_a_replay_has_the_value_again(storage: Storage) -> None:
    client = ScriptedChatClient([LIMA, "hello"])
    agent = client.create_agent(storage=storage)
    first = await agent.run("go", thread="t", turn_id="a", output_type=Trip)
    again = await agent.run("go", thread="t", turn_id="a", output_type=Trip)
    assert (again.is_replay, again.value) == (True, first.value)
    stream = agent.run_stream("go", thread="t", turn_id="a", output_type=Place)
    assert [update.text async for update in stream] == [LIMA]
    assert stream.response.value == Place("Lima", 2)
    await agent.run("go", thread="t", turn_id="b")
    other = await agent.run("go", thread="t", turn_id="b", output_type=Trip)
    assert other.text == "hello"
    with pytest.raises(OutputError, match="form of Trip"):
        _ = other.value
    assert len(client.requests) == 2


async def test_a_stream_has_the_value_at_its_end() -> None:
    agent = ScriptedChatClient([BAD, ANSWER]).create_agent()
    stream = agent.run_stream("go", output_type=Trip)
    shown = "".join([update.text async for update in stream])
    assert (stream.response.value, stream.response.text) == (Trip("Lima", 2), '{"city":"Lima","days":2}')
    assert shown == BAD + stream.response.text


async def test_tools_run_before_the_answer_and_an_answer_beside_a_call_does_not_count() -> None:
    def weather(city: str) -> str:
        """Return the weather."""
        return f"sun in {city}"

    both = ChatMessage(
        "assistant",
        [
            FunctionCallContent("c1", "weather", {"city": "Lima"}),
            FunctionCallContent("c2", "final_result", {"city": "Cusco"}),
        ],
    )
    for is_streamed in (False, True):
        client = ScriptedChatClient([both, ANSWER])
        agent = client.create_agent(tools=weather)
        if is_streamed:
            stream = agent.run_stream("go", output_type=Trip)
            _ = [update async for update in stream]
            reply = stream.response
        else:
            reply = await agent.run("go", output_type=Trip)
        assert reply.value == Trip("Lima", 2)
        assert [message.role for message in reply.messages] == ["assistant", "tool", "assistant"]
        assert len(client.requests[1].messages[1].function_calls) == 1


async def test_a_correction_stays_before_the_calls_that_follow_it() -> None:
    def weather() -> str:
        """Return the weather."""
        return "sun"

    client = ScriptedChatClient([BAD, call("weather"), LIMA])
    reply = await client.create_agent(tools=weather).run("go", output_type=Trip)
    assert reply.value == Trip("Lima", 2)
    assert [message.role for message in client.requests[2].messages] == [
        "user",
        "assistant",
        "user",
        "assistant",
        "tool",
    ]
    assert [message.role for message in reply.messages] == ["assistant", "tool", "assistant"]


async def test_the_last_round_leaves_only_the_tool_of_the_answer() -> None:
    client = ScriptedChatClient([call("weather"), ANSWER])
    agent = client.create_agent(tools=weather_of, max_tool_rounds=1)
    assert (await agent.run("go", output_type=Trip)).value == Trip("Lima", 2)
    last = client.requests[1]
    assert ([one.name for one in last.tools], last.may_call_tools) == (["final_result"], True)


@tool(name="weather")
def weather_of() -> str:
    """Return the weather."""
    return "sun"


async def test_a_run_that_waits_has_no_value_until_it_is_resumed_with_the_type(storage: Storage) -> None:
    @tool(needs_approval=True)
    def pay() -> str:
        """Pay."""
        return "paid"

    client = ScriptedChatClient([call("pay"), BAD, LIMA])
    agent = client.create_agent(storage=storage, tools=pay)
    waiting = await agent.run("go", thread="t", output_type=Trip)
    with pytest.raises(InvalidInput, match="has not answered yet"):
        _ = waiting.value
    reply = await agent.resume("t", approvals={"call_1": True}, output_type=Trip)
    assert reply.value == Trip("Lima", 2)
    assert texts(await agent.get_thread("t").list_messages()) == ["go", "", "", LIMA]


async def test_a_waiting_turn_is_resumed_as_text_before_a_run_with_a_type(storage: Storage) -> None:
    failing = ScriptedChatClient([call("weather"), RuntimeError("down")])
    with pytest.raises(RuntimeError):
        await failing.create_agent(storage=storage, tools=weather_of).run("a", thread="t", durability="steps")
    agent = ScriptedChatClient(["sunny", LIMA]).create_agent(storage=storage, tools=weather_of)
    reply = await agent.run("go", thread="t", on_pending="resume", output_type=Trip)
    assert reply.value == Trip("Lima", 2)
    assert texts(await agent.get_thread("t").list_messages())[-3:] == ["sunny", "go", LIMA]


async def test_an_edit_has_a_value(storage: Storage) -> None:
    agent = ScriptedChatClient(["hi", LIMA]).create_agent(storage=storage)
    await agent.run("go", thread="t")
    assert (await agent.edit("t", 1, "to Lima", output_type=Trip)).value == Trip("Lima", 2)


async def test_a_tool_may_not_have_the_name_of_the_answers_tool() -> None:
    def final_result() -> None:
        """Do nothing."""

    agent = ScriptedChatClient(["x"]).create_agent(tools=final_result)
    with pytest.raises(ConfigurationError, match="final_result"):
        await agent.run("go", output_type=Trip)


async def test_a_client_without_schemas_whose_service_keeps_the_thread_is_refused() -> None:
    class Keeping(ScriptedChatClient):
        keeps_threads = True

    client = Keeping(["x"])
    agent = client.create_agent()
    with pytest.raises(ConfigurationError, match="supports no JSON schemas"):
        await agent.run("go", thread=agent.get_new_thread(), output_type=Trip)
    assert client.requests == []


async def test_updates_without_contents_reach_the_answer_of_a_tool() -> None:
    class Counting(ScriptedChatClient):
        async def stream(self, request: ChatRequest) -> AsyncGenerator[ChatUpdate]:
            async for update in super().stream(request):
                yield update
            yield ChatUpdate(usage=Usage(output_tokens=4))

    stream = Counting([ANSWER]).create_agent().run_stream("go", output_type=Trip)
    assert [update.text async for update in stream] == ['{"city":"Lima","days":2}']
    assert stream.response.usage == Usage(output_tokens=4)
