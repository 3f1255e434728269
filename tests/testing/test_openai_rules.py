from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import Any

import openai
import pytest
from openai import AsyncOpenAI

from recuerda.testing.openai_server import (
    Reply,
    ScriptedOpenAIServer,
    ToolCall,
)
from tests.testing.asking import ADD, HELLO, SYSTEM, arrivals, ask, called, refusal_of, result, stream


async def test_an_answered_tool_call_is_accepted(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append("3")

    await ask(client, SYSTEM, HELLO, called("call_a", "call_b"), result("call_b"), result("call_a"), HELLO)


async def test_a_reply_of_the_server_can_be_sent_back(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Reply("Hm.", reasoning="Think.", tool_calls=[ToolCall("add", {"a": 1}, "call_a")]), "3"])

    message = (await ask(client, tools=[ADD])).choices[0].message

    await ask(client, HELLO, message, result("call_a"), tools=[ADD])


@pytest.mark.parametrize(
    ("messages", "problem"),
    [
        pytest.param([HELLO, result("call_a")], "preceding message with 'tool_calls'", id="orphan"),
        pytest.param([called("call_a"), result("call_b")], "has the id 'call_b'", id="other id"),
        pytest.param([called("call_a"), result("call_a"), result("call_a")], "has the id 'call_a'", id="twice"),
        pytest.param([called("call_a")], "did not have response messages: call_a", id="unanswered at the end"),
        pytest.param([called("call_a", "call_b"), result("call_a"), HELLO], "messages: call_b", id="half answered"),
        pytest.param([called("call_a"), HELLO, result("call_a")], "messages: call_a", id="answered too late"),
    ],
)
async def test_a_call_and_its_result_belong_together(client: AsyncOpenAI, messages: list[object], problem: str) -> None:
    assert problem in (await refusal_of(client, *messages)).message


@pytest.mark.parametrize(
    ("message", "param"),
    [
        pytest.param({"role": "robot", "content": "x"}, "messages[0].role", id="role"),
        pytest.param({"role": "user", "content": None}, "messages[0].content", id="no content"),
        pytest.param({"role": "user", "content": 3}, "messages[0].content", id="a number"),
        pytest.param({"role": "user", "content": []}, "messages[0].content", id="no parts"),
        pytest.param({"role": "user", "content": [{"type": "video"}]}, "messages[0].content[0].type", id="part"),
        pytest.param(
            {"role": "system", "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,"}}]},
            "messages[0].content[0].type",
            id="an image in a system message",
        ),
        pytest.param(
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///x.png"}}]},
            "messages[0].content[0].image_url.url",
            id="a file's address",
        ),
        pytest.param({"role": "user", "content": "x", "name": "Dr. Riker"}, "messages[0].name", id="name"),
        pytest.param({"role": "user", "content": "x", "message_id": "m1"}, "messages[0]", id="unknown field"),
        pytest.param({"role": "assistant", "content": None}, "messages.[0].content", id="an empty answer"),
        pytest.param({"role": "assistant", "tool_calls": []}, "messages[0].tool_calls", id="no calls"),
        pytest.param({"role": "tool", "content": "x"}, "messages[0]", id="a result of no call"),
    ],
)
async def test_a_malformed_message_is_refused(client: AsyncOpenAI, message: object, param: str) -> None:
    error = await refusal_of(client, message)

    assert (error.param, error.type) == (param, "invalid_request_error")


async def test_a_request_without_messages_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        await client.chat.completions.create(model="gpt-scripted", messages=[])

    assert caught.value.code == "empty_array"


async def test_a_request_without_a_model_is_refused(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError, match="you must provide a model"):
        await client.post("/chat/completions", cast_to=object, body={"messages": [HELLO]})


@pytest.mark.parametrize("raw", [b'{"model": ', b"[]", b'{"temperature": NaN}'])
async def test_a_body_that_is_no_json_object_is_refused(client: AsyncOpenAI, raw: bytes) -> None:
    with pytest.raises(openai.BadRequestError, match="could not parse the JSON body"):
        await client.post("/chat/completions", cast_to=object, content=raw)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"tools": []}, "'tools'"),
        ({"tool_choice": "auto"}, "'tool_choice' is only allowed"),
        ({"stream_options": {"include_usage": True}}, "'stream_options' parameter is only allowed"),
    ],
)
async def test_settings_that_contradict_each_other_are_refused(
    client: AsyncOpenAI, settings: dict[str, object], problem: str
) -> None:
    assert problem in (await refusal_of(client, HELLO, **settings)).message


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        ({"name": "add two", "parameters": {"type": "object"}}, "tools[0].function.name"),
        ({"name": "add", "parameters": {"$ref": "#/$defs/Add"}}, "got 'type: null'"),
        ({"name": "add", "parameters": {"type": "object", "properties": {"a": {"type": "array"}}}}, "missing items"),
        ({"name": "add", "strict": True, "parameters": {"type": "object"}}, "'additionalProperties' is required"),
        (
            {
                "name": "add",
                "strict": True,
                "parameters": {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
            },
            "'required' is required",
        ),
    ],
)
async def test_a_malformed_tool_is_refused(client: AsyncOpenAI, function: dict[str, object], problem: str) -> None:
    error = await refusal_of(client, HELLO, tools=[{"type": "function", "function": function}])

    assert problem in error.message


async def test_embeddings_come_in_base64_unless_told_otherwise(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    packed = await client.embeddings.create(model="embed", input="My name is Riker")
    plain = await client.embeddings.create(model="embed", input="My name is Riker", encoding_format="float")

    assert [request.body["encoding_format"] for request in server.requests] == ["base64", "float"]
    assert packed.data[0].embedding == pytest.approx(plain.data[0].embedding)


async def test_texts_that_share_words_have_near_embeddings(client: AsyncOpenAI) -> None:
    texts = ["My name is Riker", "what is my name", "Tea, hot"]

    vectors = [item.embedding for item in (await client.embeddings.create(model="embed", input=texts)).data]

    def likeness(index: int) -> float:
        return sum(a * b for a, b in zip(vectors[0], vectors[index], strict=True))

    assert likeness(0) == pytest.approx(1.0)
    assert likeness(0) > likeness(1) > likeness(2)


@pytest.mark.parametrize(("given", "count"), [("one", 1), (["one", "two"], 2), ([1, 2], 1), ([[1, 2], [3]], 2)])
async def test_embeddings_have_as_many_dimensions_as_asked_for(client: AsyncOpenAI, given: Any, count: int) -> None:
    data = (await client.embeddings.create(model="embed", input=given, dimensions=8)).data

    assert [len(item.embedding) for item in data] == [8] * count


@pytest.mark.parametrize("given", ["", [], ["one", ""]])
async def test_an_empty_text_has_no_embedding(client: AsyncOpenAI, given: Any) -> None:
    with pytest.raises(openai.BadRequestError):
        await client.embeddings.create(model="embed", input=given)


async def test_the_server_leaves_nothing_behind() -> None:
    async with ScriptedOpenAIServer("Hola") as server:
        port = int(server.azure_endpoint.rpartition(":")[2])
        async with AsyncOpenAI(base_url=server.base_url, api_key="sk-test") as client:
            await ask(client)

    assert "scripted-openai-server" not in {thread.name for thread in threading.enumerate()}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


async def test_stopping_ends_running_answers() -> None:
    start = time.monotonic()

    async with ScriptedOpenAIServer(Reply("Late", delay_s=30), Reply("Slow", chunk_delay_s=30)) as server:
        client = AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0)
        running: list[asyncio.Task[object]] = [asyncio.create_task(ask(client))]
        await arrivals(server, 1)  # the script's order is that of arrival
        running.append(asyncio.create_task(stream(client)))
        await arrivals(server, 2)

    errors = await asyncio.gather(*running, return_exceptions=True)
    await client.close()
    assert [type(error) for error in errors] == [openai.APIConnectionError] * 2
    assert time.monotonic() - start < 25


def test_an_address_before_the_start_is_refused() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        _ = ScriptedOpenAIServer().base_url


def test_two_servers_run_side_by_side() -> None:
    with ScriptedOpenAIServer() as one, ScriptedOpenAIServer() as other:
        assert one.base_url != other.base_url
