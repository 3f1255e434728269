"""What failures leave of a thread that the service keeps: whole turns, and nothing else."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import pytest

from recuerda import ChatClientError, ChatMessage, FunctionResultContent
from recuerda.openai import OpenAIResponsesClient, responses_threads
from recuerda.testing.openai_server import Dropped, Failure, Reply, ScriptedOpenAIServer
from tests.openai.service import ADD, WAYS, ask, client_of, kept, request, results, until

SLOW = Reply("A story that is long enough to be cut into pieces.", chunk_delay_s=0.05)
FAULTS = pytest.mark.parametrize(
    "fault",
    [
        Failure(500),
        Failure(429),
        Dropped(),
        Dropped(after_chunks=5),
        Dropped(after_chunks=5, is_kept=True),
        Reply(finish_reason="failed"),
    ],
    ids=["500", "429", "dropped", "cut", "cut and kept", "failed"],
)


@FAULTS
async def test_a_failed_call_in_a_new_conversation_leaves_no_conversation(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, fault: Any
) -> None:
    for is_streamed in (False, True):
        server.script.append(fault)
        with pytest.raises(ChatClientError):
            await ask(responses, "Hello", is_streamed=is_streamed)
        assert server.threads.conversations == {}


@FAULTS
async def test_a_failed_stream_leaves_a_conversation_as_it_was(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, fault: Any
) -> None:
    server.script.extend(["Hello", fault, "Fine"])
    thread = (await ask(responses, "Hello")).service_thread_id
    with pytest.raises(ChatClientError):
        await ask(responses, "How are you?", thread=thread, is_streamed=True)
    assert kept(server, thread) == ["Hello", "Hello"]
    assert (await ask(responses, "How are you?", thread=thread)).message.text == "Fine"


@FAULTS
@WAYS
async def test_a_turn_that_fails_after_its_first_call_is_taken_out_again(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, fault: Any, is_streamed: bool
) -> None:
    server.script.extend(["Hello", ADD, fault, "Fine"])
    thread = (await ask(responses, "Hello")).service_thread_id
    first = request(ChatMessage("system", "It is late."), "1 + 2?", thread=thread)
    called = await responses.respond(first)
    with pytest.raises(ChatClientError):
        await ask(responses, results(called), thread=thread, is_streamed=is_streamed)
    await responses.retract(first, [called])
    assert kept(server, thread) == ["Hello", "Hello"]
    assert (await ask(responses, "How are you?", thread=thread)).message.text == "Fine"


async def test_a_turn_of_several_answers_is_taken_out_and_other_turns_stay(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", ADD, ADD, "Three", "Meanwhile"])
    thread = (await ask(responses, "Hello")).service_thread_id
    first = request("Hello", thread=thread)  # the same words as before: identity is by id
    one = await responses.respond(first)
    two = await ask(responses, results(one), thread=thread)
    three = await ask(responses, results(two), thread=thread)
    await ask(responses, "Another's", thread=thread)
    await responses.retract(first, [one, two, three])
    assert kept(server, thread) == ["Hello", "Hello", "Another's", "Meanwhile"]


async def test_a_long_conversation_is_not_read_whole_to_take_a_turn_out(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append(ADD)
    history = [ChatMessage(role, str(number)) for number in range(500) for role in ("user", "assistant")]
    thread = await responses.create_thread(history)
    server.requests.clear()
    first = request("1 + 2?", thread=thread)
    await responses.retract(first, [await responses.respond(first)])
    assert await responses.newest_message_id(thread) == server.threads.conversations[thread].items[-1]["id"]
    assert len(server.threads.conversations[thread].items) == 1000
    assert [seen.method for seen in server.requests] == ["POST", "GET", *["DELETE"] * 5, "GET"]


@WAYS
async def test_a_service_that_is_too_slow_leaves_the_thread_as_it_was(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend(["Hello", Reply("Late", delay_s=30)])
    thread = (await ask(responses, "Hello")).service_thread_id
    async with client_of(server, timeout_s=0.2) as impatient:
        with pytest.raises(ChatClientError, match=r"within 0\.2 s"):
            await ask(impatient, "How are you?", thread=thread, is_streamed=is_streamed)
    assert kept(server, thread) == ["Hello", "Hello"]


async def test_closing_the_client_waits_for_what_is_being_taken_back(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append(Reply("Late", delay_s=30))
    task = asyncio.ensure_future(ask(responses, "A story"))
    await until(lambda: len(server.requests) == 2)
    for _ in range(2):  # the second one breaks off the wait, and not the work
        task.cancel()
        await asyncio.sleep(0)
    await cancelled(task)
    await responses.close()
    assert server.threads.conversations == {}


LOCKED = Failure(400, "Another process is operating on this conversation.", code="conversation_locked")


@WAYS
async def test_a_conversation_that_the_service_is_busy_with_is_waited_for(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, is_streamed: bool
) -> None:
    server.script.extend(["Hello", LOCKED, LOCKED, ADD])
    thread = (await ask(responses, "Hello")).service_thread_id
    first = request("1 + 2?", thread=thread)
    called = await ask(responses, "1 + 2?", thread=thread, is_streamed=is_streamed)
    server.outages.extend([None, LOCKED])  # listing the items, deleting the first of them
    await responses.retract(first, [called])
    assert kept(server, thread) == ["Hello", "Hello"]


async def test_a_conversation_that_stays_locked_is_an_error(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(responses_threads, "LOCK_WAITS_S", (0.0, 0.0))
    server.script.append("Hello")
    thread = (await ask(responses, "Hello")).service_thread_id
    server.default = LOCKED
    with pytest.raises(ChatClientError, match="code conversation_locked"):
        await ask(responses, "How are you?", thread=thread)
    assert len([seen for seen in server.requests if seen.path == "/v1/responses"]) == 4


async def test_a_conversation_that_the_failed_turn_made_is_deleted(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append(ADD)
    first = request("1 + 2?")
    await responses.retract(first, [await responses.respond(first)])
    assert server.threads.conversations == {}


async def test_of_a_chain_the_answers_are_deleted_that_nobody_builds_on(
    server: ScriptedOpenAIServer, chains: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", ADD, "Fine"])
    thread = (await ask(chains, "Hello")).service_thread_id
    first = request("1 + 2?", thread=thread)
    await chains.retract(first, [await chains.respond(first)])
    assert list(server.threads.responses) == [thread]
    assert (await ask(chains, "How are you?", thread=thread)).message.text == "Fine"


async def test_a_retraction_that_fails_is_logged_and_not_raised(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, caplog: pytest.LogCaptureFixture
) -> None:
    server.script.append(ADD)
    first = request("1 + 2?")
    called = await responses.respond(first)
    server.outages.append(Failure(500))
    with caplog.at_level(logging.WARNING, "recuerda"):
        await responses.retract(first, [called])
        await responses.close()
        await responses.retract(first, [called])
    assert [record.name for record in caplog.records] == ["recuerda.openai", "recuerda.openai"]


@WAYS
@pytest.mark.parametrize("rounds", [1, 2])
async def test_half_a_turn_of_a_process_that_died_is_mended(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, is_streamed: bool, rounds: int
) -> None:
    server.script.extend(["Hello", *[ADD] * rounds, "Fine"])
    thread = (await ask(responses, "Hello")).service_thread_id
    called = await ask(responses, ChatMessage("system", "It is late."), "1 + 2?", thread=thread)
    for _ in range(rounds - 1):
        called = await ask(responses, results(called), thread=thread)
    answer = await ask(responses, "How are you?", thread=thread, is_streamed=is_streamed)
    assert answer.message.text == "Fine"
    assert kept(server, thread) == ["Hello", "Hello", "How are you?", "Fine"]


async def test_a_turn_that_is_resumed_replaces_the_half_of_it_that_the_service_has(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", ADD, "It is 3."])
    thread = (await ask(responses, "Hello")).service_thread_id
    called = await ask(responses, "1 + 2?", thread=thread)
    saved = [ChatMessage("user", "1 + 2?"), called.message, results(called)]
    assert (await ask(responses, *saved, thread=thread)).message.text == "It is 3."
    assert kept(server, thread) == [
        "Hello", "Hello",
        "1 + 2?", "Let me see", "function_call", "function_call",
        "function_call_output", "function_call_output", "It is 3.",
    ]  # fmt: skip
    assert len(await responses.read_thread(thread or "")) == 6


async def test_a_running_turn_is_not_mended_away(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", ADD])
    thread = (await ask(responses, "Hello")).service_thread_id
    called = await ask(responses, "1 + 2?", thread=thread)
    (call, _) = called.message.function_calls
    with pytest.raises(ChatClientError) as caught:
        await ask(responses, ChatMessage("tool", FunctionResultContent(call.call_id, 3)), thread=thread)
    assert caught.value.status == 400
    assert len(kept(server, thread)) == 7


async def test_what_cannot_be_mended_is_an_error_and_stays_as_it_is(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.append(ADD)
    thread = (await ask(responses, "1 + 2?")).service_thread_id or ""
    server.threads.add(thread, {"items": [{"role": "user", "content": "Another's"}]}, number=99)
    before = kept(server, thread)
    with pytest.raises(ChatClientError):
        await ask(responses, "And?", thread=thread)
    assert kept(server, thread) == before


async def cancelled(task: asyncio.Task[Any]) -> None:
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


STARTS: list[Callable[[OpenAIResponsesClient, str | None], Awaitable[Any]]] = [
    lambda client, thread: ask(client, "A story", thread=thread),
    lambda client, thread: ask(client, "A story", thread=thread, is_streamed=True),
]


@pytest.mark.parametrize("start", STARTS, ids=["whole", "streamed"])
@pytest.mark.parametrize("is_new", [False, True], ids=["known thread", "new thread"])
async def test_a_cancelled_call_leaves_nothing(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient, start: Any, is_new: bool
) -> None:
    server.script.append("Hello")
    thread = (await ask(responses, "Hello")).service_thread_id
    server.script.append(Reply("Late", delay_s=30, chunk_delay_s=0.05))
    asked = len(server.requests)
    task = asyncio.ensure_future(start(responses, None if is_new else thread))
    await until(lambda: len(server.requests) == asked + (2 if is_new else 1))
    await cancelled(task)
    assert list(server.threads.conversations) == [thread]
    assert kept(server, thread) == ["Hello", "Hello"]


async def test_a_stream_that_is_closed_in_the_middle_leaves_nothing(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    server.script.extend(["Hello", SLOW])
    thread = (await ask(responses, "Hello")).service_thread_id
    async with aclosing(responses.stream(request("A story", thread=thread))) as stream:
        async for update in stream:
            if update.contents:
                break
    assert kept(server, thread) == ["Hello", "Hello"]


async def test_an_answer_is_added_once_however_often_a_busy_service_is_asked(
    server: ScriptedOpenAIServer, responses: OpenAIResponsesClient
) -> None:
    busy = Failure(429, headers={"retry-after-ms": "1"})
    server.script.extend([busy, busy, "Hello"])
    async with client_of(server, max_retries=2) as client:
        thread = (await ask(client, "Hello")).service_thread_id
    assert kept(server, thread) == ["Hello", "Hello"]
    keys = {request.headers["idempotency-key"] for request in server.requests if request.path.endswith("/responses")}
    assert len(keys) == 1
