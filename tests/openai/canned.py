"""A server that sends the same bytes to every client: for answers that no service should send, and some services do."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager


class CannedServer:
    """Answer every request with the same bytes."""

    def __init__(self) -> None:
        self.body = b""
        self.status = 200
        self.content_type = "text/event-stream"
        self.headers: dict[str, str] = {}
        self.base_url = ""
        self.asked = b""

    def chunks(self, *chunks: object, done: bool = True) -> None:
        frames = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
        self.body = "".join([*frames, "data: [DONE]\n\n"] if done else frames).encode()

    def whole(self, completion: object) -> None:
        self.content_type = "application/json"
        self.body = json.dumps(completion).encode()

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[CannedServer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            asked = (await reader.readuntil(b"\r\n\r\n")).lower()
            self.asked = await reader.readexactly(int(asked.partition(b"content-length:")[2].split()[0]))
            headers = {"content-type": self.content_type, "connection": "close", **self.headers}
            head = [f"HTTP/1.1 {self.status} OK", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
            writer.write("\r\n".join(head).encode())
            writer.write(self.body)
            await writer.drain()
        finally:
            writer.close()
            await writer.wait_closed()


def chunk(delta: object, *, finish_reason: str | None = None, **fields: object) -> dict[str, object]:
    """Return a chunk of a streamed chat completion."""
    choices = [{"index": 0, "delta": delta, "finish_reason": finish_reason}]
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "odd", "choices": choices, **fields}


def completion(message: object, *, finish_reason: str | None = "stop", **fields: object) -> dict[str, object]:
    """Return a whole chat completion."""
    choices = [{"index": 0, "message": message, "finish_reason": finish_reason}]
    return {"id": "c1", "object": "chat.completion", "created": 1, "model": "odd", "choices": choices, **fields}
