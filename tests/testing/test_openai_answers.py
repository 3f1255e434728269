from __future__ import annotations

from typing import Any, cast

from openai import AsyncOpenAI

from recuerda.testing import RecordedRequest, Reply, ScriptedOpenAIServer, ToolCall, Usage
from tests.testing.asking import ADD, HELLO, ask, stream


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
