"""A proxy before a server. It counts the bytes, and can be shut in the middle of a trip."""

import asyncio
from types import TracebackType
from typing import Self


class Proxy:
    """Pass bytes between clients and a server on loopback.

    Attributes:
        trips: how often the direction turned from asking to answering: a pipeline is one trip.
        answered_bytes: what the server sent.
        connections: how many were opened.
        swallow_next: drop the next answer, with its connection: the client cannot know what became of its command.
    """

    def __init__(self, port: int) -> None:
        self._server_port = port
        self.trips = 0
        self.answered_bytes = 0
        self.connections = 0
        self.swallow_next = False

    async def __aenter__(self) -> Self:
        self._door = await asyncio.start_server(self._pass, "127.0.0.1", 0)
        self.port: int = self._door.sockets[0].getsockname()[1]
        self._writers = set[asyncio.StreamWriter]()
        self._is_empty = asyncio.Event()
        self._is_empty.set()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._door.close()
        self.drop_connections()
        await self._is_empty.wait()

    def drop_connections(self) -> None:
        """Close all open connections. New connections are accepted."""
        for writer in self._writers:
            writer.close()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    @property
    def open_connections(self) -> int:
        return len(self._writers) // 2

    async def _pass(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        self.connections += 1
        server, to_server = await asyncio.open_connection("127.0.0.1", self._server_port)
        is_asking = False

        async def ask() -> None:
            nonlocal is_asking
            while data := await client.read(1 << 20):
                self.trips += not is_asking
                is_asking = True
                to_server.write(data)
            to_server.close()

        async def answer() -> None:
            nonlocal is_asking
            while data := await server.read(1 << 20):
                is_asking = False
                self.answered_bytes += len(data)
                if self.swallow_next:
                    self.swallow_next = False
                    break
                to_client.write(data)
            to_client.close()

        writers = {to_server, to_client}
        self._writers |= writers
        self._is_empty.clear()
        await asyncio.gather(ask(), answer(), return_exceptions=True)
        for writer in writers:
            writer.close()
        self._writers -= writers
        if not self._writers:
            self._is_empty.set()
