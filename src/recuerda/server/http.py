"""The path of one request: it is admitted, passed to its handler, answered and counted.

Every route goes through `Gate`, so that keys, limits, errors and counts are the same for all of them. A handler gets an
`ApiCall` and returns a response or raises.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, nullcontext
from functools import lru_cache
from typing import Any, ParamSpec, TypeAlias, TypeVar
from urllib.parse import urlsplit

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from recuerda import _observing
from recuerda._drivers.hosts import is_loopback
from recuerda._events import fields
from recuerda._observing import RequestWork
from recuerda.server.azure_paths import DEPLOYMENT
from recuerda.server.beside import Beside, is_small
from recuerda.server.encodings import Unpacking
from recuerda.server.faults import ApiFault, bad_request, fault_of
from recuerda.server.json_limits import JsonMeter
from recuerda.server.keys import TenantKeys
from recuerda.server.limits import Buffered, BufferedBody
from recuerda.server.metrics import Metrics
from recuerda.server.names import Tenancy
from recuerda.server.rates import SharedRate
from recuerda.server.request_ids import request_id
from recuerda.server.settings import ServerSettings

P = ParamSpec("P")
T = TypeVar("T")

_logger = logging.getLogger("recuerda.server")
MAX_IDEMPOTENCY_KEY_LENGTH = 512
_FORM_BYTES = 64 * 1024  # more than the form around an uploaded file needs
_NOTHING = nullcontext()
GONE = 499
"""The status under which a request is counted if its client went away, as in nginx. It is never sent."""


class ApiCall:
    """A request that was admitted.

    Attributes:
        tenancy: the tenant that sent it.
        body: the whole body.
    """

    def __init__(self, request: Request, tenancy: Tenancy, body: bytes, beside: Beside) -> None:
        self.tenancy = tenancy
        self.body = body
        self._request = request
        self._beside = beside
        self._is_small = is_small(body)

    async def run(self, function: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Return the result of a function that works on the request: beside the event loop if the request is large."""
        if self._is_small:
            return function(*args, **kwargs)
        return await self._beside.run(self.body, function, *args, **kwargs)

    @property
    def idempotency_key(self) -> str | None:
        """The key that makes a retry safe; None when the client sent none.

        Raises:
            ApiFault: the key is too long.
        """
        key = self._request.headers.get("idempotency-key") or None
        if key is not None and len(key) > MAX_IDEMPOTENCY_KEY_LENGTH:
            message = f"An idempotency key has up to {MAX_IDEMPOTENCY_KEY_LENGTH} characters."
            raise bad_request(message, param="idempotency-key")
        return key

    @property
    def content_type(self) -> str:
        """The media type of the body, with its parameters; empty if the client named none."""
        return self._request.headers.get("content-type", "")

    @property
    def deployment(self) -> str | None:
        """The deployment that a path of Azure names; None for any other path."""
        return getattr(self._request.state, DEPLOYMENT, None)

    @property
    def target(self) -> str:
        """The method and the path."""
        return f"{self._request.method} {self._request.url.path}"

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(self._request.query_params)

    def path(self, name: str) -> str:
        """Return the value of a parameter in the path."""
        return self._request.path_params[name]


Handler: TypeAlias = Callable[[ApiCall], Awaitable[Response]]


class Gate:
    """Admit requests, count them, and turn errors into answers.

    Args:
        settings: the limits of the service.
        keys: the keys that clients must send. If None, every program on this machine is admitted, and no other.
        metrics: counts each request.
        rate: limits the requests of each tenant.
    """

    def __init__(
        self, settings: ServerSettings, keys: TenantKeys | None, metrics: Metrics, *, rate: SharedRate
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._rate = rate
        self._buffered = Buffered(settings.limits.max_buffered_bytes)
        self._beside = Beside()

    def route(
        self, method: str, path: str, handler: Handler, *, is_open: bool = False, takes_file: bool = False
    ) -> Route:
        """Return the route of a handler.

        An open route wants no key, and is neither limited nor counted. A route that takes a file has another limit for
        the size of the body, which is not JSON.
        """

        async def answer(request: Request) -> Response:
            if is_open:
                return await handler(ApiCall(request, Tenancy(), b"", self._beside))
            return await self._answer(request, handler, path, takes_file=takes_file)

        return Route(path, _Endpoint(answer), methods=[method])

    async def _answer(self, request: Request, handler: Handler, path: str, *, takes_file: bool) -> Response:
        started = time.perf_counter()
        self._metrics.running += 1
        observer = _observing.observer
        work = None if observer is None else observer.request(request.method, path, request.headers)

        def finished(status: int) -> None:
            self._metrics.running -= 1
            self._metrics.finished(path, request.method, status, time.perf_counter() - started)
            if work is not None:
                work.answered(status)
                work.end()

        try:
            with _NOTHING if work is None else work.active():
                response = await self._guarded(request, handler, takes_file=takes_file)
        except BaseException:  # The server is stopping and has waited long enough.
            finished(GONE)
            raise
        if isinstance(response, Stream):
            response.when_done = finished
            response.work = work
        else:
            finished(response.status_code)
        return response

    async def _guarded(self, request: Request, handler: Handler, *, takes_file: bool) -> Response:
        try:
            tenancy = self._admitted(request)
            async with self._body(request, is_file=takes_file) as body:
                return await handler(ApiCall(request, tenancy, body, self._beside))
        except ClientDisconnect:
            return Response(status_code=GONE)
        except Exception as error:  # noqa: BLE001 - the client gets an answer in OpenAI's shape whatever the error is
            return fault_response(known_fault(error))

    def _admitted(self, request: Request) -> Tenancy:
        """Return the tenant that sent a request.

        Raises:
            ApiFault: the key is missing or unknown, the tenant sends too many requests, or the
                server has no keys and the request comes from another machine or a web page.
        """
        if self._keys is None:
            _check_is_local(request, self._settings.cors_origins)
            return self._counted(Tenancy())
        key = _key_in(request)
        if not key:
            message = "You didn't provide an API key: send it as a bearer token, or in the header api-key."
            raise ApiFault(401, message, code="missing_api_key")
        tenant = self._keys.tenant_of(key)
        if tenant is None:
            raise ApiFault(401, "Incorrect API key provided.", code="invalid_api_key")
        return self._counted(Tenancy(tenant))

    def _counted(self, tenancy: Tenancy) -> Tenancy:
        self._rate.take(tenancy)
        return tenancy

    @asynccontextmanager
    async def _body(self, request: Request, *, is_file: bool) -> AsyncGenerator[bytes]:
        """Yield the body, once it has arrived and its size is checked. A long body counts as buffered in the block.

        Raises:
            ApiFault: the body is too long or too slow, or its JSON is nested too deeply or holds too many values; or
                too many long bodies are in memory.
        """
        with self._buffered.one_more() as buffered:
            yield await self._received(request, buffered, is_file=is_file)

    async def _received(self, request: Request, buffered: BufferedBody, *, is_file: bool) -> bytes:
        """Return the whole body. The time limit grows with the number of bytes that have arrived.

        A fault is raised, and answered, before the rest of the body has arrived. The connection reads the rest.
        """
        limits, loop = self._settings.limits, asyncio.get_running_loop()
        longest = limits.max_file_bytes + _FORM_BYTES if is_file else limits.max_body_bytes
        meter = None if is_file else JsonMeter(max_depth=limits.max_json_depth, max_values=limits.max_json_values)
        unpacking = Unpacking(request.headers.get("content-encoding", ""))
        pieces: list[bytes] = []
        size = 0
        started = loop.time()
        try:
            async with asyncio.timeout(limits.body_s) as patience:
                async for packed in request.stream():
                    arrived = loop.time()
                    patience.reschedule(None)
                    for piece in unpacking.add(packed):
                        size += len(piece)
                        if size > longest:
                            message = f"The request is longer than {longest:,} bytes."
                            raise ApiFault(413, message, code="request_too_large")
                        buffered.grow(len(piece))
                        pieces.append(piece)
                        if meter is not None:
                            await self._beside.run(piece, meter.add, piece)
                    started += loop.time() - arrived  # This time is not the client's.
                    patience.reschedule(started + limits.body_s + size / limits.body_bytes_per_s)
        except TimeoutError:
            raise ApiFault(408, "The body of the request took too long to arrive.", code="request_timeout") from None
        unpacking.finish()
        body = b"".join(pieces)
        if meter is not None:
            await self._beside.run(body, meter.finish)
        return body


class _Endpoint:
    """An ASGI application that answers the requests of one route.

    Starlette would wrap a plain function once more, to handle errors that the gate handles already.
    """

    def __init__(self, answer: Callable[[Request], Awaitable[Response]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        response = await self._answer(Request(scope, receive, send))
        await response(scope, receive, send)


class Stream(Response):
    """A response that sends server-sent events as they are produced.

    When the client goes away, the generator of the events is closed at once, so that no call of the model continues
    without a client. Starlette's own streaming response would cancel the clean-up as well.

    Args:
        pieces: yields the bytes to send.
        held: the resources of the stream. They are released in any case, even if the generator never started and cannot
            release them itself.
        media_type: the type of the stream.
    """

    def __init__(
        self, pieces: AsyncGenerator[bytes], *, held: AsyncExitStack, media_type: str = "text/event-stream"
    ) -> None:
        super().__init__(status_code=200, media_type=media_type, headers={"cache-control": "no-cache"})
        del self.headers["content-length"]
        self._pieces = pieces
        self._held = held
        self.when_done: Callable[[int], None] | None = None
        self.work: RequestWork | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with _NOTHING if self.work is None else self.work.active():
            await self._stream(receive, send)

    async def _stream(self, receive: Receive, send: Send) -> None:
        tasks = [asyncio.create_task(self._send(send)), asyncio.create_task(_gone(receive))]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            done = await asyncio.gather(*tasks, return_exceptions=True)
            try:
                await self._pieces.aclose()
                await self._held.aclose()
            finally:
                if self.when_done is not None:
                    self.when_done(self.status_code)
        if isinstance(done[0], Exception):
            raise done[0]

    async def _send(self, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        async with aclosing(self._pieces):
            async for piece in self._pieces:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def json_response(value: Any, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a response with a value as JSON."""
    return Response(msgspec.json.encode(value), status_code=status, headers=headers, media_type="application/json")


def fault_response(fault: ApiFault) -> Response:
    """Return the response for a fault."""
    return json_response(fault.body, status=fault.status, headers=fault.headers)


def known_fault(error: Exception) -> ApiFault:
    """Return the fault that answers an error. An unexpected error is logged by type and place, not by its text."""
    fault = fault_of(error)
    if fault is None:
        # The error's text might quote a message, so the log names only the line of code.
        frames = error.__traceback__
        while frames is not None and frames.tb_next is not None:
            frames = frames.tb_next
        place = "" if frames is None else f" at {frames.tb_frame.f_code.co_name}:{frames.tb_lineno}"
        _logger.error(
            "request %s failed with %s%s",
            request_id(),
            type(error).__name__,
            place,
            extra=fields("request_failed", request_id=request_id(), error=type(error).__name__),
        )
        return ApiFault(500, "The server had an error while processing your request.")
    if fault.code == "storage_error":
        # The error's text names the thread, whose id belongs to a client, so it stays out of the log.
        names = type(error).__name__, type(error.__cause__).__name__
        _logger.error(
            "the storage failed in request %s: %s, %s",
            request_id(),
            *names,
            extra=fields("storage_failed", request_id=request_id(), error=names[0]),
        )
    return fault


def _key_in(request: Request) -> str:
    """Return the key of a request, in the header of OpenAI's clients or of Azure's; empty if there is none."""
    kind, _, key = request.headers.get("authorization", "").partition(" ")
    return key.strip() if kind.lower() == "bearer" else request.headers.get("api-key", "").strip()


def _check_is_local(request: Request, origins: Collection[str]) -> None:
    """Refuse requests from other machines and from web pages. A server without keys admits all other requests.

    Web pages of this machine are admitted, and those of the origins that the settings name.

    Raises:
        ApiFault: the request's `Host` or `Origin` is not this machine.
    """
    origin = request.headers.get("origin")
    is_known = origin is None or origin in origins or _is_here(origin)
    if not _is_here(f"//{request.headers.get('host', '')}") or not is_known:
        raise ApiFault(
            403, "This server has no keys, so it answers only programs on its own machine.", code="not_local"
        )


@lru_cache(maxsize=256)
def _is_here(url: str) -> bool:
    """Return whether the host of an address can be reached only from this machine."""
    return is_loopback(_host_of(url))


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
