"""A stand-in for PgBouncer in transaction mode, which no package index has.

It speaks PostgreSQL's protocol (https://www.postgresql.org/docs/current/protocol-flow.html) and does what matters about
such a pooler: each transaction of a client runs on whichever server connection is free, so that two statements of one
client seldom meet the same one, and what a session would remember is lost or, worse, somebody else's. It takes server
connections in turn, which real poolers avoid: what works here does not work by luck. Like PgBouncer it refuses startup
options that it cannot keep apart, and gives clients process ids of its own. It counts round trips.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeAlias

Streams: TypeAlias = tuple[asyncio.StreamReader, asyncio.StreamWriter]

SSL, GSS, CANCEL = 80877103, 80877104, 80877102
ALLOWED_OPTIONS = {"user", "database", "application_name", "client_encoding"}


@dataclass
class Pooler:
    """A running pooler.

    Attributes:
        url: where clients connect.
        trips: how many times a client sent something and waited for the answer, not counting its connecting.
        most_at_once: how many trips were under way in the same moment, at most.
        delay_s: how long each trip takes at least, as if the server were far away.
        statements: what clients sent for parsing, with the names under which the server was to keep it.
    """

    url: str = ""
    trips: int = 0
    most_at_once: int = 0
    delay_s: float = 0.0
    statements: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    servers: asyncio.Queue[Streams] = field(default_factory=asyncio.Queue[Streams])
    greeting: bytes = b""
    under_way: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client until it leaves."""
        held: Streams | None = None
        try:
            await _welcome(reader, writer, self.greeting)
            while True:
                kind, message = await _read(reader)
                if kind == b"X":
                    return
                if kind in (b"P", b"Q"):
                    self._note(kind, message)
                held = held or await self.servers.get()
                held[1].write(message)
                if kind in (b"S", b"Q"):
                    self.trips += 1
                    self.under_way += 1
                    self.most_at_once = max(self.most_at_once, self.under_way)
                    await asyncio.sleep(self.delay_s)
                    self.under_way -= 1
                    if await _relay(held[0], writer) == b"I":
                        self.servers.put_nowait(held)
                        held = None
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            if held is not None:
                held[1].close()
            writer.close()

    def _note(self, kind: bytes, message: bytes) -> None:
        texts = message[5:].split(b"\0")
        name, text = (texts[0], texts[1]) if kind == b"P" else (b"", texts[0])
        self.statements.append((name.decode(), text.decode()))


@asynccontextmanager
async def transaction_pooler(socket_folder: str, *, size: int = 3) -> AsyncGenerator[Pooler]:
    """Run a pooler of `size` connections to the server whose unix socket is in a folder."""
    pooler = Pooler()
    opened: list[Streams] = []
    for _ in range(size):
        streams = await asyncio.open_unix_connection(f"{socket_folder}/.s.PGSQL.5432")
        streams[1].write(_startup(b"user\0postgres\0database\0postgres\0client_encoding\0UTF8\0\0"))
        pooler.greeting = await _read_greeting(streams[0])
        opened.append(streams)
        pooler.servers.put_nowait(streams)
    listener = await asyncio.start_server(pooler.serve, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    pooler.url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    try:
        yield pooler
    finally:
        listener.close()
        for _, writer in opened:
            writer.close()
            await writer.wait_closed()


async def _welcome(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, greeting: bytes) -> None:
    while True:
        (size,) = struct.unpack("!i", await reader.readexactly(4))
        body = await reader.readexactly(size - 4)
        (code,) = struct.unpack("!i", body[:4])
        if code not in (SSL, GSS):
            break
        writer.write(b"N")
    options = body[4:].split(b"\0")[:-2:2]
    if code == CANCEL or not {option.decode() for option in options} <= ALLOWED_OPTIONS:
        raise ConnectionError(f"unsupported startup parameters: {options}")
    # Accepted; the server's settings; a process id of the pooler's own; ready.
    writer.write(b"R" + struct.pack("!ii", 8, 0) + greeting)
    writer.write(b"K" + struct.pack("!iii", 12, 1, 1) + b"Z" + struct.pack("!i", 5) + b"I")


async def _read(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    (size,) = struct.unpack("!i", head[1:])
    return head[:1], head + await reader.readexactly(size - 4)


async def _read_greeting(reader: asyncio.StreamReader) -> bytes:
    settings = b""
    while True:
        kind, message = await _read(reader)
        if kind == b"S":
            settings += message
        elif kind == b"Z":
            return settings


async def _relay(server: asyncio.StreamReader, client: asyncio.StreamWriter) -> bytes:
    """Pass the server's answer on, and return the state of the transaction after it."""
    while True:
        kind, message = await _read(server)
        client.write(message)
        if kind == b"Z":
            return message[5:]


def _startup(options: bytes) -> bytes:
    body = struct.pack("!i", 3 << 16) + options
    return struct.pack("!i", len(body) + 4) + body
