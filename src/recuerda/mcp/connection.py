"""The connection to one MCP server in one event loop.

The SDK opens and closes a connection in one task. Runs of an agent come and go in other tasks, so the connection has a
task of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from recuerda.mcp.results import MCPToolError

if TYPE_CHECKING:
    from mcp.client.client import Client
    from mcp.client.session import IncomingMessage, MessageHandlerFnT
    from mcp_types import CallToolResult, Tool


class Connection:
    """A connection that is opened when it is first needed, and again after it broke.

    Args:
        make: returns a new client of the SDK. It gets a function that receives the server's notifications.
    """

    def __init__(self, make: Callable[[MessageHandlerFnT], Client]) -> None:
        self._make = make
        self._lock = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None
        self._opened: asyncio.Future[Client] | None = None
        self._ended = asyncio.Event()
        self._tools: list[Tool] | None = None

    async def client(self) -> Client:
        """Return the open client.

        Raises:
            Exception: the connection cannot be opened; the SDK's own error.
        """
        async with self._lock:
            if self._opened is None or self._task is None or self._task.done():
                self._ended = asyncio.Event()
                self._opened = asyncio.get_running_loop().create_future()
                self._task = asyncio.create_task(self._hold(self._opened, self._ended))
            return await asyncio.shield(self._opened)

    async def tools(self) -> list[Tool]:
        """Return the server's tools. They are asked for once, and again when the server says that they changed."""
        client = await self.client()
        while self._tools is None:
            found: list[Tool] = []
            self._tools = found
            cursor: str | None = None
            while True:
                page = await client.list_tools(cursor=cursor)
                found += page.tools
                if (cursor := page.next_cursor) is None:
                    break
        return self._tools

    async def call(self, name: str, arguments: Mapping[str, Any]) -> CallToolResult:
        """Return the result of a tool.

        Raises:
            MCPToolError: the server refuses the call, or cannot be asked. Then the next use opens a new connection.
        """
        from mcp.shared.exceptions import MCPError
        from mcp_types import CONNECTION_CLOSED

        try:
            return await (await self.client()).call_tool(name, dict(arguments))
        except MCPError as error:
            if error.code != CONNECTION_CLOSED:
                raise MCPToolError(error.message) from error
            failure: Exception = error
        except Exception as error:  # noqa: BLE001 - whatever a transport raises; its text may hold an address
            failure = error
        await self.leave()
        raise MCPToolError(
            f"the connection to the tool's server failed with {type(failure).__name__}; whether the tool has acted is "
            "not known"
        ) from failure

    async def leave(self) -> None:
        """Close the connection, so that the next use opens a new one."""
        task, self._task = self._task, None
        self._tools = None
        if task is not None:
            self._ended.set()
            await asyncio.wait([task])

    async def _hold(self, opened: asyncio.Future[Client], ended: asyncio.Event) -> None:
        try:
            async with self._make(self._hear) as client:
                opened.set_result(client)
                await ended.wait()
        except Exception as error:  # noqa: BLE001 - the caller that waits for the connection gets it
            if not opened.done():
                opened.set_exception(error)
        except BaseException:
            opened.cancel()
            raise
        finally:
            self._tools = None

    async def _hear(self, message: IncomingMessage) -> None:
        if getattr(message, "method", "") == "notifications/tools/list_changed":
            self._tools = None


@asynccontextmanager
async def streamable_http(url: str, headers: Mapping[str, str]) -> AsyncGenerator[Any]:
    """Open the SDK's transport to an address, with these headers in each request."""
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared._httpx_utils import create_mcp_http_client

    async with (
        create_mcp_http_client(headers=dict(headers)) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams
