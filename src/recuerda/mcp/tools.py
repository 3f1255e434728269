"""The tools of an MCP server, for an agent."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args
from urllib.parse import urlsplit

from recuerda._drivers.per_loop import PerLoop
from recuerda.agent.tools import FunctionTool
from recuerda.errors import ConfigurationError, ProviderError
from recuerda.ids import check_choice
from recuerda.json_value import Json
from recuerda.mcp.connection import Connection, streamable_http
from recuerda.mcp.results import Part, value_of
from recuerda.messages.message import ChatMessage
from recuerda.providers.context import Context, ContextProvider
from recuerda.threads.thread import AgentThread

if TYPE_CHECKING:
    from mcp.client.client import Client
    from mcp.client.session import MessageHandlerFnT
    from mcp_types import Tool

MCPServer: TypeAlias = str | Sequence[str] | Callable[[], Any]
"""A server: the address of a server that speaks streamable HTTP; a command and its arguments, for a server that speaks
over its standard input and output; or a function that returns what the SDK's `Client` takes, such as
`StdioServerParameters`, a transport, or a server of this program."""

Approval: TypeAlias = Literal["never", "destructive", "always"]
"""Which tools need a person's approval: none, all but those that the server calls harmless, or all."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")


class MCPTools(ContextProvider):
    """Give an agent the tools of an MCP server: `create_agent(tools=[MCPTools("https://example.org/mcp")])`.

    The connection is opened by the first run and closed with the agent. If it breaks, the model is told that the call
    failed, and the next run opens it again. What a server sends is data: its texts reach the model as results of tools,
    never as instructions.

    A tool that the server declares as read-only or idempotent is `retry_safe`. Pictures, sounds and files in a result
    stay files.

    Args:
        server: the server; see `MCPServer`.
        headers: HTTP headers for a server with an address, such as `{"Authorization": "Bearer …"}`. No error
            shows them.
        only: the names of the tools to use; None for all.
        prefix: a text before each tool's name, to tell the tools of two servers apart.
        approval: the tools that wait for a person's approval. "destructive" asks for each tool that may change
            something for good: a server can declare that a tool is read-only, or only adds. Such a declaration is a
            hint, so use "always" for a server that you do not trust.
        call_timeout: the time limit of a call; None for no limit.
        timeout: the time limit for opening the connection and listing the tools.

    Raises:
        ConfigurationError: the server or the headers cannot be used.
        InvalidInput: `approval` has another value.
    """

    def __init__(
        self,
        server: MCPServer,
        *,
        headers: Mapping[str, str] | None = None,
        only: Sequence[str] | None = None,
        prefix: str = "",
        approval: Approval = "never",
        call_timeout: timedelta | None = timedelta(seconds=60),
        timeout: timedelta | None = timedelta(seconds=30),
    ) -> None:
        check_choice(approval, get_args(Approval), "approval")
        self._shown = _shown(server)
        self._only = None if only is None else frozenset(only)
        self._prefix = prefix
        self._approval: Approval = approval
        self._call_timeout = call_timeout
        self.timeout = timeout
        make = partial(_client, _opener(server, headers))
        self._connections = PerLoop(partial(Connection, make), Connection.leave)

    def __repr__(self) -> str:
        return f"MCPTools({self._shown!r})"

    async def invoking(self, messages: Sequence[ChatMessage], *, thread: AgentThread) -> Context | None:
        """Return the server's tools.

        Raises:
            ProviderError: the server cannot be reached, does not answer, or lacks a tool of `only`.
        """
        return Context(tools=await self.list_tools())

    async def list_tools(self) -> list[FunctionTool]:
        """Return the server's tools as tools of an agent; see `invoking` for the errors."""
        connection = await self._connections.get()
        try:
            found = await connection.tools()
        except Exception as error:
            await connection.leave()
            raise ProviderError(
                f"the MCP server {self._shown} gave no tools: {type(error).__name__}. Check that it runs and that its "
                "address, command and headers are right"
            ) from error
        if self._only is not None and (missing := self._only - {tool.name for tool in found}):
            raise ProviderError(
                f"the MCP server {self._shown} has no tool {min(missing)!r}; it has: "
                f"{', '.join(sorted(tool.name for tool in found)) or 'none'}"
            )
        return [self._tool(tool, connection) for tool in found if self._only is None or tool.name in self._only]

    async def close(self) -> None:
        """Close the connection. The next use opens a new one."""
        await self._connections.close()

    def _tool(self, tool: Tool, connection: Connection) -> FunctionTool:
        async def call(**arguments: Any) -> Json | list[Part]:
            return value_of(await connection.call(tool.name, arguments))

        hints = tool.annotations
        is_read_only = bool(hints and hints.read_only_hint)
        may_destroy = not is_read_only and (hints is None or hints.destructive_hint is not False)
        return FunctionTool.of(
            call,
            name=_NOT_IN_NAMES.sub("_", f"{self._prefix}{tool.name}")[:64],
            description=tool.description or tool.title or "",
            parameters=tool.input_schema,
            needs_approval=self._approval == "always" or (self._approval == "destructive" and may_destroy),
            retry_safe=is_read_only or bool(hints and hints.idempotent_hint),
            expose_errors=True,
            timeout=self._call_timeout,
        )


def _client(opener: Callable[[], Any], hear: MessageHandlerFnT) -> Client:
    from mcp.client.client import Client

    return Client(opener(), message_handler=hear)


def _opener(server: MCPServer, headers: Mapping[str, str] | None) -> Callable[[], Any]:
    """Return a function that returns what the SDK's client takes, anew for each connection."""
    if isinstance(server, str):
        return partial(streamable_http, server, dict(headers or {}))
    if headers is not None:
        raise ConfigurationError("headers are for an MCP server with an address: the server is a command or a function")
    if callable(server):
        return server
    command, *arguments = server
    return partial(_command, command, arguments)


def _command(command: str, arguments: list[str]) -> Any:
    from mcp.client.stdio import StdioServerParameters

    return StdioServerParameters(command=command, args=arguments)


def _shown(server: MCPServer) -> str:
    """Return a server's name for errors: no password, no token, no argument.

    Raises:
        ConfigurationError: it is neither an address nor a command nor a function.
    """
    if isinstance(server, str):
        parts = urlsplit(server)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigurationError(
                'an MCP server is an address such as "https://example.org/mcp", or a command with its arguments such '
                'as ["npx", "-y", "some-server"]'
            )
        return f"{parts.scheme}://{parts.hostname}{f':{parts.port}' if parts.port else ''}{parts.path}"
    if callable(server):
        return getattr(server, "__name__", type(server).__name__)
    if not server or not all(isinstance(part, str) for part in server):  # pyright: ignore[reportUnnecessaryIsInstance] - callers without a checker
        raise ConfigurationError("the command of an MCP server is a list of texts: the program and its arguments")
    return server[0]
