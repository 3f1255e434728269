"""The head of an answer and the first part of its body, in one write.

uvicorn writes them one after the other. Each write is a call of the system, and wakes the client. A long first part is
written after the head instead, because a copy of it would cost more than the call.

`writelines` of asyncio's transports is not used. In the first versions of Python 3.12 and 3.13 it never tells the
protocol to pause (https://github.com/python/cpython/issues/127655), so a client that does not read would never be cut
off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

_JOINED_BYTES = 65_536


class AnswerTransport:
    """The transport for one answer. If no body follows its head at once, the head is written in the loop's next round.

    Args:
        transport: the transport of the connection.
        loop: the event loop.
        close: closes the connection.
    """

    def __init__(
        self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop, close: Callable[[], None]
    ) -> None:
        self.is_closing: Callable[[], bool] = transport.is_closing
        self._transport = transport
        self._loop = loop
        self._close = close
        self._has_begun = False
        self._head = b""

    def write(self, data: bytes) -> None:
        """Write a part of the answer. The first part is its head."""
        if not self._has_begun:
            self._has_begun, self._head = True, data
            self._loop.call_soon(self._flush)
        elif len(data) <= _JOINED_BYTES:
            head, self._head = self._head, b""
            self._transport.write(head + data if head else data)
        else:
            self._flush()
            self._transport.write(data)

    def close(self) -> None:
        """Close the connection, after what is written already."""
        self._flush()
        self._close()

    def _flush(self) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)
