"""Threads that the service keeps: they go on by their id alone, and are read, made and deleted there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from recuerda import (
    ChatClientError,
    ChatMessage,
    ChatRequest,
    DataContent,
    FunctionCallContent,
    FunctionResultContent,
    ServiceThreadNotFound,
    TextReasoningContent,
    UriContent,
)
from recuerda.openai import OpenAIResponsesClient
from recuerda.testing.openai_server import Failure, ScriptedOpenAIServer
from tests.openai.service import ADD, KINDS, WAYS, ask, client_of, kept, results


@WAYS
async def test_a_conversation_goes_on_by_its_id_alone(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend(["Hello Riker", ADD, "It is 3.", "Riker"])
    first = await ask(responses, "I am Riker", is_streamed=is_streamed)
    thread = first.service_thread_id
    called = await ask(responses, "1 + 2?", thread=thread, is_streamed=is_streamed)
    await ask(responses, results(called), thread=called.service_thread_id, is_streamed=is_streamed)
    async with client_of(server) as another:
        last = await ask(another, "Who am I?", thread=thread, is_streamed=is_streamed)
    assert {response.service_thread_id for response in (first, called, last)} == {thread}
    assert [len(request.messages) for request in server.requests if request.path.endswith("/responses")] == [1, 1, 2, 1]
    assert kept(server, thread) == [
        "I am Riker", "Hello Riker",
        "1 + 2?", "reasoning", "Let me see", "function_call", "function_call",
        "function_call_output", "function_call_output", "It is 3.",
        "Who am I?", "Riker",
    ]  # fmt: skip


@WAYS
async def test_a_chain_has_a_new_name_with_every_answer_and_its_old_names_stay_good(
    server: ScriptedOpenAIServer, chains: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend(["Hello Riker", ADD, "It is 3.", "Riker", "Hello again"])
    first = await ask(chains, "I am Riker", is_streamed=is_streamed)
    called = await ask(chains, "1 + 2?", thread=first.service_thread_id, is_streamed=is_streamed)
    added = await ask(chains, results(called), thread=called.service_thread_id, is_streamed=is_streamed)
    last = await ask(chains, "Who am I?", thread=added.service_thread_id, is_streamed=is_streamed)
    forked = await ask(chains, "Hello?", thread=first.service_thread_id, is_streamed=is_streamed)
    names = [response.service_thread_id for response in (first, called, added, last, forked)]
    assert names == [f"resp_{number:06d}" for number in range(1, 6)]
    assert [message.text for message in await chains.read_thread(names[4] or "")] == [
        "I am Riker", "Hello Riker", "Hello?", "Hello again",
    ]  # fmt: skip


@KINDS
async def test_a_thread_reads_as_a_run_had_it(server: ScriptedOpenAIServer, kind: Any) -> None:
    server.script.extend([ADD, "It is 3.", "Bye"])
    image = ChatMessage(
        "user", ["1 + 2?", DataContent(b"\x00", "image/png"), UriContent("https://a.test/x.gif", "image/gif")]
    )
    async with client_of(server, threads=kind) as client:
        called = await ask(client, ChatMessage("system", "Be brief."), image)
        answer = await ask(client, results(called), thread=called.service_thread_id)
        last = await ask(client, "Thanks", thread=answer.service_thread_id)
        messages = await client.read_thread(last.service_thread_id or "")
        newest = await client.newest_message_id(last.service_thread_id or "")
    assert [message.role for message in messages] == [
        "system",
        "user",
        "assistant",
        "tool",
        "assistant",
        "user",
        "assistant",
    ]
    assert messages[1].contents == image.contents
    assert messages[2] == called.message
    assert [part.call_id for part in messages[3].contents if isinstance(part, FunctionResultContent)] == [
        call.call_id for call in called.message.function_calls
    ]
    assert (messages[4], messages[6]) == (answer.message, last.message)
    assert all(message.message_id for message in messages)
    assert newest == messages[-1].message_id


async def test_a_service_that_lists_all_earlier_items_with_a_response_gives_none_of_them_twice(
    server: ScriptedOpenAIServer, chains: OpenAIResponsesClient
) -> None:
    server.script.extend(["One", "Two", "Three"])
    thread = None
    for number in "123":
        thread = (await ask(chains, number, thread=thread)).service_thread_id
    for name, stored in server.threads.responses.items():
        server.threads.responses[name] = replace(stored, input=[*stored.context, *stored.input])
    assert [message.text for message in await chains.read_thread(thread or "")] == [
        "1", "One", "2", "Two", "3", "Three",
    ]  # fmt: skip


async def test_a_local_history_is_handed_over_whole_and_goes_on(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    history = [
        ChatMessage("user", "1 + 2?"),
        ChatMessage("assistant", [TextReasoningContent("hm"), FunctionCallContent("c1", "add", {"a": 1})]),
        ChatMessage("tool", [FunctionResultContent("c1", 3)]),
        *(ChatMessage(role, f"{role} {number}") for number in range(25) for role in ("user", "assistant")),
    ]
    server.script.append("Still here")
    thread = await responses.create_thread(history)
    assert (await ask(responses, "There?", thread=thread)).message.text == "Still here"
    read = await responses.read_thread(thread)
    assert [message.text for message in read] == [message.text for message in history] + ["There?", "Still here"]
    assert [message.role for message in read[:3]] == ["user", "assistant", "tool"]


async def test_a_history_that_is_handed_over_in_part_only_does_not_stay(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    history = [ChatMessage("user", str(number)) for number in range(30)]

    server.outages.extend([None, Failure(500)])
    with pytest.raises(ChatClientError):
        await responses.create_thread(history)
    assert server.threads.conversations == {}


@KINDS
async def test_a_deleted_thread_is_gone_whole_and_deleting_it_again_says_so(
    server: ScriptedOpenAIServer, kind: Any
) -> None:
    server.script.extend(["One", "Two"])
    async with client_of(server, threads=kind) as client:
        thread = (await ask(client, "1")).service_thread_id
        thread = (await ask(client, "2", thread=thread)).service_thread_id or ""
        assert await client.delete_thread(thread)
        assert not await client.delete_thread(thread)
        if kind == "response":
            assert server.threads.responses == {}
        assert server.threads.conversations == {}


@WAYS
@KINDS
async def test_a_thread_that_the_service_forgot_is_a_clear_error(
    server: ScriptedOpenAIServer, kind: Any, is_streamed: bool
) -> None:
    server.script.extend(["One", "Two"])
    async with client_of(server, threads=kind) as client:
        thread = (await ask(client, "1")).service_thread_id or ""
        server.threads.forget()
        with pytest.raises(ServiceThreadNotFound, match=thread) as caught:
            await ask(client, "2", thread=thread, is_streamed=is_streamed)
        assert caught.value.service_thread_id == thread
        assert caught.value.status in (400, 404)
        with pytest.raises(ServiceThreadNotFound):
            await client.read_thread(thread)
    assert len(server.script) == 1  # nothing was paid for


async def test_a_temporary_request_leaves_nothing_at_the_service(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append("Hello")
    asked = ChatRequest(messages=[ChatMessage("user", "Hello")], is_temporary=True)
    assert (await responses.respond(asked)).service_thread_id is None
    assert [request.body["store"] for request in server.requests] == [False]
    assert server.threads.conversations == server.threads.responses == {}


async def test_an_empty_conversation_has_no_newest_message(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    thread = await responses.create_thread([])
    assert await responses.newest_message_id(thread) is None
    assert await responses.read_thread(thread) == []
    with pytest.raises(ServiceThreadNotFound):
        await responses.newest_message_id("conv_none")


async def test_whether_the_service_keeps_threads_is_the_clients_store() -> None:
    assert OpenAIResponsesClient(model_id="m", api_key="k").keeps_threads
    assert not OpenAIResponsesClient(model_id="m", api_key="k", store=False).keeps_threads
