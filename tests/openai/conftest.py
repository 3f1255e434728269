from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing.openai_server import ScriptedOpenAIServer

KEY = "sk-test-5e2a"


class CannedServer:
    """Answer every request with the same bytes: for what no service should send, and some do."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.content_type = "text/event-stream"
        self.base_url = ""

    def chunks(self, *chunks: object, done: bool = True) -> None:
        frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        self.body = "".join([*frames, "data: [DONE]\n\n"] if done else frames).encode()

    def whole(self, completion: object) -> None:
        self.content_type = "application/json"
        self.body = json.dumps(completion).encode()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[CannedServer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = (await reader.readuntil(b"\r\n\r\n")).lower()
            await reader.readexactly(int(asked.partition(b"content-length:")[2].split()[0]))
            head = f"HTTP/1.1 {self.status} OK\r\ncontent-type: {self.content_type}\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
            writer.write(self.body)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


@pytest.fixture
def server() -> Iterator[ScriptedOpenAIServer]:
    with ScriptedOpenAIServer() as server:
        yield server


@pytest.fixture
async def client(server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIChatClient]:
    async with OpenAIChatClient(
        model_id="gpt-scripted", api_key=KEY, base_url=server.base_url, timeout_s=10, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def responses(server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="gpt-scripted", api_key=KEY, base_url=server.base_url, timeout_s=10, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def chains(server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="gpt-scripted", api_key=KEY, base_url=server.base_url, threads="response", timeout_s=10, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def local(server: ScriptedOpenAIServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="gpt-scripted", api_key=KEY, base_url=server.base_url, store=False, timeout_s=10, max_retries=0
    ) as client:
        yield client


@pytest.fixture
async def canned() -> AsyncIterator[CannedServer]:
    async with CannedServer().running() as canned:
        yield canned


@pytest.fixture
async def canned_client(canned: CannedServer) -> AsyncIterator[OpenAIChatClient]:
    async with OpenAIChatClient(model_id="odd", base_url=canned.base_url, timeout_s=10, max_retries=0) as client:
        yield client


@pytest.fixture
async def canned_responses(canned: CannedServer) -> AsyncIterator[OpenAIResponsesClient]:
    async with OpenAIResponsesClient(
        model_id="odd", base_url=canned.base_url, store=False, timeout_s=10, max_retries=0
    ) as client:
        yield client
