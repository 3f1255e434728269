"""A memory server in this program, and the SDK's client on it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp.client.client import Client
from mcp_types import TextContent

from recuerda.mcp_server import MemoryServer, Scope
from recuerda.mcp_server.budget import MAX_TOKENS
from recuerda.mcp_server.memories import Memories
from recuerda.recall import SQLiteRecallIndex
from recuerda.storage.contract import Storage
from recuerda.storage.ram import MemoryStorage

ANA = Scope(user_id="ana", agent="claude")
BOB = Scope(user_id="bob")


class Served:
    """A server whose scope a test can change, as if another connection asked.

    Args:
        storage: the storage.
        options: the server's options.
    """

    def __init__(self, storage: Storage, **options: Any) -> None:
        self.storage = storage
        self.scope = ANA
        self.server = MemoryServer(
            storage, SQLiteRecallIndex(":memory:"), scope=lambda: self.scope, poll_s=0.05, **options
        )

    @property
    def memories(self) -> Memories:
        return Memories(self.storage, SQLiteRecallIndex(":memory:"), max_tokens=MAX_TOKENS)

    def client(self, **options: Any) -> Client:
        return Client(self.server.sdk_server(), **options)

    async def call(self, name: str, scope: Scope = ANA, /, **arguments: Any) -> dict[str, Any]:
        """Call a tool on a connection of its own, and return the structured answer."""
        self.scope = scope
        async with self.client() as client:
            return await answer(client, name, **arguments)


async def answer(client: Client, name: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool, and return the structured answer."""
    result = await client.call_tool(name, arguments)
    assert not result.is_error, text_of(result)
    return result.structured_content


async def failure(client: Client, name: str, **arguments: Any) -> str:
    """Call a tool that must fail, and return the text of the failure."""
    result = await client.call_tool(name, arguments)
    assert result.is_error, result.structured_content
    return text_of(result)


def text_of(result: Any) -> str:
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    async with MemoryStorage() as storage:
        served = Served(storage)
        yield served
        await served.server.close()


@pytest.fixture
async def client(served: Served) -> AsyncIterator[Client]:
    """A connection, held by a task of its own: the SDK wants it closed by the task that has opened it."""
    opened: asyncio.Future[Client] = asyncio.get_running_loop().create_future()
    ended = asyncio.Event()

    async def hold() -> None:
        async with served.client() as client:
            opened.set_result(client)
            await ended.wait()

    holder = asyncio.create_task(hold())
    yield await opened
    ended.set()
    await holder
