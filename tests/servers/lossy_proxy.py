"""A proxy on loopback that forwards every request whole, and loses the answers of chosen trips.

A trip is a request and its answer. The answer is read from the server, so the server has carried the request out. Then
both connections are closed, and the client cannot know the outcome of its request.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect: TypeAlias = Callable[[], Awaitable[Streams]]


def any_bytes(answer: bytes) -> bool:
    """Return True as soon as an answer has begun: the server answers after it has done its work."""
    return bool(answer)


def postgres_is_ready(answer: bytes) -> bool:
    """Return True when the answer holds ReadyForQuery, which the server sends after the commit.

    See https://www.postgresql.org/docs/current/protocol-flow.html.
    """
    at = 0
    while at + 5 <= len(answer):
        if answer[at : at + 1] == b"Z":
            return True
        at += 1 + int.from_bytes(answer[at + 1 : at + 5])
    return False


@dataclass
class LossyProxy:
    """A running proxy.

    Attributes:
        is_whole: tells whether the server has carried out the request that these bytes answer.
        swaps: bytes to replace in answers, such as the server's own port.
        ports: the ports on which the proxy listens, one for each server behind it.
        trips: the number of trips so far.
        lose: the numbers of the trips whose answers are lost. The first trip has number 1.
        cuts: the number of answers that were lost.
        delay_s: the seconds for which each request is held back, as if the server were far away.
        connections: the number of connections that are open now.
    """

    is_whole: Callable[[bytes], bool]
    swaps: dict[bytes, bytes] = field(default_factory=dict[bytes, bytes])
    ports: list[int] = field(default_factory=list[int])
    trips: int = 0
    lose: set[int] = field(default_factory=set[int])
    cuts: int = 0
    delay_s: float = 0.0
    connections: int = 0
    tasks: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    @property
    def port(self) -> int:
        """The port before the only server, or the first one."""
        return self.ports[0]

    def clear(self) -> None:
        """Count from 0 again, and lose nothing."""
        self.trips, self.cuts, self.lose = 0, 0, set()

    async def serve(self, client: Streams, connect: Connect) -> None:
        """Serve one connection of a client until one of the two sides ends it."""
        self.connections += 1
        connection = _Connection(self, client, await connect())
        with suppress(ConnectionError, asyncio.CancelledError):
            await connection.run()
        self.connections -= 1


class _Connection:
    """One connection of a client, and the connection to the server behind it."""

    def __init__(self, proxy: LossyProxy, client: Streams, server: Streams) -> None:
        self._proxy = proxy
        self._client = client
        self._server = server
        self._is_asking = False
        self._number = 0
        self._lost = b""

    async def run(self) -> None:
        ways = [asyncio.ensure_future(self._ask()), asyncio.ensure_future(self._answer())]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for _, writer in (self._client, self._server):
                writer.close()
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _ask(self) -> None:
        while data := await self._client[0].read(1 << 20):
            if not self._is_asking:
                self._proxy.trips += 1
                self._is_asking, self._number = True, self._proxy.trips
            if self._proxy.delay_s:
                await asyncio.sleep(self._proxy.delay_s)
            self._server[1].write(data)

    async def _answer(self) -> None:
        while data := await self._server[0].read(1 << 20):
            if self._number in self._proxy.lose:
                self._lost += data
                if self._proxy.is_whole(self._lost):
                    self._proxy.cuts += 1
                    return
                continue
            self._is_asking = False
            for old, new in self._proxy.swaps.items():
                data = data.replace(old, new)
            self._client[1].write(data)


@asynccontextmanager
async def lossy_proxy(
    *connects: Connect, is_whole: Callable[[bytes], bool] = any_bytes, tls: ssl.SSLContext | None = None
) -> AsyncGenerator[LossyProxy]:
    """Run a proxy before a server, or before the nodes of a cluster.

    Args:
        connects: each opens a connection to a server.
        is_whole: as in `LossyProxy`.
        tls: the certificate of the proxy; None for a protocol without TLS.
    """
    proxy = LossyProxy(is_whole)

    async def serve(connect: Connect, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        proxy.tasks.add(task)
        try:
            await proxy.serve((reader, writer), connect)
        finally:
            proxy.tasks.discard(task)

    listeners = [await asyncio.start_server(partial(serve, one), "127.0.0.1", 0, ssl=tls) for one in connects]
    proxy.ports = [listener.sockets[0].getsockname()[1] for listener in listeners]
    try:
        yield proxy
    finally:
        for listener in listeners:
            listener.close()
        for task in list(proxy.tasks):
            task.cancel()
        await asyncio.gather(*proxy.tasks, return_exceptions=True)
