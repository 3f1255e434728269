from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from recuerda.openai import OpenAIChatClient, OpenAIResponsesClient
from recuerda.testing.openai_server import ScriptedOpenAIServer
from tests.openai.canned import CannedServer

KEY = "sk-test-5e2a"


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
