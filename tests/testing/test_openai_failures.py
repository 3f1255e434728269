from __future__ import annotations

import asyncio
import time
from urllib.parse import urlsplit

import openai
import pytest
from openai import AsyncAzureOpenAI, AsyncOpenAI

from recuerda.testing.openai_server import (
    Dropped,
    Failure,
    RecordedRequest,
    Reply,
    ScriptedOpenAIServer,
)
from tests.testing.asking import HELLO, SYSTEM, arrivals, ask, refusal_of, result, stream


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
    server.default = Reply("Hola", delay_s=0.5)
    start = time.monotonic()

    await asyncio.gather(*(ask(client) for _ in range(10)))

    assert time.monotonic() - start < 5  # one after the other


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


async def test_a_client_that_goes_away_while_it_sends_its_request_is_no_error(
    server: ScriptedOpenAIServer, client: AsyncOpenAI, caplog: pytest.LogCaptureFixture
) -> None:
    address = urlsplit(server.base_url)
    _, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"POST /v1/chat/completions HTTP/1.1\r\nhost: here\r\ncontent-length: 9\r\n\r\n{")
    await writer.drain()
    writer.close()
    server.script.append("Here")
    assert (await ask(client)).choices[0].message.content == "Here"
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == []
