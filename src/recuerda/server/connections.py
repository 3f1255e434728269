"""The connections of a server, and their limits.

uvicorn reads a request's head without a limit of size or time, and a connection that sends nothing stays open for ever.
`GuardedConnection` adds these limits to uvicorn's own protocol. It changes neither how requests are parsed nor how they
are answered. A request that is refused here gets its answer in OpenAI's shape, and its connection is closed.

Each open connection is in one of four states. It is *silent* while it waits for the head of a request, *uploading*
while a body arrives, *unread* while its client has to read more of an answer before the server can send the rest, and
*busy* while its client waits for the server. When there are too many connections, the one is closed that has been
silent for the longest time, and after all silent ones the one that has been uploading for the longest time. A
connection that has been silent for less than half a second does not give way to an older upload: otherwise slow uploads
on all other connections would close each new one before its request arrives. If no connection is silent or uploading,
the one is closed that has been unread for the longest time, if that is at least half a second.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from typing import Any, Literal, TypeAlias, cast

import msgspec
from uvicorn import Config
from uvicorn.protocols.http.flow_control import FlowControl
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from recuerda.server.answer_transport import AnswerTransport
from recuerda.server.faults import ApiFault
from recuerda.server.request_ids import REQUEST_ID, new_request_id
from recuerda.server.settings import Limits

if sys.platform == "win32":
    _descriptors = None
else:
    import resource as _descriptors

State: TypeAlias = Literal["silent", "uploading", "unread", "busy"]

_LINGER_S = 5.0
_LINGER_BYTES = 64 * 1024 * 1024
_BODY_HEADERS = (b"content-length", b"transfer-encoding")
_FRESH_S = 0.5
_FREE_CHUNKS = 2048
_CHUNK_BYTES = 64
_SMALL_BYTES = 4096
_WORK_S = 0.002
_MOST_DESCRIPTORS = 65_536
_WINDOWS_CONNECTIONS = 1024
_CLOSE = (b"connection", b"close")
"""The header of a request that uvicorn repeats in the answer."""


class Connections:
    """The open connections of one server.

    Args:
        limits: the limits of each connection, and of their number.

    Attributes:
        are_ending: True if each further answer closes its connection, because the server stops.
        farewell_s: the seconds for which a connection without a request stays open when the server listens no more.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.most: int = limits.max_connections or connections_that_fit()
        self._open: dict[State, dict[GuardedConnection, float]] = {
            "silent": {},
            "uploading": {},
            "unread": {},
            "busy": {},
        }
        self._unparsed: deque[GuardedConnection] = deque()
        self._is_parsing_planned = False
        self.are_ending: bool = False
        self.farewell_s: float = 0.0

    def __len__(self) -> int:
        """Return the number of open connections."""
        return sum(len(connections) for connections in self._open.values())

    def end(self, *, farewell_s: float) -> None:
        """Let each answer that has not begun close its connection.

        Args:
            farewell_s: the seconds for which a connection without a request stays open when the server listens no more.
                A client that is about to send a request on it is told with the answer to use another one.
        """
        self.are_ending, self.farewell_s = True, farewell_s
        for connections in self._open.values():
            for connection in connections:
                connection.announce_end()

    def admit(self, connection: GuardedConnection) -> bool:
        """Add a new connection. Return False if there is no room for it, even after closing one that waits."""
        if len(self) >= self.most:
            waiting = self._least_needed()
            if waiting is None:
                return False
            waiting.drop()
        self._open["silent"][connection] = time.monotonic()
        return True

    def _least_needed(self) -> GuardedConnection | None:
        now = time.monotonic()
        silent, silent_since = self._longest("silent")
        uploading, uploading_since = self._longest("uploading")
        unread, unread_since = self._longest("unread")
        if silent is None and uploading is None:
            return unread if now >= unread_since + _FRESH_S else None
        if silent is None or uploading is None:
            return silent or uploading
        is_fresh = now < silent_since + _FRESH_S
        return uploading if is_fresh and uploading_since < silent_since else silent

    def _longest(self, state: State) -> tuple[GuardedConnection | None, float]:
        """Return the connection that has been in a state for the longest time, and since when."""
        return next(iter(self._open[state].items()), (None, 0.0))

    def move(self, connection: GuardedConnection, before: State, after: State) -> None:
        """Note that a connection has come into another state."""
        if connection in self._open[before]:
            del self._open[before][connection]
            self._open[after][connection] = time.monotonic()

    def remove(self, connection: GuardedConnection, state: State) -> None:
        """Forget a connection that is closed."""
        self._open[state].pop(connection, None)

    def parse_later(self, connection: GuardedConnection) -> None:
        """Let a connection parse what it has read when its turn comes."""
        self._unparsed.append(connection)
        self._plan_parsing(connection.loop)

    def _plan_parsing(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._unparsed and not self._is_parsing_planned:
            self._is_parsing_planned = True
            loop.call_soon(self._parse, loop)

    def _parse(self, loop: asyncio.AbstractEventLoop) -> None:
        """Parse for a few milliseconds, then let the event loop do its other work."""
        self._is_parsing_planned = False
        end = time.perf_counter() + _WORK_S
        try:
            while self._unparsed and time.perf_counter() < end:
                self._unparsed.popleft().parse()
        finally:
            self._plan_parsing(loop)


class _Flow(FlowControl):
    """uvicorn's control of a connection's reading, which is also held while a piece waits to be parsed."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__(transport)
        self._is_held = False

    def hold(self) -> None:
        self._is_held = True
        self._transport.pause_reading()

    def release(self) -> None:
        self._is_held = False
        if not self.read_paused:
            self._transport.resume_reading()

    def resume_reading(self) -> None:
        if self._is_held:
            self.read_paused = False
        else:
            super().resume_reading()


class GuardedConnection(HttpToolsProtocol):
    """One connection: uvicorn's protocol, with limits of size and time.

    Args:
        connections: the open connections of the server.
        config: uvicorn's settings.
        server_state: uvicorn's state.
        app_state: the application's state.
        _loop: the event loop. uvicorn gives it under this name.
    """

    def __init__(
        self,
        connections: Connections,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._all = connections
        self._limits = connections.limits
        self._state: State = "silent"
        self._is_in_body = False
        self._is_ending = self._is_leaving = self._closes_after_body = False
        self._fault: ApiFault | None = None
        self._url_bytes = self._head_bytes = self._raw_bytes = self._body_bytes = self._chunks = 0
        self._unparsed = b""
        self._patience: asyncio.TimerHandle | None = None
        self._reading: asyncio.TimerHandle | None = None

    # -- the connection ------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Admit the connection, or refuse it when there are too many."""
        super().connection_made(transport)
        self._flow = _Flow(transport)
        self.flow: FlowControl = self._flow
        if self._all.admit(self):
            self._wait(self._limits.head_s)
        else:
            self._end(ApiFault(503, "The server has too many connections. Try again.", code="server_overloaded"))

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the connection."""
        self._all.remove(self, self._state)
        self._stop_waiting()
        self.resume_writing()
        super().connection_lost(exc)

    def drop(self) -> None:
        """Close the connection at once."""
        self._is_ending = True
        self._all.remove(self, self._state)
        self.transport.abort()

    def announce_end(self) -> None:
        """Let the answer say that it closes the connection, unless it has begun."""
        if self._is_answering:
            self.headers.append(_CLOSE)

    def shutdown(self) -> None:
        """Close the connection when it has been without a request for a moment."""
        self._is_leaving = True
        if not self._is_answering:
            self._leave()

    def _leave(self) -> None:
        if self._all.farewell_s:
            self.loop.call_later(self._all.farewell_s, super().shutdown)
        else:
            super().shutdown()

    def timeout_keep_alive_handler(self) -> None:
        """Close a connection on which no request came for a while, even if its client reads nothing."""
        if not self.transport.is_closing():
            self.drop()

    def pause_writing(self) -> None:
        """Stop the answer until the client reads. A client that does not read is cut off."""
        super().pause_writing()
        if self._reading is None:
            self._reading = self.loop.call_later(self._limits.send_s, self.drop)
            self._note_state()

    def resume_writing(self) -> None:
        """Continue the answer."""
        super().resume_writing()
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None
            self._note_state()

    # -- what the client sends -----------------------------------------------------------------------------------------

    def data_received(self, data: bytes) -> None:
        """Take a piece of a request. A large piece is parsed later, so that small requests of others come first."""
        if len(data) <= _SMALL_BYTES and not self._unparsed:
            self._take(data)
        elif not self._is_ending:
            if not self._unparsed:
                self._flow.hold()
                self._all.parse_later(self)
            self._unparsed += data

    def parse(self) -> None:
        """Parse the piece that has waited."""
        data, self._unparsed = self._unparsed, b""
        if not self.transport.is_closing():
            self._take(data)
            self._flow.release()

    def _take(self, data: bytes) -> None:
        """Parse a piece of a request, and check the limits."""
        if self._is_ending:
            return
        if self._is_in_body:
            self._raw_bytes += len(data)
        else:
            self._head_bytes += len(data)  # until the head is complete
        super().data_received(data)
        if self._is_in_body:
            self._check_body()
        elif self._head_bytes > self._limits.max_head_bytes and not self._is_ending:
            self._end(self._long_head())
        self._settle(may_rest=False)

    def on_message_begin(self) -> None:
        """Begin a request."""
        super().on_message_begin()
        self._url_bytes = 0

    def on_url(self, url: bytes) -> None:
        """Take a piece of the path."""
        self._url_bytes += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header. Headers behind a body are dropped, because the request has been admitted without them."""
        if self._is_in_body:
            return
        if len(self.headers) >= self._limits.max_headers:
            message = f"The request has more than {self._limits.max_headers} headers."
            self._refuse(ApiFault(431, message, code="request_too_large"))
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Begin to answer the request."""
        size = self._url_bytes + sum(len(name) + len(value) for name, value in self.headers)
        if size > self._limits.max_head_bytes:
            self._refuse(self._long_head())
        if len(self.pipeline) >= self._limits.max_pipelined:
            self._refuse(ApiFault(429, "The connection has too many requests that wait.", code="too_many_requests"))
        parser: Any = self.parser
        is_upgrade = parser.should_upgrade()
        if is_upgrade and any(name in _BODY_HEADERS for name, _ in self.headers):
            # The parser would take the body for the next request.
            message = "The server does not change the protocol. Send the request without the header Upgrade."
            self._refuse(ApiFault(400, message, code="invalid_http"))
        if self._all.are_ending:
            self.headers.append(_CLOSE)
        super().on_headers_complete()
        if is_upgrade or self._all.are_ending:
            self.cycle.keep_alive = False  # whatever follows an upgrade is in a protocol that the server does not speak
        if parser.get_http_version() == "1.0":
            _end_with_connection(self.cycle)
        close = self.transport.close if self.cycle.keep_alive else self._close
        self.cycle.transport = cast("asyncio.Transport", AnswerTransport(self.transport, self.loop, close))
        self._is_in_body = True
        self._head_bytes = self._raw_bytes = self._body_bytes = self._chunks = 0

    def on_chunk_header(self) -> None:
        """Count the chunks of the body: each costs as much as a thousand bytes."""
        self._chunks += 1
        if self._chunks > _FREE_CHUNKS + self._body_bytes // _CHUNK_BYTES:
            self._refuse(_small_chunks())

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._body_bytes += len(body)
        self._take_over(body)
        super().on_body(body)

    def _take_over(self, body: bytes) -> None:
        """Let a large piece that comes alone be handed on without the two copies that uvicorn makes for it."""
        cycle: Any = self.cycle
        if not cycle.body and len(body) > _SMALL_BYTES:
            cycle.body = b""
        elif type(cycle.body) is bytes:
            cycle.body = bytearray(cycle.body)

    def on_message_complete(self) -> None:
        """End the request."""
        self._is_in_body = False
        super().on_message_complete()
        if self._closes_after_body:
            self._close()

    def on_response_complete(self) -> None:
        """Begin to answer the next request, or wait for it."""
        super().on_response_complete()
        if self._is_leaving and not self._is_answering:
            self._leave()
        if self.transport.is_closing():
            self._wait(self._limits.send_s)  # for a client that does not read the rest of its answer
        else:
            self._settle(may_rest=True)

    def send_400_response(self, msg: str) -> None:
        """Refuse what cannot be parsed, or what a limit forbids."""
        if not self._is_ending:
            self._end(self._fault or ApiFault(400, msg, code="invalid_http"))

    def _close(self) -> None:
        """Close the connection when the request has arrived. A client that is cut off while it sends sees no answer."""
        self._closes_after_body = self._is_in_body
        if not self._is_in_body:
            self._is_ending = True
            self.transport.close()
            self._stop_waiting()
            self._wait(self._limits.send_s)

    # -- limits --------------------------------------------------------------------------------------------------------

    @property
    def _is_answering(self) -> bool:
        cycle: Any = self.cycle
        return cycle is not None and not cycle.response_complete

    def _settle(self, *, may_rest: bool) -> None:
        """Note the state of the connection, and how long it may stay.

        Args:
            may_rest: True if the connection may wait for a next request, as uvicorn's own timer allows it.
        """
        if self._is_ending:
            return
        self._note_state()
        if self._state == "silent" and not may_rest:
            self._wait(self._limits.head_s)
        elif self._state == "uploading" and not self._is_answering:
            self._wait(_LINGER_S)  # The answer is given, so nobody reads the rest of the body.

    def _note_state(self) -> None:
        state: State = "silent"
        if self._is_in_body:
            state = "uploading"
        elif self._is_answering:
            state = "busy" if self._reading is None else "unread"
        if state != self._state:
            self._all.move(self, self._state, state)
            self._state = state
            self._stop_waiting()

    def _check_body(self) -> None:
        overhead = self._raw_bytes - self._body_bytes
        if overhead > self._limits.max_head_bytes + self._body_bytes:
            self._end(_small_chunks())
        elif self._body_bytes > _LINGER_BYTES and not self._is_answering:
            self.drop()

    def _long_head(self) -> ApiFault:
        message = f"The head of the request is longer than {self._limits.max_head_bytes:,} bytes."
        return ApiFault(
            414 if self._url_bytes > self._limits.max_head_bytes // 2 else 431, message, code="request_too_large"
        )

    def _refuse(self, fault: ApiFault) -> None:
        """Stop the parser. It reports the error to `send_400_response`."""
        self._fault = fault
        raise fault

    def _end(self, fault: ApiFault) -> None:
        """Answer with a fault and close the connection, or close it after the answers that are being made."""
        self._is_ending = True
        cycle: Any = self.cycle
        if self._is_answering and not self._is_in_body:
            cycle.keep_alive = False
            return
        if not (self._is_answering and cycle.response_started):
            self.transport.write(_written(fault))
        self.transport.close()
        self._wait(self._limits.send_s)

    def _wait(self, seconds: float) -> None:
        if self._patience is None:
            self._patience = self.loop.call_later(seconds, self._give_up)

    def _stop_waiting(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _give_up(self) -> None:
        self._patience = None
        if self._state == "silent" and self._head_bytes and not self._is_ending:
            self._end(ApiFault(408, "The request took too long to arrive.", code="request_timeout"))
        else:
            self.drop()


def connections_that_fit() -> int:
    """Return the number of connections for which the process has descriptors: half of the files that it may open.

    The other half is for calls of the model's server and for the storage.
    """
    if _descriptors is None:
        return _WINDOWS_CONNECTIONS
    soft, _ = _descriptors.getrlimit(_descriptors.RLIMIT_NOFILE)
    return max(1, min(soft, _MOST_DESCRIPTORS) // 2) if soft >= 0 else _MOST_DESCRIPTORS // 2


def allow_more_descriptors() -> None:
    """Let the process open as many files as the system allows it, up to 65,536."""
    if _descriptors is None:
        return
    soft, hard = _descriptors.getrlimit(_descriptors.RLIMIT_NOFILE)
    wanted = _MOST_DESCRIPTORS if hard < 0 else min(hard, _MOST_DESCRIPTORS)
    if 0 <= soft < wanted:
        _descriptors.setrlimit(_descriptors.RLIMIT_NOFILE, (wanted, hard))


def _small_chunks() -> ApiFault:
    return ApiFault(400, "The body comes in too many small chunks.", code="chunks_too_small")


def _end_with_connection(cycle: RequestResponseCycle) -> None:
    """Let an answer without a length end with its connection, because HTTP/1.0 knows no chunks (RFC 9112, 6.1)."""
    send = cycle.send

    async def send_plain(message: Any) -> None:
        if message["type"] == "http.response.start" and b"content-length" not in dict(message["headers"]):
            cycle.chunked_encoding = False
            cycle.expected_content_length = sys.maxsize
        elif cycle.chunked_encoding is False and not message.get("more_body"):
            cycle.expected_content_length = len(message.get("body", b""))
        await send(message)

    cycle.send = send_plain


def _written(fault: ApiFault) -> bytes:
    """Return a whole answer of HTTP/1.1 that closes its connection."""
    body = msgspec.json.encode(fault.body)
    headers = {"content-type": "application/json", "content-length": str(len(body)), **fault.headers}
    headers[REQUEST_ID] = new_request_id()
    lines = [f"{name}: {value}\r\n" for name, value in {**headers, "connection": "close"}.items()]
    return STATUS_LINE[fault.status] + "".join(lines).encode() + b"\r\n" + body
