"""Answers in the form of a type: the schema that OpenAI's interfaces get, and the threads that the service keeps."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

import msgspec
import pytest
from pydantic import BaseModel, Field

from recuerda import MemoryStorage, OutputError, OutputRefused
from recuerda.agent.output import output_form
from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.openai.strict_schema import strict_schema
from recuerda.testing import Reply, ScriptedOpenAIServer, ToolCall
from tests.conversation import texts


class Stop(msgspec.Struct):
    city: Annotated[str, msgspec.Meta(min_length=2, description="Where")]
    mood: Literal["calm", "busy"] = "calm"


class Trip(msgspec.Struct):
    stops: list[Stop]
    days: Annotated[int, msgspec.Meta(ge=1)] = 1


class Person(BaseModel):
    name: str
    friend: "Person | None" = Field(default=None, description="A friend")


@dataclass
class Free:
    words: dict[str, int]


TRIP = '{"stops": [{"city": "Lima", "mood": "calm"}], "days": 2}'
BAD = '{"stops": [], "days": 0}'
STRICT_TRIP = {
    "title": "Trip",
    "type": "object",
    "properties": {
        "stops": {"type": "array", "items": {"$ref": "#/$defs/Stop"}},
        "days": {"type": "integer", "minimum": 1},
    },
    "required": ["stops", "days"],
    "additionalProperties": False,
    "$defs": {
        "Stop": {
            "title": "Stop",
            "type": "object",
            "properties": {
                "city": {"type": "string", "description": "Where (minLength: 2)"},
                "mood": {"enum": ["busy", "calm"], "type": "string"},
            },
            "required": ["city", "mood"],
            "additionalProperties": False,
        }
    },
}


def strict_of(output_type: object) -> Any:
    form = output_form(output_type)
    assert form is not None
    return strict_schema(form.schema.schema)


def test_a_schema_is_written_in_the_strict_subset() -> None:
    assert strict_of(Trip) == STRICT_TRIP
    person = strict_of(Person)
    assert person["required"] == ["name", "friend"]
    assert person["properties"]["friend"] == {
        "anyOf": [{"$ref": "#/$defs/Person"}, {"type": "null"}],
        "description": "A friend",
    }
    assert strict_of(list[bool])["properties"]["response"] == {"type": "array", "items": {"type": "boolean"}}


def test_a_schema_outside_of_the_strict_subset_is_found() -> None:
    for output_type in (Free, dict[str, int], tuple[int, str], list[Any], Any):
        assert strict_of(output_type) is None


async def test_chat_completions_get_the_schema_for_one_run(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.script.extend([TRIP, '{"words": {"a": 1}}', "Two days."])
    agent = client.create_agent(options={"response_format": {"type": "text"}})
    assert (await agent.run("go", thread="t", output_type=Trip)).value == Trip([Stop("Lima")], 2)
    assert (await agent.run("go", thread="t", output_type=Free)).value == Free({"a": 1})
    await agent.run("How long?", thread="t")
    strict, free, plain = (request.body["response_format"] for request in server.requests)
    assert strict == {"type": "json_schema", "json_schema": {"name": "Trip", "schema": STRICT_TRIP, "strict": True}}
    assert isinstance(free, dict)
    assert isinstance(free["json_schema"], dict)
    assert free["json_schema"]["strict"] is False
    assert plain == {"type": "text"}
    assert texts(await agent.get_thread("t").list_messages())[1] == TRIP


async def test_the_responses_api_gets_the_schema_beside_the_other_options_of_text(
    local: OpenAIResponsesClient, server: ScriptedOpenAIServer
) -> None:
    server.script.append(TRIP)
    agent = local.create_agent(options={"text": {"verbosity": "low"}})
    assert (await agent.run("go", output_type=Trip)).value == Trip([Stop("Lima")], 2)
    assert server.requests[0].body["text"] == {
        "verbosity": "low",
        "format": {"type": "json_schema", "name": "Trip", "schema": STRICT_TRIP, "strict": True},
    }


async def test_a_server_without_schemas_is_asked_by_a_tool(server: ScriptedOpenAIServer) -> None:
    async with OpenAIChatClient(
        base_url=server.base_url, api_key="k", model_id="m", supports_json_schema=False
    ) as client:
        for is_streamed in (False, True):
            server.script.append(Reply(tool_calls=[ToolCall("final_result", TRIP)]))
            agent = client.create_agent()
            if is_streamed:
                stream = agent.run_stream("go", output_type=Trip)
                assert "".join([update.text async for update in stream]) == TRIP
                reply = stream.response
            else:
                reply = await agent.run("go", output_type=Trip)
            assert (reply.value, reply.text) == (Trip([Stop("Lima")], 2), TRIP)
            assert "response_format" not in server.requests[-1].body


async def test_a_refusal_is_an_error(client: OpenAIChatClient, server: ScriptedOpenAIServer) -> None:
    server.script.append(Reply("", refusal="I won't."))
    with pytest.raises(OutputRefused):
        await client.create_agent().run("go", output_type=Trip)


async def test_a_thread_of_the_service_keeps_the_correction_and_agrees_with_its_mirror(
    responses: OpenAIResponsesClient, server: ScriptedOpenAIServer
) -> None:
    server.script.extend([BAD, TRIP, BAD, BAD, "Two days."])
    agent = responses.create_agent(mirror=MemoryStorage())
    reply = await agent.run("go", thread="t", output_type=Trip)
    assert reply.value == Trip([Stop("Lima")], 2)
    sent = server.requests[-1].body["input"]
    assert isinstance(sent, list)
    assert len(sent) == 1
    thread = agent.get_thread("t")
    assert thread.mirror is not None
    said = texts(await thread.mirror.list_messages())
    assert (said[:2], said[3:]) == (["go", BAD], [TRIP])
    with pytest.raises(OutputError, match="form of Trip"):
        await agent.run("again", thread="t", output_type=Trip)
    assert (await agent.run("How long?", thread="t")).text == "Two days."
    assert texts(await thread.mirror.list_messages()) == [*said, "How long?", "Two days."]
    assert await thread.verify_mirror(responses) == 0
