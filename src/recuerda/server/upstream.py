"""The chat-completions server behind this service.

It is called without OpenAI's SDK. The SDK would convert answers that are only passed on, and its HTTP library takes
four times as much of the processor's time (see `http_session.py`). If the connection breaks before the answer begins,
the call is tried once more; any other failure is left to the client. An error of the model's server about the request
is passed on. An error about this service's own account becomes status 502. No error shows the key.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection, Mapping
from contextlib import aclosing, asynccontextmanager, nullcontext, suppress
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import msgspec

from recuerda import _observing
from recuerda._events import fields
from recuerda.openai.connection import CONNECT_TIMEOUT_S, Connection, public_url
from recuerda.server.ending import Ending
from recuerda.server.faults import ApiFault
from recuerda.server.http_session import HttpSession

_logger = logging.getLogger("recuerda.server")
_OPENAI_HOSTS = ("openai.com", "openai.azure.com")
_DRAIN_S = 0.2
_NOTHING = nullcontext()
HINTS = ("stream_options", "prompt_cache_key", "safety_identifier", "service_tier")
"""The fields of a request without which the answer is the same. A server that refuses a field is asked without it."""

_ABOUT_FIELDS = (400, 422)
_PASSED_ON = (400, 404, 409, 413, 415, 422, 429)


class _Refused(ApiFault):
    """The model's server refuses a request.

    Attributes:
        hints: the names of hints that stand in the refusal.
    """

    hints: frozenset[str] = frozenset()


class UpstreamAnswer:
    """A successful answer of the model's server, whose body may still be arriving.

    Args:
        status: the HTTP status.
        content_type: the media type of the body.
        next_piece: returns the next piece of the body when it has arrived; an empty one at the end of the body.
        ending: ends the waits for pieces when the server stops.
        max_bytes: the size of the longest body that is read as a whole.
        max_event_bytes: the size of the longest event of a stream.
    """

    def __init__(
        self,
        status: int,
        content_type: str,
        next_piece: Callable[[], Awaitable[bytes]],
        *,
        ending: Ending,
        max_bytes: int,
        max_event_bytes: int,
    ) -> None:
        self.status: int = status
        self.content_type: str = content_type
        self._next_piece = next_piece
        self._ending = ending
        self._max_bytes = max_bytes
        self._max_event_bytes = max_event_bytes

    async def read(self) -> bytes:
        """Return the body.

        Raises:
            ApiFault: the body breaks off or is too long.
        """
        found: list[bytes] = []
        size = 0
        async with aclosing(self.pieces()) as pieces:
            async for piece in pieces:
                size += len(piece)
                if size > self._max_bytes:
                    raise _too_long(f"An answer of the model's server is longer than {self._max_bytes:,} bytes.")
                found.append(piece)
        return b"".join(found)

    async def pieces(self) -> AsyncGenerator[bytes]:
        """Yield the body in the pieces in which it arrives."""
        with _Reading():
            while piece := await self._ending.wait(self._next_piece):
                yield piece
                # A server that sends without pause must not keep others from being answered.
                await asyncio.sleep(0)

    async def events(self) -> AsyncGenerator[bytes]:
        """Yield the data of each server-sent event, up to the end mark.

        A server that does not stream sends a whole answer instead, which is the only event then.

        Raises:
            ApiFault: the stream breaks off, or an event is too long.
        """
        if self.content_type.partition(";")[0].strip() == "application/json":
            yield await self.read()
            return
        async with aclosing(self.pieces()) as pieces:
            async with aclosing(_lines(pieces, self._max_event_bytes)) as lines:
                parts: list[bytes] = []
                async for line in lines:
                    if (data := line[5:].strip()) == b"[DONE]":
                        break
                    if not parts and data.endswith(b"}"):
                        yield data
                        continue
                    parts.append(data)
                    if _may_be_whole(parts, self._max_event_bytes):
                        yield b"\n".join(parts)
                        parts = []
                if any(parts):
                    yield b"\n".join(parts)
            with suppress(TimeoutError, ApiFault):
                # The connection can be used again only if its answer was read to the end.
                async with asyncio.timeout(_DRAIN_S):
                    async for _ in pieces:
                        pass


def _may_be_whole(parts: list[bytes], max_bytes: int) -> bool:
    """Return whether the lines with the data of an event make a whole JSON text, or can never make one.

    Nearly all servers send an event's JSON in one line. A server that sends it in several lines begins with a brace.
    """
    if not parts[0]:
        del parts[0]  # An empty line of data keeps the connection open.
        return False
    if parts[0].endswith(b"}") or not parts[0].startswith(b"{"):
        return True
    if sum(map(len, parts)) > max_bytes:
        raise _too_long(f"An event of the model's server is longer than {max_bytes:,} bytes.")
    try:
        msgspec.json.decode(b"\n".join(parts), type=msgspec.Raw)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return "truncated" not in str(error)
    return True


async def _lines(pieces: AsyncIterator[bytes], max_bytes: int) -> AsyncGenerator[bytes]:
    """Yield the lines with the data of events.

    Raises:
        ApiFault: a line is too long.
    """
    # Only a line feed ends a line. The HTTP library would also end lines at U+2028, which JSON may contain.
    begun: list[bytes] = []
    size = 0
    async for piece in pieces:
        first, *more = piece.split(b"\n")
        begun.append(first)
        size += len(first)
        if size > max_bytes:
            raise _too_long(f"An event of the model's server is longer than {max_bytes:,} bytes.")
        if not more:
            continue
        for line in (b"".join(begun), *more[:-1]):
            if line.startswith(b"data:"):
                yield line
        begun, size = [more[-1]], len(more[-1])
    if (last := b"".join(begun)).startswith(b"data:"):
        yield last


def _too_long(message: str) -> ApiFault:
    return ApiFault(502, message, code="upstream_too_long")


class _Reading:
    """Turns an error in the middle of an answer into a fault."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, Exception) and not isinstance(error, ApiFault):
            _logger.warning(
                "the model's server ended an answer too early: %s",
                type(error).__name__,
                extra=fields("upstream_broken", error=type(error).__name__),
            )
            raise ApiFault(502, "The model's server ended its answer too early.", code="upstream_broken") from error


class Upstream:
    """A chat-completions server.

    Args:
        base_url: the server's address, such as `http://localhost:8000/v1`.
        api_key: the key that the server requires; None if it requires none.
        timeout_s: the seconds to wait for an answer, or for the next piece of an answer.
        max_bytes: the size of the longest answer that is read as a whole. A longer answer gives status 502.
        max_event_bytes: the size of the longest event of a stream. A longer event gives status 502.

    Raises:
        ConfigurationError: the address or the key cannot be used.
    """

    def __init__(
        self,
        base_url: str,
        *,
        api_key: str | None = None,
        timeout_s: float = 600.0,
        max_bytes: int = 64 * 1024 * 1024,
        max_event_bytes: int = 4 * 1024 * 1024,
    ) -> None:
        settings = Connection(base_url=base_url, api_key=api_key, timeout_s=timeout_s)
        headers = {"content-type": "application/json", "accept-encoding": "identity", "user-agent": "recuerda"}
        if api_key:
            headers["authorization"] = f"Bearer {api_key}"
        connect_s = min(timeout_s, CONNECT_TIMEOUT_S)
        self._http = HttpSession(base_url, headers=headers, timeout_s=timeout_s, connect_s=connect_s)
        self._key = api_key
        self._base_url = base_url.rstrip("/")
        self._chat_url = f"{self._base_url}/chat/completions"
        self.url: str = public_url(settings.url)
        host = urlsplit(base_url).hostname or ""
        self.is_openai: bool = any(host == name or host.endswith(f".{name}") for name in _OPENAI_HOSTS)
        self._refused_hints: frozenset[str] = frozenset()
        self._max_bytes = max_bytes
        self._max_event_bytes = max_event_bytes
        self._ending = Ending()

    @property
    def is_ended(self) -> bool:
        """True if all calls were ended, and no new call is made."""
        return self._ending.is_over

    def end_calls(self) -> None:
        """End all calls with a fault, and refuse new ones, because the server stops."""
        self._ending.end()

    @asynccontextmanager
    async def chat(self, body: Mapping[str, Any] | bytes) -> AsyncGenerator[UpstreamAnswer]:
        """Call the model and yield its answer. Leaving the block ends the call, even in the middle of the answer.

        Args:
            body: the request, as JSON data or as the bytes of its JSON.

        Raises:
            ApiFault: the model's server does not answer or refuses the request.
        """
        content = body if isinstance(body, bytes) else msgspec.json.encode(body)
        if self._refused_hints:
            content = _without(self._refused_hints, content) or content
        work = None
        if _observing.observer is not None:
            model = None if isinstance(body, bytes) else body.get("model")
            work = _observing.observer.upstream(self.url, model if isinstance(model, str) else None)
        try:
            with _NOTHING if work is None else work.active():
                answer = await self._ask(content)
            try:
                yield self._answer(answer)
            finally:
                answer.close()
        except BaseException as error:
            if work is not None:
                work.end(error)
            raise
        if work is not None:
            work.end()

    async def fetch(self, method: str, path: str, content: bytes | None = None) -> bytes:
        """Return the server's own JSON for another path, such as `/models`.

        Raises:
            ApiFault: the model's server does not answer or refuses the request.
        """
        answer = await self._open(method, f"{self._base_url}{path}", content)
        try:
            return await self._answer(answer).read()
        finally:
            answer.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.close()

    async def _ask(self, content: bytes) -> aiohttp.ClientResponse:
        """Return the answer of the model's server, without the hints in the request that the server refuses."""
        for _ in HINTS:
            try:
                return await self._open("POST", self._chat_url, content)
            except _Refused as refusal:
                if not refusal.hints or (rest := _without(refusal.hints, content)) is None:
                    raise
                self._refused_hints |= refusal.hints
                content = rest
        return await self._open("POST", self._chat_url, content)

    async def _open(self, method: str, url: str, content: bytes | None) -> aiohttp.ClientResponse:
        try:
            try:
                answer = await self._send(method, url, content)
            except TimeoutError:
                raise
            except aiohttp.ClientError:
                # Usually the server had closed an idle connection. The second attempt uses a new connection.
                answer = await self._send(method, url, content)
        except TimeoutError:
            raise ApiFault(504, "The model's server did not answer in time.", code="upstream_timeout") from None
        except aiohttp.ClientError as error:
            _logger.warning(
                "the model's server cannot be reached: %s",
                type(error).__name__,
                extra=fields("upstream_unreachable", error=type(error).__name__),
            )
            raise ApiFault(502, "The model's server cannot be reached.", code="upstream_unreachable") from None
        if answer.status == 200:
            return answer
        try:
            raise await self._refusal(answer)
        finally:
            answer.close()

    def _answer(self, answer: aiohttp.ClientResponse) -> UpstreamAnswer:
        return UpstreamAnswer(
            answer.status,
            answer.headers.get("content-type", "application/json"),
            answer.content.readany,
            ending=self._ending,
            max_bytes=self._max_bytes,
            max_event_bytes=self._max_event_bytes,
        )

    async def _send(self, method: str, url: str, content: bytes | None) -> aiohttp.ClientResponse:
        headers = None if _observing.observer is None else _observing.observer.trace_headers()
        return await self._ending.wait(partial(self._http.send, method, url, content, headers))

    async def _refusal(self, answer: aiohttp.ClientResponse) -> ApiFault:
        status = answer.status
        if status not in _PASSED_ON:
            _logger.error(
                "the model's server answered with status %d", status, extra=fields("upstream_failed", status=status)
            )
            if status in (401, 403):
                message = "The model's server does not accept this server's key."
                return ApiFault(502, message, code="upstream_unauthorized")
            return ApiFault(502, f"The model's server failed with status {status}.", code="upstream_error")
        body = await self._answer(answer).read()
        details = _details_of(body)
        message = details.message or f"The model's server refused the request with status {status}."
        if self._key and self._key in message:
            message = "The model's server refused the request."
        wait = answer.headers.get("retry-after", "")
        fault = _Refused(
            status,
            message,
            kind=details.type,
            code=details.code if isinstance(details.code, str) else None,
            param=details.param if isinstance(details.param, str) else None,
            retry_after_s=float(wait) if wait.isdecimal() else (1 if status == 429 else None),
        )
        if status in _ABOUT_FIELDS:
            fault.hints = frozenset(name for name in HINTS if name.encode() in body)
        return fault


def _without(names: Collection[str], content: bytes) -> bytes | None:
    """Return a request's JSON without some fields; None if it has none of them."""
    fields = msgspec.json.decode(content, type=dict[str, msgspec.Raw])
    kept = {name: value for name, value in fields.items() if name not in names}
    return None if len(kept) == len(fields) else msgspec.json.encode(kept)


class _Details(msgspec.Struct, frozen=True):
    message: str | None = None
    type: str | None = None
    code: Any = None
    param: Any = None


class _Refusal(msgspec.Struct, frozen=True):
    error: _Details | str | None = None
    message: str | None = None


def _details_of(body: bytes) -> _Details:
    """Return the fields of a refusal, in OpenAI's shape or in one of the shapes that other servers use."""
    try:
        refusal = msgspec.json.decode(body, type=_Refusal)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _Details()
    if isinstance(refusal.error, _Details):
        return refusal.error
    return _Details(message=refusal.error or refusal.message)
