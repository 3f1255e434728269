from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from openai import AsyncOpenAI

from recuerda import Storage, open_storage
from recuerda.testing import ScriptedOpenAIServer
from tests.openai.canned import CannedServer
from tests.server.serving import running, sdk, url_of


@pytest.fixture
def model() -> Iterator[ScriptedOpenAIServer]:
    """The model's server behind the service."""
    with ScriptedOpenAIServer() as server:
        yield server


@pytest.fixture(params=["sqlite"])
def storage_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The storage behind the service; a test names others by parametrizing it."""
    return url_of(request.param, tmp_path)


@pytest.fixture
async def storage(storage_url: str) -> AsyncIterator[Storage]:
    async with open_storage(storage_url) as storage:
        yield storage


@pytest.fixture
async def canned() -> AsyncIterator[CannedServer]:
    """A model's server that sends the bytes that a test gives it."""
    async with CannedServer().running() as canned:
        yield canned


@pytest.fixture
def upstream(model: ScriptedOpenAIServer) -> str:
    """The address of the model's server behind the service."""
    return model.base_url


@pytest.fixture
async def service(storage: Storage, upstream: str) -> AsyncIterator[str]:
    """The address of the service, without keys."""
    async with running(storage, upstream) as url:
        yield url


@pytest.fixture
async def client(service: str) -> AsyncIterator[AsyncOpenAI]:
    async with sdk(service) as client:
        yield client
