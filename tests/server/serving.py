"""The service in this process, on any storage, and the official client."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from openai import AsyncOpenAI
from starlette.applications import Starlette

from recuerda import Storage
from recuerda.server import Limits, Listening, ServerSettings, TenantKeys, Upstream, create_app
from recuerda.server.connections import Connections
from recuerda.server.running import config_of
from recuerda.testing.openai_server import RecordedRequest
from tests.servers.asgi import serving
from tests.servers.postgres_server import postgres_url, schema_of

MODEL = "scripted-model"


def url_of(kind: str, folder: Path) -> str:
    """Return the URL of a fresh storage."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/memory.db"
    if kind == "postgresql":
        url = postgres_url()
        return f"{url}{'&' if '?' in url else '?'}schema={schema_of(folder)}"
    if kind == "file":
        return f"file:///{folder}/threads"
    return "memory:"


class QuietServer(uvicorn.Server):
    """uvicorn, except that it looks often whether it should stop."""

    async def main_loop(self) -> None:
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            await asyncio.sleep(0.01)


class Held:
    """The model's answer "Yes.", which comes when the test lets it. Until then the model answers nobody."""

    def __init__(self) -> None:
        self._is_free = threading.Event()

    def __call__(self, _: RecordedRequest) -> str:
        self._is_free.wait(20)
        return "Yes."

    def release(self) -> None:
        """Let the answer come, and later answers at once."""
        self._is_free.set()


@asynccontextmanager
async def running(
    storage: Storage, model_url: str, *, settings: ServerSettings | None = None, keys: TenantKeys | None = None
) -> AsyncGenerator[str]:
    """Run the service in this event loop, and give its address."""
    upstream = Upstream(model_url, timeout_s=20)
    settings = settings or ServerSettings(model=MODEL)
    try:
        app = create_app(storage, upstream, settings, keys=keys)
        async with app.router.lifespan_context(app), served(app, settings.limits) as url:
            yield url
    finally:
        await upstream.close()


@asynccontextmanager
async def served(app: Starlette, limits: Limits | None = None) -> AsyncGenerator[str]:
    """Serve the application in this event loop, and give its address."""
    server = QuietServer(config_of(app, Connections(limits or Limits()), listening=Listening(port=0)))
    async with serving(server) as url:
        yield url


@asynccontextmanager
async def sdk(url: str, key: str = "none") -> AsyncGenerator[AsyncOpenAI]:
    """Give the official client, which tries nothing twice."""
    async with AsyncOpenAI(base_url=f"{url}/v1", api_key=key, max_retries=0, timeout=20) as client:
        yield client


async def failed_stream(client: AsyncOpenAI, **body: Any) -> tuple[Any, Any]:
    """Return the error that ends a stream, and the failed response behind it. The client stops at the error."""
    stream = await client.post("/responses", cast_to=httpx2.Response, body={**body, "stream": True})
    lines = [line.removeprefix("data: ") for line in stream.text.splitlines() if line.startswith("data: ")]
    *events, error, last = [json.loads(line) for line in lines]
    assert [event["sequence_number"] for event in (*events, error, last)] == list(range(len(lines)))
    assert (error["type"], last["type"], last["response"]["status"]) == ("error", "response.failed", "failed")
    assert error["error"]["message"] == error["message"] == last["response"]["error"]["message"]
    return error, last["response"]


async def streamed(client: AsyncOpenAI, **arguments: Any) -> tuple[list[Any], Any]:
    """Return the events of a streamed response, and the response of the last one."""
    stream: Any = await client.responses.create(stream=True, **arguments)
    events: list[Any] = [event async for event in stream]
    assert [event.sequence_number for event in events] == list(range(len(events)))
    return events, events[-1].response
