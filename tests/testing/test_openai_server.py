from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI
from openai.types.chat import ChatCompletionChunk

from recuerda.testing.openai_server import (
    Dropped,
    Failure,
    RecordedRequest,
    Reply,
    ScriptedOpenAIServer,
    ToolCall,
    Usage,
)

SYSTEM = {"role": "system", "content": "Be brief."}
HELLO = {"role": "user", "content": "Hello"}
ADD = {
    "type": "function",
    "function": {
        "name": "add",
        "parameters": {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
    },
}


@pytest.fixture
def server() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        yield server


@pytest.fixture
async def client(server: ScriptedOpenAIServer) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=server.base_url, api_key="sk-test", max_retries=0, timeout=10) as client:
        yield client


async def ask(client: AsyncOpenAI, *messages: object, **settings: Any) -> Any:
    # The official types would refuse what some tests send on purpose.
    create = cast("Any", client.chat.completions.create)
    return await create(model="gpt-scripted", messages=list(messages) or [HELLO], **settings)


async def stream(client: AsyncOpenAI, **settings: Any) -> list[ChatCompletionChunk]:
    return [chunk async for chunk in await ask(client, stream=True, **settings)]


async def arrivals(server: ScriptedOpenAIServer, count: int) -> None:
    while len(server.requests) < count:  # noqa: ASYNC110 - the server lives in another thread
        await asyncio.sleep(0.01)


def called(*call_ids: str) -> dict[str, object]:
    calls = [{"id": id, "type": "function", "function": {"name": "add", "arguments": "{}"}} for id in call_ids]
    return {"role": "assistant", "content": None, "tool_calls": calls}


def result(call_id: str) -> dict[str, object]:
    return {"role": "tool", "tool_call_id": call_id, "content": "3"}


async def refusal_of(client: AsyncOpenAI, *messages: object, **settings: Any) -> openai.BadRequestError:
    with pytest.raises(openai.BadRequestError) as caught:
        await ask(client, *messages, **settings)
    return caught.value


# Replies


async def test_answers_come_in_the_order_of_the_script(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend(["one", Reply("two")])

    assert [(await ask(client)).choices[0].message.content for _ in range(2)] == ["one", "two"]


async def test_a_reply_has_its_text_its_model_and_its_usage(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    usage = Usage(input_tokens=7, output_tokens=5, cached_tokens=3, reasoning_tokens=2)
    server.script.append(Reply("Hola", usage=usage))

    completion = await ask(client)

    assert completion.choices[0].message.content == "Hola"
    assert completion.choices[0].finish_reason == "stop"
    assert completion.model == "gpt-scripted"
    assert (completion.usage.prompt_tokens, completion.usage.completion_tokens, completion.usage.total_tokens) == (
        7,
        5,
        12,
    )
    assert completion.usage.prompt_tokens_details.cached_tokens == 3
    assert completion.usage.completion_tokens_details.reasoning_tokens == 2


async def test_a_reply_without_usage_reports_none(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Reply("Hola", usage=None)] * 2)

    assert (await ask(client)).usage is None
    assert all(chunk.choices for chunk in await stream(client, stream_options={"include_usage": True}))


async def test_a_reply_can_call_tools(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply(tool_calls=[ToolCall("add", {"a": 1}, "call_a"), ToolCall("add", "{broken")]))

    choice = (await ask(client, tools=[ADD])).choices[0]

    first, second = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert (first.id, first.function.name, first.function.arguments) == ("call_a", "add", '{"a":1}')
    assert second.function.arguments == "{broken"
    assert second.id


async def test_generated_call_ids_never_repeat(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Reply(tool_calls=[ToolCall("add"), ToolCall("add")])] * 2)

    replies = [(await ask(client, tools=[ADD])).choices[0].message.tool_calls for _ in range(2)]

    assert len({call.id for calls in replies for call in calls}) == 4


async def test_a_reply_can_refuse_and_reason(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply(refusal="I can't.", reasoning="Better not.", finish_reason="content_filter"))

    choice = (await ask(client)).choices[0]

    assert choice.message.refusal == "I can't."
    assert choice.message.content is None
    assert choice.message.reasoning_content == "Better not."
    assert choice.finish_reason == "content_filter"


async def test_a_lone_surrogate_reaches_the_client(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply(tool_calls=[ToolCall("add", '{"a": "\\ud800"}')]))

    assert (await ask(client, tools=[ADD])).choices[0].message.tool_calls[0].function.arguments == '{"a": "\\ud800"}'


async def test_a_function_answers_from_the_request(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    def echo(request: RecordedRequest) -> str:
        return f"You said: {request.last_text}"

    server.default = echo

    assert (await ask(client)).choices[0].message.content == "You said: Hello"
    parts = {"role": "user", "content": [{"type": "text", "text": "Good "}, {"type": "text", "text": "bye"}]}
    assert (await ask(client, HELLO, parts)).choices[0].message.content == "You said: Good bye"


# Streams


async def test_a_stream_is_cut_into_several_deltas(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append("The captain's name is Riker.")

    chunks = await stream(client)

    texts = [chunk.choices[0].delta.content for chunk in chunks if chunk.choices[0].delta.content]
    assert len(texts) > 2
    assert "".join(texts) == "The captain's name is Riker."
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert len({chunk.id for chunk in chunks}) == 1


async def test_a_stream_ends_with_a_usage_chunk_and_done(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply("Hola", usage=Usage(input_tokens=7, output_tokens=5)))
    create = client.chat.completions.with_streaming_response.create
    options: Any = {"include_usage": True}
    messages: Any = [HELLO]

    async with create(model="gpt-scripted", messages=messages, stream=True, stream_options=options) as response:
        frames = [line async for line in response.iter_lines() if line]

    assert frames[-1] == "data: [DONE]"
    assert '"choices":[]' in frames[-2]
    assert '"total_tokens":12' in frames[-2]
    assert all('"usage":null' in frame for frame in frames[:-2])


async def test_a_stream_reports_usage_only_when_asked(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append("Hola")

    assert all(chunk.usage is None and chunk.choices for chunk in await stream(client))


async def test_a_streamed_tool_call_has_its_id_and_name_only_once(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    calls = [ToolCall("add", {"a": 1, "b": 22}, "call_a"), ToolCall("add", {"a": 333}, "call_b")]
    server.script.append(Reply(tool_calls=calls))

    chunks = await stream(client, tools=[ADD])

    deltas = [delta for chunk in chunks for delta in chunk.choices[0].delta.tool_calls or ()]
    named = [(delta.index, delta.id, delta.function.name) for delta in deltas if delta.id and delta.function]
    arguments = ["".join((d.function and d.function.arguments) or "" for d in deltas if d.index == i) for i in (0, 1)]
    assert named == [(0, "call_a", "add"), (1, "call_b", "add")]
    assert arguments == ['{"a":1,"b":22}', '{"a":333}']
    assert len(deltas) > 4
    assert chunks[-1].choices[0].finish_reason == "tool_calls"


async def test_the_official_accumulator_reads_a_stream(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply("Let me add.", tool_calls=[ToolCall("add", {"a": 1}, "call_a")]))
    messages: Any = [HELLO]
    tools: Any = [ADD]

    async with client.chat.completions.stream(model="gpt-scripted", messages=messages, tools=tools) as events:
        message = (await events.get_final_completion()).choices[0].message

    assert message.content == "Let me add."
    assert [call.function.arguments for call in message.tool_calls or ()] == ['{"a":1}']


async def test_refusal_and_reasoning_are_streamed(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply(refusal="I really can't.", reasoning="Better not do that."))

    deltas = [cast("Any", chunk.choices[0].delta) for chunk in await stream(client)]

    assert "".join(delta.refusal or "" for delta in deltas) == "I really can't."
    assert "".join(getattr(delta, "reasoning_content", "") for delta in deltas) == "Better not do that."


# Failures


async def test_a_failure_has_its_status_code_and_message(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    message = "This model's maximum context length is 10 tokens."
    server.script.append(Failure(400, message, code="context_length_exceeded", param="messages"))

    error = await refusal_of(client, HELLO)

    assert (error.code, error.param, error.type) == ("context_length_exceeded", "messages", "invalid_request_error")
    assert message in error.message


async def test_a_rate_limit_is_retried_by_the_client(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    limited = Failure(429, "Slow down.", code="rate_limit_exceeded", headers={"retry-after-ms": "1"})
    server.script.extend([limited, limited, "At last"])

    completion = await ask(client.with_options(max_retries=2))

    assert completion.choices[0].message.content == "At last"
    assert [request.headers["x-stainless-retry-count"] for request in server.requests] == ["0", "1", "2"]


async def test_a_failure_answers_a_stream_too(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Failure(500))

    with pytest.raises(openai.InternalServerError):
        await stream(client)


async def test_an_exhausted_script_says_so_and_is_not_retried(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    with pytest.raises(openai.InternalServerError, match="the script is exhausted"):
        await ask(client.with_options(max_retries=5))

    assert len(server.requests) == 1


async def test_a_failing_function_says_so_and_is_not_retried(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    def broken(request: RecordedRequest) -> str:
        raise LookupError(request.path)

    server.script.append(broken)

    with pytest.raises(openai.InternalServerError, match="LookupError"):
        await ask(client.with_options(max_retries=5))

    assert len(server.requests) == 1


@pytest.mark.parametrize("is_streamed", [False, True])
async def test_a_connection_dropped_before_the_first_byte_is_a_connection_error(
    server: ScriptedOpenAIServer, client: AsyncOpenAI, is_streamed: bool
) -> None:
    server.script.append(Dropped())

    with pytest.raises(openai.APIConnectionError):
        await ask(client, stream=is_streamed)


async def test_a_connection_dropped_in_a_stream_gives_the_chunks_before_it(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    server.script.append(Dropped(after_chunks=3, reply=Reply("A long story.")))
    texts: list[str | None] = []

    async def read() -> None:
        async for chunk in await ask(client, stream=True):
            texts.append(chunk.choices[0].delta.content)  # noqa: PERF401 - what came before the error counts

    with pytest.raises(openai.APIConnectionError):
        await read()

    assert texts == ["", "A long", " story"]


async def test_a_dropped_stream_never_reaches_its_end_mark(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Dropped(after_chunks=1000))

    with pytest.raises(openai.APIConnectionError):
        await stream(client)


async def test_the_server_answers_on_after_a_drop(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Dropped(), "Back again"])

    completion = await ask(client.with_options(max_retries=1))

    assert completion.choices[0].message.content == "Back again"


# Time


async def test_a_delayed_reply_can_be_cancelled(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Reply("Too late", delay_s=30), "In time"])
    slow = asyncio.create_task(ask(client))
    await arrivals(server, 1)

    slow.cancel()

    with pytest.raises(asyncio.CancelledError):
        await slow
    assert (await ask(client)).choices[0].message.content == "In time"


async def test_a_delayed_reply_runs_into_the_clients_timeout(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append(Reply("Too late", delay_s=30))

    with pytest.raises(openai.APITimeoutError):
        await ask(client.with_options(timeout=0.05))


async def test_a_slow_stream_can_be_closed_early(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.extend([Reply("A very long story.", chunk_delay_s=0.05), "Next"])

    async with await ask(client, stream=True) as chunks:
        assert (await anext(chunks)).choices[0].delta.role == "assistant"

    assert (await ask(client)).choices[0].message.content == "Next"


async def test_replies_are_delayed_side_by_side(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.default = Reply("Hola", delay_s=0.2)
    start = time.monotonic()

    await asyncio.gather(*(ask(client) for _ in range(10)))

    assert time.monotonic() - start < 1.5


# Requests


async def test_requests_are_recorded(server: ScriptedOpenAIServer, client: AsyncOpenAI) -> None:
    server.script.append("Hola")

    await ask(client, SYSTEM, HELLO, temperature=0.5)

    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/v1/chat/completions")
    assert request.headers["authorization"] == "Bearer sk-test"
    assert request.body["temperature"] == 0.5
    assert request.messages == [SYSTEM, HELLO]
    assert request.last_text == "Hello"


async def test_a_refused_request_is_recorded_and_takes_nothing_from_the_script(
    server: ScriptedOpenAIServer, client: AsyncOpenAI
) -> None:
    server.script.append("Hola")

    await refusal_of(client, result("call_a"))

    assert server.requests[0].messages == [result("call_a")]
    assert list(server.script) == ["Hola"]


async def test_azures_deployment_path_is_served(server: ScriptedOpenAIServer) -> None:
    server.script.extend(["Hola", "Hola, Riker"])
    azure = AsyncAzureOpenAI(azure_endpoint=server.azure_endpoint, api_version="2024-10-21", api_key="azure-key")

    async with azure:
        completion = await ask(azure)
        chunks = await stream(azure)

    assert completion.choices[0].message.content == "Hola"
    assert chunks[0].choices == []  # the verdict of Azure's filters
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[1:]) == "Hola, Riker"
    assert server.requests[0].path == "/openai/deployments/gpt-scripted/chat/completions"
    assert server.requests[0].query == {"api-version": "2024-10-21"}
    assert server.requests[0].headers["api-key"] == "azure-key"


async def test_azures_v1_path_is_served(server: ScriptedOpenAIServer) -> None:
    server.script.append("Hola")

    async with AsyncOpenAI(base_url=f"{server.azure_endpoint}/openai/v1/", api_key="azure-key") as client:
        completion = await ask(client)

    assert completion.choices[0].message.content == "Hola"
    assert server.requests[0].path == "/openai/v1/chat/completions"


async def test_models_are_listed(client: AsyncOpenAI) -> None:
    assert [model.id async for model in client.models.list()] == ["scripted-model"]


async def test_an_unknown_path_is_named(client: AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError, match=r"Invalid URL \(GET /v1/files\)"):
        await client.files.list()


# Rules


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


# Embeddings


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


# Life


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
        running = [asyncio.create_task(ask(client)), asyncio.create_task(stream(client))]
        await arrivals(server, 2)

    errors = await asyncio.gather(*running, return_exceptions=True)
    await client.close()
    assert [type(error) for error in errors] == [openai.APIConnectionError] * 2
    assert time.monotonic() - start < 5


def test_an_address_before_the_start_is_refused() -> None:
    with pytest.raises(RuntimeError, match="context manager"):
        _ = ScriptedOpenAIServer().base_url


def test_two_servers_run_side_by_side() -> None:
    with ScriptedOpenAIServer() as one, ScriptedOpenAIServer() as other:
        assert one.base_url != other.base_url
