"""The ids of requests: one on every answer, and the client's own id beside it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from openai import APIError, AsyncOpenAI

from recuerda.testing import ScriptedOpenAIServer
from recuerda.testing.openai_server import Dropped, Reply

OURS = {"X-Client-Request-Id": "session-1"}


async def test_every_answer_has_an_id_of_its_own_and_the_clients_id(
    service: str, client: AsyncOpenAI, model: ScriptedOpenAIServer, caplog: pytest.LogCaptureFixture
) -> None:
    model.default = "Yes."
    caplog.set_level(logging.INFO, "recuerda.server.requests")
    asked: list[tuple[str, str, Any, int]] = [
        ("GET", "/health", None, 200),
        ("GET", "/v1/conversations/x", None, 404),
        ("GET", "/nowhere", None, 404),
        ("PUT", "/v1/responses", None, 405),
        ("POST", "/v1/responses", {}, 400),
        ("POST", "/v1/responses", {"input": "x", "stream": True}, 200),
        ("POST", "/v1/chat/completions", {"messages": [{"role": "user", "content": "x"}], "stream": True}, 200),
    ]
    seen: set[str] = set()
    async with httpx.AsyncClient(headers=OURS) as raw:
        for method, path, body, status in asked:
            answer = await raw.request(method, service + path, json=body)
            assert (answer.status_code, answer.headers["x-client-request-id"]) == (status, "session-1")
            assert answer.headers["x-request-id"] in caplog.records[-1].getMessage()
            seen.add(answer.headers["x-request-id"])
        for odd in ("x" * 513, "a b", "é"):
            answer = await raw.get(f"{service}/health", headers=[(b"x-client-request-id", odd.encode())])
            assert (answer.status_code, "x-client-request-id" in answer.headers) == (200, False)
    assert len(seen) == len(asked)
    assert sum("session-1" in record.getMessage() for record in caplog.records) == len(asked)


async def test_an_answer_to_an_unreadable_request_has_an_id(service: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(service).port)
    writer.write(b"NONSENSE\r\n\r\n")
    assert b"\r\nx-request-id: req_" in await reader.read()
    writer.close()
    await writer.wait_closed()


async def test_turns_under_one_id_of_the_client_are_turns_of_their_own(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.default = "Yes."
    conversation = (await client.conversations.create()).id
    made = [
        await client.responses.create(input="Go on.", conversation=conversation, extra_headers=OURS) for _ in range(2)
    ]
    assert made[0].id != made[1].id
    assert len((await client.conversations.items.list(conversation)).data) == 4


async def test_the_official_client_raises_the_error_of_a_stream(
    client: AsyncOpenAI, model: ScriptedOpenAIServer
) -> None:
    model.script.append(Dropped(3, Reply("A long answer that is cut.")))
    with pytest.raises(APIError, match="too early"):
        [event async for event in await client.responses.create(input="x", stream=True)]
