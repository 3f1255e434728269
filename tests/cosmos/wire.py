"""A transport that counts, delays, answers and cuts requests to Cosmos DB, and the storage that uses it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias, cast

import pytest
from azure.core.pipeline.transport import AioHttpTransport, AsyncHttpResponse, HttpRequest
from azure.cosmos.aio import CosmosClient

from recuerda.cosmos import CosmosStorage
from recuerda.cosmos import storage as cosmos_storage
from tests.servers.cosmos_server import cosmos_url

Hook: TypeAlias = Callable[[HttpRequest], Awaitable[AsyncHttpResponse | None]]


class Died(Exception):
    """The end of the process, as an exception that neither this library nor azure's catches."""


class Answer(AsyncHttpResponse):
    """An answer that no server gave."""

    def __init__(self, request: HttpRequest, status: int, headers: dict[str, str] | None = None) -> None:
        super().__init__(request, None)
        self.status_code = status
        self.headers = {"content-type": "application/json", **(headers or {})}
        self.reason = "made up"
        self.content_type = "application/json"

    def body(self) -> bytes:
        return b'{"message":""}'

    async def load_body(self) -> None:
        """Be like the real one."""


class Wire(AioHttpTransport):
    """Pass requests on, and remember them.

    Attributes:
        requests: of items, since `clear`: their method, or "QUERY".
        before: called for each of them; may answer in the server's stead.
        after: called when the server has answered, before anybody hears of it.
    """

    def __init__(self) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType] - untyped in the SDK
        self.requests: list[str] = []
        self.before: Hook | None = None
        self.after: Hook | None = None

    async def send(self, request: HttpRequest, **options: Any) -> Any:
        if "/docs" not in request.url:
            return await self._send(request, **options)
        is_query = request.headers.get("Content-Type") == "application/query+json"
        self.requests.append("QUERY" if is_query else request.method)
        if self.before is not None and (answer := await self.before(request)) is not None:
            return answer
        answer = await self._send(request, **options)
        if self.after is not None and (other := await self.after(request)) is not None:
            return other
        return answer

    async def _send(self, request: HttpRequest, **options: Any) -> AsyncHttpResponse:
        return cast("AsyncHttpResponse", await super().send(request, **options))  # pyright: ignore[reportUnknownMemberType]

    def clear(self) -> None:
        """Forget the recorded requests, and let all requests pass."""
        self.requests.clear()
        self.before = self.after = None


@asynccontextmanager
async def wired(folder: Path, **options: Any) -> AsyncGenerator[tuple[CosmosStorage, Wire]]:
    """Open a storage of the folder's container, and give it and the wire that it talks over."""
    wire = Wire()

    def make_client(*args: Any, **more: Any) -> CosmosClient:
        return CosmosClient(*args, transport=wire, **more)

    async with CosmosStorage(cosmos_url(folder), **options) as storage:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cosmos_storage, "CosmosClient", make_client)
            await storage.head("some thread")
        wire.clear()
        yield storage, wire


def is_create(request: HttpRequest) -> bool:
    """Say whether a request creates an item."""
    headers = request.headers
    return (
        request.method == "POST"
        and headers.get("Content-Type") != "application/query+json"
        and headers.get("x-ms-documentdb-is-upsert", "").lower() != "true"
    )
