"""Responses, whole and streamed, through OpenAI's own client."""

from __future__ import annotations

from typing import Any, cast

import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.responses import ResponseFunctionToolCall

from recuerda import ContextWindow, Storage
from recuerda.server import ServerSettings
from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Reply, ToolCall
from tests.server.serving import MODEL, running, sdk, streamed

ON_BOTH = pytest.mark.parametrize("storage_url", ["sqlite", "postgresql"], indirect=True)
ADD: Any = {
    "type": "function",
    "name": "add",
    "description": "Add.",
    "parameters": {
        "type": "object",
        "properties": {"a": {"type": "integer"}},
        "required": ["a"],
        "additionalProperties": False,
    },
    "strict": True,
}


def sent(model: ScriptedOpenAIServer) -> list[tuple[Any, Any]]:
    """Return what the model was sent last."""
    return [(message["role"], message.get("content")) for message in model.requests[-1].messages]


async def answered(client: AsyncOpenAI, *, is_streamed: bool, **arguments: Any) -> Any:
    """Return a response, whole or from the last event of its stream."""
    if is_streamed:
        events, response = await streamed(client, **arguments)
        assert events[-1].type == f"response.{response.status}"
        return response
    create: Any = client.responses.create
    return await create(**arguments)


@ON_BOTH
@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_a_conversation_goes_on(client: AsyncOpenAI, model: ScriptedOpenAIServer, is_streamed: bool) -> None:
    model.script.extend(["Hello, Will.", "Will."])
    conversation = (await client.conversations.create()).id
    for text, answer in (("I am Will.", "Hello, Will."), ("Who am I?", "Will.")):
        arguments: Any = {"conversation": conversation, "input": text, "instructions": "Be short.", "model": "other"}
        response = await answered(client, is_streamed=is_streamed, **arguments)
        assert (response.status, response.output_text, response.model) == ("completed", answer, "other")
        assert response.conversation.id == conversation
        assert response.usage.total_tokens == 30
    assert sent(model) == [
        ("system", "Be short."),
        ("user", "I am Will."),
        ("assistant", "Hello, Will."),
        ("user", "Who am I?"),
    ]
    items = [item async for item in await client.conversations.items.list(conversation, order="asc")]
    assert [cast("Any", item).content[0].text for item in items] == ["I am Will.", "Hello, Will.", "Who am I?", "Will."]


@ON_BOTH
async def test_a_chain_goes_on_and_forks_from_an_older_response(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.script.extend(["1", "2", "3", "2b", "3b"])
    first = await client.responses.create(input="one")
    second = await client.responses.create(input="two", previous_response_id=first.id)
    await client.responses.create(input="three", previous_response_id=second.id)
    assert len((await storage.list_threads()).threads) == 1
    fork = await client.responses.create(input="two b", previous_response_id=first.id)
    assert sent(model) == [("user", "one"), ("assistant", "1"), ("user", "two b")]
    await client.responses.create(input="three b", previous_response_id=fork.id)
    assert [text for _, text in sent(model)] == ["one", "1", "two b", "2b", "three b"]
    assert [text.turns for text in (await storage.list_threads()).threads] == [3, 3]
    again = await client.responses.retrieve(second.id)
    assert (again.output_text, again.previous_response_id) == ("2", first.id)


async def test_going_on_from_a_conversations_response_leaves_the_conversation_alone(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    response = await client.responses.create(conversation=conversation, input="one")
    await client.responses.create(previous_response_id=response.id, input="aside")
    assert [text for _, text in sent(model)] == ["one", "Yes.", "aside"]
    assert len((await client.conversations.items.list(conversation)).data) == 2


async def test_the_events_come_in_the_official_order(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    calls = [ToolCall("add", {"a": 1}, id="call_a"), ToolCall("add", {"a": 2}, id="call_b")]
    model.script.append(Reply("Let me see.", reasoning="They want a sum.", tool_calls=calls))
    events, response = await streamed(client, input="1 + 2?", tools=[ADD])
    text = ["added", "part.added", "delta", "done", "part.done", "item.done"]
    call = ["added", "delta", "done", "item.done"]
    seen: list[str] = []
    for event in events[2:-1]:
        kind = event.type.removeprefix("response.")
        short = kind.replace("output_item.", "item.").replace("content_part.", "part.")
        short = short.split(".", 1)[1] if short.split(".")[0] not in ("item", "part") else short
        short = "added" if short == "item.added" else short
        if not (seen and seen[-1] == short == "delta"):
            seen.append(short)
    assert seen == [*text, *text, *call, *call]
    assert [event.type for event in (events[0], events[1], events[-1])] == [
        "response.created",
        "response.in_progress",
        "response.completed",
    ]
    assert [item.type for item in response.output] == ["reasoning", "message", "function_call", "function_call"]
    assert [item.arguments for item in response.output[2:]] == ['{"a":1}', '{"a":2}']
    deltas = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert deltas == response.output_text == "Let me see."
    kept = await client.responses.retrieve(response.id)
    assert kept.model_dump() == response.model_dump()


async def test_a_streamed_response_is_the_one_that_the_clients_own_helper_puts_together(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.append(Reply("Let me see.", tool_calls=[ToolCall("add", {"a": 1}, id="call_a")]))
    async with client.responses.stream(input="1?", model=MODEL, tools=[ADD]) as stream:
        async for _ in stream:
            pass
        final = await stream.get_final_response()
    assert final.output_text == "Let me see."
    assert cast("ResponseFunctionToolCall", final.output[1]).arguments == '{"a":1}'


async def test_a_response_that_was_kept_plays_again(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.append(Reply("Let me see.", reasoning="Hm.", tool_calls=[ToolCall("add", {"a": 1})]))
    response = await client.responses.create(input="1?", tools=[ADD])
    again = [event async for event in await client.responses.retrieve(response.id, stream=True)]
    assert cast("Any", again[-1]).response.model_dump() == response.model_dump()
    rest = [event async for event in await client.responses.retrieve(response.id, stream=True, starting_after=3)]
    assert [event.sequence_number for event in rest] == [event.sequence_number for event in again][4:]


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_tools_are_run_by_the_client(client: AsyncOpenAI, model: ScriptedOpenAIServer, is_streamed: bool) -> None:
    calls = [ToolCall("add", {"a": 1}, id="call_a"), ToolCall("add", {"a": 2}, id="call_b")]
    model.script.extend([Reply(tool_calls=calls), "Three."])
    conversation = (await client.conversations.create()).id
    arguments: Any = {"conversation": conversation, "tools": [ADD], "tool_choice": {"type": "function", "name": "add"}}
    response = await answered(client, is_streamed=is_streamed, input="1 + 2?", **arguments)
    body: Any = model.requests[-1].body
    assert body["tools"][0]["function"] == {name: value for name, value in ADD.items() if name != "type"}
    assert body["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    inputs: list[Any] = ["And?", [{"type": "function_call_output", "call_id": "call_a", "output": "1"}]]
    for refused in inputs:
        with pytest.raises(BadRequestError, match="No tool output found for function call call_"):
            await client.responses.create(input=refused, conversation=conversation)
    with pytest.raises(BadRequestError, match="No tool call found for function call output with call_id call_x"):
        await client.responses.create(
            input=[{"type": "function_call_output", "call_id": "call_x", "output": "1"}], conversation=conversation
        )
    ids = [item.call_id for item in response.output]
    results: Any = [{"type": "function_call_output", "call_id": id, "output": "1"} for id in ids]
    assert len(model.requests) == 1
    response = await client.responses.create(input=results, conversation=conversation, tools=[ADD])
    assert response.output_text == "Three."
    roles = [message["role"] for message in model.requests[-1].messages]
    assert roles == ["user", "assistant", "tool", "tool"]


async def test_settings_reach_the_model_and_are_told_back(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    schema: Any = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    model.script.append('{"a":1}')
    response = await client.responses.create(
        input=[{"role": "developer", "content": "Be kind."}, {"role": "user", "content": "x"}],
        temperature=0.5,
        top_p=0.9,
        max_output_tokens=99,
        text={"format": {"type": "json_schema", "name": "thing", "schema": schema, "strict": True}},
        reasoning={"effort": "low"},
        metadata={"a": "b"},
        user="will",
    )
    body = model.requests[-1].body
    assert (body["temperature"], body["top_p"], body["max_tokens"]) == (0.5, 0.9, 99)
    assert (body["reasoning_effort"], body["user"], body["model"]) == ("low", "will", MODEL)
    assert body["response_format"] == {
        "type": "json_schema",
        "json_schema": {"name": "thing", "schema": schema, "strict": True},
    }
    assert sent(model)[0] == ("system", "Be kind.")
    assert (response.temperature, response.max_output_tokens, response.metadata) == (0.5, 99, {"a": "b"})
    assert cast("Any", response.text).format.name == "thing"


@pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
async def test_an_answer_that_was_cut_is_incomplete(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    model.script.append(Reply("Once upon", finish_reason="length"))
    response = await answered(client, is_streamed=is_streamed, input="Tell.")
    assert (response.status, response.incomplete_details.reason) == ("incomplete", "max_output_tokens")
    assert response.output[0].status == "incomplete"
    assert (await client.responses.retrieve(response.id)).output_text == "Once upon"


async def test_a_refusal_comes_as_one(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.script.extend([Reply(refusal="I can't."), Reply(refusal="I can't.")])
    response = await client.responses.create(input="x")
    events, _ = await streamed(client, input="x", previous_response_id=response.id)
    assert cast("Any", response.output[0]).content[0].refusal == "I can't."
    assert "response.refusal.done" in [event.type for event in events]


async def test_what_is_not_to_be_stored_is_not(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = "Yes."
    response = await client.responses.create(input="x", store=False)
    assert cast("Any", response).store is False
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(response.id)
    with pytest.raises(BadRequestError, match="not found"):
        await client.responses.create(input="y", previous_response_id=response.id)
    assert (await storage.list_threads()).threads == ()


async def test_a_response_tells_its_own_input(client: AsyncOpenAI, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    response = await client.responses.create(input=[{"role": "user", "content": t} for t in "abc"])
    page = await client.responses.input_items.list(response.id, limit=2, order="asc")
    assert [cast("Any", item).content[0].text for item in page.data] == ["a", "b"]
    assert page.has_more


async def test_a_deleted_response_is_gone_for_good(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.script.extend(["one!", "two!", "three!", "four!"])
    ids: list[str] = []
    for text in ("one", "two", "three"):
        previous = ids[-1] if ids else None
        response = await client.responses.create(input=text, previous_response_id=previous)
        ids.append(response.id)
    await client.responses.delete(ids[1])
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(ids[1])
    await client.responses.create(input="four", previous_response_id=ids[2])
    assert [text for _, text in sent(model)] == ["one", "one!", "three", "three!", "four"]
    await client.responses.delete(ids[0])
    (info,) = (await storage.list_threads()).threads
    bodies = b"".join(record.body for record in (await storage.read(info.id)).records)
    assert b"two" not in bodies
    assert b"one" not in bodies


async def test_deleting_the_newest_response_takes_its_turn_out(
    client: AsyncOpenAI, model: ScriptedOpenAIServer, storage: Storage
) -> None:
    model.default = "Yes."
    first = await client.responses.create(input="one")
    second = await client.responses.create(input="two", previous_response_id=first.id)
    await client.responses.delete(second.id)
    third = await client.responses.create(input="three", previous_response_id=first.id)
    assert [text for _, text in sent(model)] == ["one", "Yes.", "three"]
    await client.responses.delete(third.id)
    await client.responses.delete(first.id)
    assert (await storage.list_threads()).threads == ()


async def test_deleting_a_conversations_response_keeps_its_items(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    response = await client.responses.create(input="one", conversation=conversation)
    await client.responses.delete(response.id)
    with pytest.raises(NotFoundError):
        await client.responses.retrieve(response.id)
    assert len((await client.conversations.items.list(conversation)).data) == 2


async def test_only_whole_turns_that_fit_the_window_are_sent(storage: Storage, model: ScriptedOpenAIServer) -> None:
    model.default = "Yes."
    settings = ServerSettings(model=MODEL, window=ContextWindow(max_messages=4))
    async with running(storage, model.base_url, settings=settings) as url, sdk(url) as client:
        conversation = (await client.conversations.create()).id
        for number in range(6):
            await client.responses.create(input=f"{number}", conversation=conversation)
        assert [text for _, text in sent(model)] == ["3", "Yes.", "4", "Yes.", "5"]


async def test_a_format_that_has_only_a_name_is_that_of_an_earlier_response(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = '{"name": "Picard"}'
    schema = {"type": "object", "properties": {"name": {"type": "string"}}}
    whole: Any = {"format": {"type": "json_schema", "name": "captain", "schema": schema, "strict": True}}
    named: Any = {"format": {"type": "json_schema", "name": "captain"}}
    first = await client.responses.create(input="Who?", text=whole)
    plain = await client.responses.create(input="x", previous_response_id=first.id)
    last = await client.responses.create(input="Who?", previous_response_id=plain.id, text=named)
    body: Any = model.requests[-1].body
    assert body["response_format"] == (model.requests[0].body)["response_format"]
    assert last.to_dict()["text"] == first.to_dict()["text"]
    with pytest.raises(BadRequestError) as refusal:
        await client.responses.create(input="Who?", text=named)
    assert (refusal.value.param, refusal.value.code) == ("text.format.schema", "missing_required_parameter")
