"""What the client makes of a service's answers, over real HTTP."""

from __future__ import annotations

from contextlib import aclosing
from typing import Any

import pytest

from recuerda import (
    ChatClientError,
    ChatMessage,
    ChatRequest,
    ChatResponse,
    ChatUpdate,
    ConfigurationError,
    FunctionCallContent,
    FunctionTool,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    Usage,
)
from recuerda.agent.chat import join_updates
from recuerda.openai import OpenAIChatClient
from recuerda.testing import Dropped, Failure, Reply, ScriptedOpenAIServer, ToolCall
from recuerda.testing import Usage as ReplyUsage
from tests.openai.call_fragments import STREAMS
from tests.openai.canned import chunk, completion

HELLO = ChatRequest(messages=[ChatMessage("user", "Hello")])
OPENAI_USAGE = ReplyUsage(input_tokens=20, output_tokens=10, cached_tokens=4, reasoning_tokens=3)
USAGE = Usage(input_tokens=20, output_tokens=10, total_tokens=30, cached_input_tokens=4, reasoning_tokens=3)
WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])


def add(a: int, b: int = 0) -> int:
    """Add two numbers."""
    return a + b


ADD = FunctionTool.of(add)


async def updates(client: OpenAIChatClient, request: ChatRequest = HELLO) -> list[ChatUpdate]:
    async with aclosing(client.stream(request)) as stream:
        return [update async for update in stream]


async def answer(client: OpenAIChatClient, request: ChatRequest = HELLO, *, is_streamed: bool) -> ChatResponse:
    return join_updates(await updates(client, request)) if is_streamed else await client.respond(request)


# Both ways


@WAYS
async def test_an_answer_has_text_id_usage_and_finish_reason(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply("Hola, ¿qué tal? 😀", usage=OPENAI_USAGE))
    response = await answer(client, is_streamed=is_streamed)
    assert response.message == ChatMessage("assistant", "Hola, ¿qué tal? 😀", message_id="chatcmpl-1")
    assert response.usage == USAGE
    assert response.finish_reason == "stop"


@WAYS
async def test_calls_come_whole_and_in_order(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    calls = [ToolCall("add", {"a": 1, "b": 22}, "call_a"), ToolCall("add", "not JSON", "call_b")]
    server.script.append(Reply("Let me see.", tool_calls=calls))
    response = await answer(client, ChatRequest(messages=HELLO.messages, tools=[ADD]), is_streamed=is_streamed)
    assert response.message.contents == (
        TextContent("Let me see."),
        FunctionCallContent("call_a", "add", '{"a":1,"b":22}'),
        FunctionCallContent("call_b", "add", "not JSON"),
    )
    assert response.finish_reason == "tool_calls"


@WAYS
async def test_reasoning_comes_before_the_text(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply("Four.", reasoning="Two and two is …"))
    response = await answer(client, is_streamed=is_streamed)
    assert response.message.contents == (TextReasoningContent("Two and two is …"), TextContent("Four."))


@WAYS
async def test_a_refusal_is_a_refusal(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply(refusal="I can't help with that."))
    response = await answer(client, is_streamed=is_streamed)
    assert response.message.contents == (RefusalContent("I can't help with that."),)


@WAYS
async def test_a_service_that_reports_no_usage_leaves_it_open(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply("Hi", usage=None))
    assert (await answer(client, is_streamed=is_streamed)).usage is None


@WAYS
@pytest.mark.parametrize(
    ("sent", "read"),
    [("12345\ud83d\ude00.", "12345😀."), ("half \ud83d", "half \ufffd"), ("\ude00 half", "\ufffd half")],
)
async def test_halves_of_a_character_are_joined_and_a_lone_one_is_replaced(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool, sent: str, read: str
) -> None:
    server.script.append(Reply(sent))
    assert (await answer(client, is_streamed=is_streamed)).message.contents == (TextContent(read),)


@WAYS
@pytest.mark.parametrize(("reason", "advice"), [("length", "max_completion_tokens"), ("content_filter", "filter")])
async def test_an_answer_stopped_before_its_first_word_is_an_error(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool, reason: str, advice: str
) -> None:
    server.script.append(Reply("", reasoning="Let me think", finish_reason=reason))
    with pytest.raises(ChatClientError, match=advice):
        await answer(client, is_streamed=is_streamed)


@WAYS
async def test_an_answer_stopped_by_its_limit_is_kept(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Reply("Once upon a", finish_reason="length"))
    response = await answer(client, is_streamed=is_streamed)
    assert (response.message.text, response.finish_reason) == ("Once upon a", "length")


# Requests


@WAYS
async def test_options_reach_the_body_those_that_the_sdk_does_not_know_too(
    client: OpenAIChatClient, server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.default = "Hi"
    options: dict[str, Any] = {"temperature": 0, "seed": 7, "top_k": 40, "extra_body": {"min_p": 0.1}, "model": "other"}
    await answer(client, ChatRequest(messages=HELLO.messages, options=options), is_streamed=is_streamed)
    body = server.requests[0].body
    assert (body["temperature"], body["seed"], body["top_k"], body["min_p"]) == (0, 7, 40, 0.1)
    assert body["model"] == "other"


@pytest.mark.parametrize("name", ["messages", "tools", "stream", "n"])
async def test_an_option_that_is_the_clients_own_is_refused(client: OpenAIChatClient, name: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        await client.respond(ChatRequest(messages=HELLO.messages, options={name: 1}))


async def test_tools_are_sent_with_their_schema(client: OpenAIChatClient, server: ScriptedOpenAIServer) -> None:
    server.default = "Hi"
    await client.respond(
        ChatRequest(messages=HELLO.messages, tools=[ADD], options={"tool_choice": "auto", "parallel_tool_calls": False})
    )
    body = server.requests[0].body
    function = {"name": "add", "description": "Add two numbers.", "parameters": dict(ADD.parameters)}
    assert body["tools"] == [{"type": "function", "function": function}]
    assert (body["tool_choice"], body["parallel_tool_calls"]) == ("auto", False)


async def test_tools_that_may_not_be_called_are_sent_with_the_choice_none(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.default = "Hi"
    request = ChatRequest(
        messages=HELLO.messages, tools=[ADD], may_call_tools=False, options={"tool_choice": "required"}
    )
    await client.respond(request)
    assert server.requests[0].body["tool_choice"] == "none"


async def test_settings_of_tools_are_left_out_when_there_are_no_tools(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.default = "Hi"
    options: dict[str, Any] = {"tool_choice": "auto", "parallel_tool_calls": True}
    await client.respond(ChatRequest(messages=HELLO.messages, options=options))
    assert not {"tools", "tool_choice", "parallel_tool_calls"} & server.requests[0].body.keys()


# Streams


async def test_text_comes_in_pieces_and_usage_with_the_last(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.script.append("A text of several pieces.")
    pieces = await updates(client)
    assert len(pieces) > 3
    assert [piece.usage is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]


async def test_a_stream_without_stream_options_asks_for_no_usage(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.script.append("Hi")
    response = await answer(
        client, ChatRequest(messages=HELLO.messages, options={"stream_options": None}), is_streamed=True
    )
    assert "stream_options" not in server.requests[0].body
    assert response.usage is None


async def test_a_server_that_refuses_stream_options_is_asked_without_from_then_on(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    server.script.extend([Failure(400, "Unrecognized request argument supplied: stream_options"), "One", "Two"])
    texts = [(await answer(client, is_streamed=True)).message.text for _ in range(2)]
    assert texts == ["One", "Two"]
    assert ["stream_options" in request.body for request in server.requests] == [True, False, False]


async def test_an_answer_whose_connection_breaks_after_its_end_is_kept(
    client: OpenAIChatClient, server: ScriptedOpenAIServer
) -> None:
    # The opening, the text, the end; the usage and the end mark are lost.
    server.script.append(Dropped(after_chunks=3, reply=Reply("Hi")))
    response = await answer(client, is_streamed=True)
    assert (response.message.text, response.finish_reason, response.usage) == ("Hi", "stop", None)


async def test_a_stream_that_ends_without_its_end_is_cut_off(canned: Any, canned_client: OpenAIChatClient) -> None:
    canned.chunks(chunk({"role": "assistant", "content": "Half an ans"}))
    with pytest.raises(ChatClientError, match="cut off"):
        await updates(canned_client)


async def test_parallel_calls_under_one_index_are_told_apart_by_their_ids(
    canned: Any, canned_client: OpenAIChatClient
) -> None:
    calls = [
        {"index": 0, "id": id, "type": "function", "function": {"name": "add", "arguments": '{"a":1}'}}
        for id in ("x", "y")
    ]
    canned.chunks(chunk({"tool_calls": calls[:1]}), chunk({"tool_calls": calls[1:]}), chunk({}, finish_reason="stop"))
    message = (await answer(canned_client, is_streamed=True)).message
    assert [(call.call_id, call.arguments) for call in message.function_calls] == [("x", '{"a":1}'), ("y", '{"a":1}')]


@pytest.mark.parametrize("stream", STREAMS)
async def test_fragments_of_parallel_calls_make_whole_calls(
    canned: Any, canned_client: OpenAIChatClient, stream: str
) -> None:
    fragments, expected = STREAMS[stream]
    deltas = [{"tool_calls": [one]} if one else {"content": "Let me see."} for one in fragments]
    canned.chunks(*map(chunk, deltas), chunk({}, finish_reason="tool_calls"))
    calls = (await answer(canned_client, is_streamed=True)).message.function_calls
    assert [(call.name, call.arguments) for call in calls] == [(name, arguments) for _, name, arguments in expected]
    assert [call.call_id for call in calls if call.call_id in ("x", "y")] == [id for id, _, _ in expected if id]
    assert len({call.call_id for call in calls}) == len(calls)


@WAYS
async def test_calls_without_ids_get_one_each(canned: Any, canned_client: OpenAIChatClient, is_streamed: bool) -> None:
    calls = [{"index": i, "id": "", "function": {"name": "add", "arguments": ""}} for i in range(2)]
    if is_streamed:
        canned.chunks(chunk({"tool_calls": calls}), chunk({}, finish_reason="tool_calls"))
    else:
        canned.whole(completion({"role": "assistant", "content": None, "tool_calls": calls}))
    one, other = (await answer(canned_client, is_streamed=is_streamed)).message.function_calls
    assert one.call_id.startswith("call_")
    assert one.call_id != other.call_id
    assert one.arguments == "{}"


async def test_chunks_without_a_choice_or_a_delta_are_passed_over(canned: Any, canned_client: OpenAIChatClient) -> None:
    canned.chunks(
        {**chunk({}), "choices": []},
        chunk(None),
        chunk({"content": "Hi", "reasoning": "Hm"}),
        chunk({}, finish_reason="stop", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": None}),
    )
    response = await answer(canned_client, is_streamed=True)
    assert response.message.contents == (TextReasoningContent("Hm"), TextContent("Hi"))
    assert response.usage == Usage(input_tokens=3, output_tokens=2, total_tokens=5)


async def test_an_error_inside_a_stream_is_an_error(canned: Any, canned_client: OpenAIChatClient) -> None:
    canned.chunks(
        chunk({"content": "Half"}), {"error": {"message": "SECRET words", "type": "server_error", "code": "overloaded"}}
    )
    with pytest.raises(ChatClientError, match="overloaded") as caught:
        await updates(canned_client)
    assert "SECRET" not in str(caught.value)


async def test_a_chunk_that_is_not_json_is_an_error(canned: Any, canned_client: OpenAIChatClient) -> None:
    canned.body = b"data: {oops\n\n"
    with pytest.raises(ChatClientError, match="JSONDecodeError"):
        await updates(canned_client)


@pytest.mark.parametrize(
    ("content_type", "body"),
    [("text/html", b"<h1>Welcome</h1>"), ("application/json", b'{"choices": []}'), ("application/json", b"null")],
)
async def test_an_answer_that_is_no_chat_completion_is_an_error(
    canned: Any, canned_client: OpenAIChatClient, content_type: str, body: bytes
) -> None:
    canned.content_type, canned.body = content_type, body
    with pytest.raises(ChatClientError, match="not a chat completion: check base_url"):
        await canned_client.respond(HELLO)


async def test_an_answer_of_unreadable_shape_is_an_error(canned: Any, canned_client: OpenAIChatClient) -> None:
    canned.whole(completion(None))
    with pytest.raises(ChatClientError, match="could not be read"):
        await canned_client.respond(HELLO)
