"""What the Responses API answers, as messages: whole and streamed, as it should be and as it should not."""

from __future__ import annotations

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
    FunctionResultContent,
    RefusalContent,
    TextContent,
    TextReasoningContent,
    UnknownContent,
    Usage,
)
from recuerda.agent.chat import join_updates
from recuerda.agent.tools import FunctionTool
from recuerda.openai import OpenAIResponsesClient
from recuerda.testing import openai_script as script
from recuerda.testing.openai_server import Dropped, Failure, Reply, ScriptedOpenAIServer, ToolCall
from tests.openai.canned import CannedServer

HELLO = ChatMessage("user", "Hello")
WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])
SEARCH: script.JSONObject = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"query": "x"}}


def add(a: int, b: int = 2) -> int:
    """Add two numbers."""
    return a + b


TOOLS = [FunctionTool.of(add)]


async def updates(client: OpenAIResponsesClient, request: ChatRequest) -> list[ChatUpdate]:
    return [update async for update in client.stream(request)]


async def ask(
    client: OpenAIResponsesClient, *messages: ChatMessage, is_streamed: bool = False, **fields: Any
) -> ChatResponse:
    request = ChatRequest(messages=messages or [HELLO], **fields)
    return join_updates(await updates(client, request)) if is_streamed else await client.respond(request)


def contents(response: ChatResponse) -> list[object]:
    return list(response.message.contents)


@WAYS
async def test_a_text_is_plain_and_has_the_services_id(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, is_streamed: bool
) -> None:
    usage = script.Usage(30, 12, cached_tokens=20, reasoning_tokens=5)
    server.script.append(Reply("Good morning to you", usage=usage))
    response = await ask(responses, is_streamed=is_streamed)
    assert response == ChatResponse(
        message=ChatMessage("assistant", "Good morning to you", message_id="msg_000002o000"),
        usage=Usage(30, 12, 42, 20, 5),
        finish_reason="stop",
        service_thread_id="conv_000001",
        response_id="resp_000002",
    )


async def test_a_stream_says_what_it_knows_as_soon_as_it_knows_it(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append(Reply("Good morning", tool_calls=[ToolCall("add", {"a": 1})]))
    given = await updates(responses, ChatRequest(messages=[HELLO], tools=TOOLS))
    assert given[0].response_id == "resp_000002"
    assert [part.text for update in given for part in update.contents if isinstance(part, TextContent)] == [
        "Good m",
        "orning",
    ]
    calls = [part for update in given for part in update.contents if isinstance(part, FunctionCallContent)]
    assert [call.arguments for call in calls] == ['{"a":1}']
    assert [update.service_thread_id for update in given if update.service_thread_id] == ["conv_000001"]
    assert given[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    "reply",
    [
        Reply("Three", reasoning="One, then two"),
        Reply("Let me see", reasoning="", tool_calls=[ToolCall("add", {"a": 1}), ToolCall("add", "{")]),
        Reply("I would", refusal="but I may not"),
        Reply(refusal="No"),
        Reply("Found", items=[SEARCH]),
        Reply("\ud83d\ude00 and \ud83d", reasoning="a\ud83d"),
        Reply("Half an", finish_reason="length"),
        Reply(""),
    ],
    ids=["reasoning", "calls", "text and refusal", "refusal", "unknown item", "surrogates", "cut", "nothing"],
)
async def test_whole_and_streamed_answers_are_the_same(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, reply: Reply
) -> None:
    server.script.append(reply)
    whole = await ask(local)
    server.requests.clear()
    server.script.append(reply)
    assert await ask(local, is_streamed=True) == whole


@WAYS
async def test_everything_of_an_answer_is_kept_in_its_order(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.append(
        Reply("See", reasoning="hm", refusal="no", items=[SEARCH], tool_calls=[ToolCall("add", {"a": 1}, id="c1")])
    )
    response = await ask(local, is_streamed=is_streamed)
    summary: list[object] = [{"type": "summary_text", "text": "hm"}]
    assert contents(response) == [
        TextReasoningContent(
            "hm", "encrypted:rs_000001o000", additional_properties={"id": "rs_000001o000", "summary": summary}
        ),
        UnknownContent({**SEARCH}),
        TextContent("See"),
        RefusalContent("no"),
        FunctionCallContent("c1", "add", '{"a":1}', additional_properties={"id": "fc_000001o003"}),
    ]
    assert response.message.message_id == "msg_000001o002"
    assert response.service_thread_id is None


@WAYS
async def test_a_service_that_keeps_nothing_is_sent_everything_with_its_reasoning(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend([Reply(reasoning="hm", items=[SEARCH], tool_calls=[ToolCall("add", {"a": 1})]), "Three"])
    first = await ask(local, is_streamed=is_streamed, tools=TOOLS)
    result = ChatMessage("tool", [FunctionResultContent(first.message.function_calls[0].call_id, 3)])
    await ask(local, HELLO, first.message, result, is_streamed=is_streamed, tools=TOOLS)
    body = server.requests[1].body
    assert (body["store"], body["include"]) == (False, ["reasoning.encrypted_content"])
    assert [item.get("type") for item in server.requests[1].messages] == [
        None,
        "reasoning",
        "web_search_call",
        "function_call",
        "function_call_output",
    ]
    assert server.threads.responses == {}


@WAYS
async def test_a_model_that_does_not_reason_is_asked_again_without_its_thoughts(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool
) -> None:
    refused = Failure(400, "Encrypted content is not supported with this model.", param="include")
    server.script.extend([refused, "One", "Two"])
    assert (await ask(local, is_streamed=is_streamed)).message.text == "One"
    assert (await ask(local, is_streamed=is_streamed)).message.text == "Two"
    assert ["include" in request.body for request in server.requests] == [True, False, False]


@WAYS
async def test_thoughts_of_another_organization_are_left_out(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.append("Three")
    summary: list[object] = []
    foreign = TextReasoningContent("", "sealed elsewhere", additional_properties={"id": "rs_9", "summary": summary})
    history = [ChatMessage("assistant", [foreign, "Two"], message_id="msg_9"), HELLO]
    assert (await ask(local, HELLO, *history, is_streamed=is_streamed)).message.text == "Three"
    assert [item.get("type") for item in server.requests[-1].messages] == [None, "message", None]


@WAYS
@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(finish_reason="failed"), r"failed in the middle of its answer \(code server_error\)"),
        (Reply(reasoning="too long", items=(), tool_calls=[], finish_reason="length"), "raise max_output_tokens"),
        (Reply(reasoning="x", finish_reason="content_filter"), "content filter withheld"),
    ],
    ids=["failed", "too long", "filtered"],
)
async def test_an_answer_that_is_none_is_an_error(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool, reply: Reply, words: str
) -> None:
    server.script.append(reply)
    with pytest.raises(ChatClientError, match=words):
        await ask(local, is_streamed=is_streamed)


@WAYS
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500])
async def test_a_refused_call_is_an_error_with_its_status(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, is_streamed: bool, status: int
) -> None:
    server.script.append(Failure(status, "The model `x` does not exist", code="model_not_found"))
    with pytest.raises(ChatClientError, match="model 'gpt-scripted' at http://127") as caught:
        await ask(local, is_streamed=is_streamed)
    assert caught.value.status == status
    assert type(caught.value) is ChatClientError


@pytest.mark.parametrize("after", range(1, 9))
async def test_a_stream_that_is_cut_is_an_error_and_never_an_answer(
    server: ScriptedOpenAIServer, local: OpenAIResponsesClient, after: int
) -> None:
    server.script.append(Dropped(after_chunks=after, reply=Reply("A word")))
    with pytest.raises(ChatClientError):
        await ask(local, is_streamed=True)


def message_item(id: str, text: str, **fields: object) -> dict[str, object]:
    content: list[dict[str, object]] = [{"type": "output_text", "text": text, "annotations": []}]
    return {"type": "message", "id": id, "role": "assistant", "status": "completed", "content": content, **fields}


def completed(*items: object, **fields: object) -> dict[str, object]:
    return {"id": "resp_1", "object": "response", "status": "completed", "output": list(items), **fields}


def events(*items: dict[str, Any], deltas: bool = True) -> list[dict[str, object]]:
    found: list[dict[str, object]] = [{"type": "response.created", "response": completed()}]
    for item in items:
        found.append({"type": "response.output_item.added", "item": {**item, "content": []}})
        if deltas and item["type"] == "message":
            found.append({
                "type": "response.output_text.delta", "item_id": item["id"], "delta": item["content"][0]["text"]
            })  # fmt: skip
        found.append({"type": "response.output_item.done", "item": item})
    return [*found, {"type": "response.completed", "response": completed(*items)}]


@pytest.mark.parametrize("deltas", [False, True], ids=["without pieces", "in pieces"])
async def test_several_output_messages_stay_apart(
    canned: CannedServer, canned_responses: OpenAIResponsesClient, deltas: bool
) -> None:
    items = [
        message_item("msg_1", "One"),
        message_item("msg_2", "Two"),
        message_item("msg_3", "3", phase="final_answer"),
    ]
    canned.chunks(*events(*items, deltas=deltas), done=False)
    streamed = await ask(canned_responses, is_streamed=True)
    canned.whole(completed(*items))
    assert await ask(canned_responses) == streamed
    assert contents(streamed) == [
        TextContent("One", additional_properties={"id": "msg_1"}),
        TextContent("Two", additional_properties={"id": "msg_2"}),
        TextContent("3", additional_properties={"id": "msg_3", "phase": "final_answer"}),
    ]
    assert streamed.message.message_id == "msg_1"


async def test_items_that_only_the_end_of_a_stream_has_are_not_lost(
    canned: CannedServer, canned_responses: OpenAIResponsesClient
) -> None:
    canned.chunks({"type": "response.completed", "response": completed(message_item("msg_1", "Whole"))})
    assert (await ask(canned_responses, is_streamed=True)).message.text == "Whole"


async def test_an_emoji_that_is_cut_between_two_pieces_is_whole(
    canned: CannedServer, canned_responses: OpenAIResponsesClient
) -> None:
    pieces = [
        {"type": "response.output_text.delta", "item_id": "msg_1", "delta": half} for half in ("\ud83d", "\ude00")
    ]
    canned.chunks(*pieces, {"type": "response.completed", "response": completed(message_item("msg_1", "😀"))})
    assert (await ask(canned_responses, is_streamed=True)).message.text == "😀"


async def test_reasoning_in_clear_is_readable(canned: CannedServer, canned_responses: OpenAIResponsesClient) -> None:
    thoughts = [{"type": "reasoning_text", "text": "One."}, {"type": "reasoning_text", "text": "Two."}]
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": thoughts}
    canned.whole(completed(item, message_item("msg_1", "Three")))
    whole = await ask(canned_responses)
    deltas = [
        {"type": "response.reasoning_text.delta", "item_id": "rs_1", "content_index": index, "delta": part["text"]}
        for index, part in enumerate(thoughts)
    ]
    done = {"type": "response.output_item.done", "item": item}
    end = {"type": "response.completed", "response": completed(item, message_item("msg_1", "Three"))}
    canned.content_type = "text/event-stream"
    canned.chunks(*deltas, done, end)
    assert await ask(canned_responses, is_streamed=True) == whole
    assert isinstance(whole.message.contents[0], TextReasoningContent)
    assert whole.message.contents[0].text == "One.\n\nTwo."


ODD: list[tuple[dict[str, Any], str]] = [
    ({"id": "chatcmpl-1", "object": "chat.completion", "choices": []}, "not a response: check base_url"),
    (completed(status="in_progress"), r"did not finish the answer \(status in_progress\)"),
    (completed(status="odd words, and a secret"), r"did not finish the answer \(status unknown\)"),
]


@pytest.mark.parametrize(("body", "words"), ODD)
async def test_a_body_that_is_no_answer_is_an_error(
    canned: CannedServer, canned_responses: OpenAIResponsesClient, body: dict[str, Any], words: str
) -> None:
    canned.whole(body)
    with pytest.raises(ChatClientError, match=words):
        await ask(canned_responses)


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "secret words", "param": None},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "secret words"}},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}},
    ],
    ids=["error", "nested error", "failed"],
)
async def test_an_error_in_a_stream_is_an_error_without_the_services_words(
    canned: CannedServer, canned_responses: OpenAIResponsesClient, event: dict[str, Any]
) -> None:
    canned.chunks({"type": "response.created", "response": completed()}, event)
    with pytest.raises(ChatClientError, match="code rate_limit_exceeded") as caught:
        await ask(canned_responses, is_streamed=True)
    assert "secret" not in str(caught.value)


async def test_a_service_without_conversations_is_told_of(server: ScriptedOpenAIServer) -> None:
    elsewhere = f"{server.azure_endpoint}/elsewhere/v1"
    async with OpenAIResponsesClient(model_id="m", api_key="k", base_url=elsewhere, max_retries=0) as client:
        with pytest.raises(ChatClientError, match="has no conversations") as caught:
            await ask(client)
    assert type(caught.value) is ChatClientError
    assert caught.value.status == 404


async def test_settings_that_contradict_one_another_are_refused() -> None:
    with pytest.raises(ConfigurationError, match="v1 interface"):
        OpenAIResponsesClient(model_id="m", api_key="k", azure_endpoint="https://a.test", api_version="2024-10-21")
    with pytest.raises(ConfigurationError, match='"conversation" or "response"'):
        OpenAIResponsesClient(model_id="m", api_key="k", threads="thread")  # pyright: ignore[reportArgumentType]  # on purpose
    with pytest.raises(TypeError):
        OpenAIResponsesClient(model_id="m", api_key="k", base="https://a.test")  # pyright: ignore[reportCallIssue]  # as above


async def test_azure_is_reached_on_its_v1_interface(server: ScriptedOpenAIServer) -> None:
    server.script.append("Hi")
    environ = {
        "AZURE_OPENAI_ENDPOINT": server.azure_endpoint,
        "AZURE_OPENAI_API_KEY": "k",
        "AZURE_OPENAI_DEPLOYMENT": "mine",
        "OPENAI_API_VERSION": "2024-10-21",
    }
    async with OpenAIResponsesClient.from_env(environ=environ, threads="response", max_retries=0) as client:
        assert (await ask(client)).service_thread_id == "resp_000001"
        assert repr(client) == f"OpenAIResponsesClient(model_id='mine', url='{server.azure_endpoint}/openai/v1/')"
    assert server.requests[0].path == "/openai/v1/responses"
