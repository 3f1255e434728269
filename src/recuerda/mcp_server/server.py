"""A memory for MCP clients: what it needs, and where the SDK's server comes from."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from recuerda.ids import check_limit
from recuerda.mcp_server.budget import LEAST_TOKENS, MAX_TOKENS
from recuerda.mcp_server.forgetting import Forgetting
from recuerda.mcp_server.memories import Memories
from recuerda.mcp_server.scope import Scope
from recuerda.mcp_server.threads import Threads
from recuerda.mcp_server.tools import Room
from recuerda.recall.index import RecallIndex
from recuerda.storage.contract import Storage

if TYPE_CHECKING:
    from mcp.server.lowlevel.server import Server

    from recuerda.mcp_server.protocol import Protocol


class MemoryServer:
    """A memory for MCP clients, on a storage.

    Args:
        storage: the storage of the threads and of the memories; the caller closes it.
        index: the index of the messages; the server closes it.
        scope: gives the scope of the request that is being answered.
        max_tokens: the size of the largest answer, at least 200 tokens.
        poll_s: the seconds between two looks for changes that other processes have made to watched threads.
    """

    def __init__(
        self,
        storage: Storage,
        index: RecallIndex,
        *,
        scope: Callable[[], Scope],
        max_tokens: int = MAX_TOKENS,
        poll_s: float = 2.0,
    ) -> None:
        max_tokens = max(LEAST_TOKENS, check_limit(max_tokens, "max_tokens"))
        memories, threads = Memories(storage, index, max_tokens=max_tokens), Threads(storage, max_tokens=max_tokens)
        self._room = Room(memories=memories, threads=threads, forgetting=Forgetting(memories, threads))
        self._scope = scope
        self._poll_s = poll_s
        self._protocol: Protocol | None = None

    def sdk_server(self) -> Server[Any]:
        """Return the SDK's server, which runs on any of the SDK's transports."""
        from recuerda.mcp_server.protocol import Protocol

        if self._protocol is None:
            self._protocol = Protocol(self._room, scope=self._scope, poll_s=self._poll_s)
        return self._protocol.sdk_server()

    async def end_streams(self) -> None:
        """End the streams on which clients hear of changes, because they would hold up the end of a process."""
        if self._protocol is not None:
            await self._protocol.close()

    async def close(self) -> None:
        """End the streams, and close the index."""
        await self.end_streams()
        await self._room.memories.close()
