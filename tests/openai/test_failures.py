"""What a caller is told when a call fails: what happened, what to do, and no secret."""

from __future__ import annotations

import socket
import time
import traceback
from typing import Any, cast

import openai
import pytest

from recuerda import ChatClientError, ChatMessage, ChatRequest
from recuerda.openai import OpenAIChatClient
from recuerda.testing.openai_server import Dropped, Failure, Reply, ScriptedOpenAIServer

KEY = "sk-secret-77"
WORDS = "the words of a private conversation"
REQUEST = ChatRequest(messages=[ChatMessage("user", WORDS)])
AT_ONCE = {"retry-after-ms": "1"}
WAYS = pytest.mark.parametrize("is_streamed", [False, True], ids=["whole", "streamed"])


def client_of(base_url: str, **settings: Any) -> OpenAIChatClient:
    arguments: dict[str, Any] = {"model_id": "m1", "api_key": KEY, "base_url": base_url, "max_retries": 0}
    return OpenAIChatClient(**arguments | settings)


async def ask(client: OpenAIChatClient, *, is_streamed: bool) -> None:
    if is_streamed:
        async for _ in client.stream(REQUEST):
            pass
    else:
        await client.respond(REQUEST)


async def failure(client: OpenAIChatClient, *, is_streamed: bool = False) -> ChatClientError:
    async with client:
        with pytest.raises(ChatClientError) as caught:
            await ask(client, is_streamed=is_streamed)
    return caught.value


STATUSES: list[tuple[Failure, str]] = [
    (Failure(400, "Unsupported value.", code="unsupported_value", param="temperature"), "code unsupported_value, para"),
    (Failure(400, "Too long.", code="context_length_exceeded"), "ContextWindow"),
    (Failure(400, "This model's maximum context length is 4096 tokens."), "ContextWindow"),
    (Failure(400, "Filtered.", code="content_filter"), "content filter refused"),
    (Failure(401, "No."), "Check api_key"),
    (Failure(403, "No."), "permission"),
    (Failure(404, "No."), r"'m1' at http://127.*Check model_id.*deployment.*base_url"),
    (Failure(408, "Late."), "Try again later"),
    (Failure(422, "Wrong."), "__cause__"),
    (Failure(429, "Slow down."), "too many requests. Slow down"),
    (Failure(429, "Slow down.", headers={"retry-after": "20"}), "wait 20 s"),
    (Failure(429, "Pay.", code="insufficient_quota"), "billing"),
    (Failure(500, "Oh."), "Try again later"),
    (Failure(503, "Oh."), "Try again later"),
]


@WAYS
@pytest.mark.parametrize(("answer", "advice"), STATUSES)
async def test_a_refused_call_says_what_to_do(
    server: ScriptedOpenAIServer, answer: Failure, advice: str, is_streamed: bool
) -> None:
    server.script.append(answer)
    error = await failure(client_of(server.base_url), is_streamed=is_streamed)
    assert error.status == answer.status
    assert isinstance(error.__cause__, openai.APIStatusError)
    assert pytest.raises(ChatClientError, match=advice).matches(error)


async def test_a_request_that_breaks_the_services_rules_is_an_error_with_the_parameter(
    server: ScriptedOpenAIServer,
) -> None:
    async with client_of(server.base_url) as client:
        with pytest.raises(ChatClientError, match="parameter messages") as caught:
            await client.respond(ChatRequest(messages=[]))
    assert caught.value.status == 400


@WAYS
async def test_an_error_never_shows_the_key_or_the_conversation(
    server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Failure(401, f"Incorrect API key {KEY} for {WORDS}", code=f"bad {WORDS}", param=WORDS))
    error = await failure(client_of(server.base_url), is_streamed=is_streamed)
    cause = error.__cause__
    assert isinstance(cause, openai.APIStatusError)
    assert WORDS not in str(error)
    assert KEY not in "".join(traceback.format_exception(error))
    assert KEY not in f"{cause.message} {cause.body} {cause.args}"


@WAYS
async def test_a_server_that_never_answers_is_a_timeout(server: ScriptedOpenAIServer, is_streamed: bool) -> None:
    server.script.append(Reply("Late", delay_s=30))
    started = time.monotonic()
    error = await failure(client_of(server.base_url, timeout_s=0.2), is_streamed=is_streamed)
    assert time.monotonic() - started < 25
    assert "within 0.2 s" in str(error)
    assert "timeout_s" in str(error)
    assert error.status is None


async def test_a_stream_that_stops_talking_is_a_timeout(server: ScriptedOpenAIServer) -> None:
    server.script.append(Reply("A long story", chunk_delay_s=30))
    error = await failure(client_of(server.base_url, timeout_s=0.2), is_streamed=True)
    assert "within 0.2 s" in str(error)


@WAYS
async def test_a_server_that_is_not_there_is_an_error_with_its_address(is_streamed: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    error = await failure(client_of(f"http://127.0.0.1:{port}/v1?token={KEY}"), is_streamed=is_streamed)
    assert f"at http://127.0.0.1:{port}/v1: the service cannot be reached" in str(error)
    assert KEY not in "".join(traceback.format_exception(error))


@WAYS
async def test_a_connection_dropped_before_the_answer_is_an_error(
    server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.script.append(Dropped())
    assert "cannot be reached" in str(await failure(client_of(server.base_url), is_streamed=is_streamed))


async def test_a_connection_dropped_in_the_answer_is_an_error(server: ScriptedOpenAIServer) -> None:
    server.script.append(Dropped(after_chunks=3, reply=Reply("A reply that never reaches its end.")))
    error = await failure(client_of(server.base_url), is_streamed=True)
    assert "in the middle of the answer, and no part of the answer is kept" in str(error)


@WAYS
async def test_a_failed_call_is_tried_again_as_often_as_it_was_asked(
    server: ScriptedOpenAIServer, is_streamed: bool
) -> None:
    server.default = Failure(503, headers=AT_ONCE)
    await failure(client_of(server.base_url, max_retries=2), is_streamed=is_streamed)
    assert len(server.requests) == 3


async def test_a_call_that_succeeds_when_tried_again_is_an_answer(server: ScriptedOpenAIServer) -> None:
    server.script.extend([Failure(429, headers=AT_ONCE), Dropped(), "Hi"])
    async with client_of(server.base_url, max_retries=2) as client:
        assert (await client.respond(REQUEST)).message.text == "Hi"


@WAYS
async def test_a_closed_client_says_that_it_is_closed(server: ScriptedOpenAIServer, is_streamed: bool) -> None:
    client = client_of(server.base_url)
    await client.close()
    await client.close()
    assert "closed: create a new one" in str(await failure(client, is_streamed=is_streamed))


async def test_a_token_function_that_fails_is_a_failed_call(server: ScriptedOpenAIServer) -> None:
    async def broken() -> str:
        raise LookupError("no identity")

    error = await failure(client_of(server.base_url, api_key=broken))
    assert "LookupError" in str(error)
    assert isinstance(cast("object", error.__cause__), LookupError)
