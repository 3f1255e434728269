"""The messages of a client on standard input, also those with half of a surrogate pair.

A client in JavaScript that cuts a text in the middle of an emoji sends such a half. The SDK reads no such message, and
answers nothing, because it does not know to which request. The client would wait for ever.
"""

from __future__ import annotations

import json
from types import TracebackType
from typing import Self

from mcp.shared._stream_protocols import ReadStream
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from pydantic import ValidationError


class Lines:
    """A stream of a client's messages, in which each half of a surrogate pair is a question mark.

    Args:
        stream: the SDK's stream. A line that it cannot read is an exception there.
    """

    def __init__(self, stream: ReadStream[SessionMessage | Exception]) -> None:
        self._stream = stream

    async def receive(self) -> SessionMessage | Exception:
        """Return the next message, or the error of a line that is none."""
        return _mended(await self._stream.receive())

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return _mended(await anext(self._stream))

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc_val: BaseException | None, exc_tb: TracebackType | None
    ) -> bool | None:
        return await self._stream.__aexit__(exc_type, exc_val, exc_tb)


def _mended(item: SessionMessage | Exception) -> SessionMessage | Exception:
    if not isinstance(item, ValidationError):
        return item
    problem = item.errors(include_url=False)[0]
    if problem["type"] != "json_invalid":
        return item
    try:
        message: object = json.loads(problem["input"])  # unlike the SDK's, this parser reads half of a pair
        line = json.dumps(message, ensure_ascii=False).encode(errors="replace")
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except (ValueError, RecursionError):
        return item
