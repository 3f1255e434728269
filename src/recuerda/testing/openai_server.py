"""A scripted OpenAI-compatible HTTP server, so that tests use the official client over real HTTP.

A mocked transport does not show how a program copes with a broken connection, a slow answer or a refused request. This
server does. It runs on a free port of 127.0.0.1 in a thread of its own, gives the answers of its script, refuses the
requests that the real service refuses, and keeps every request for the test. It serves chat completions (on OpenAI's
and Azure's paths), responses, conversations, embeddings, the scores of a reranker and the list of models.
`openai_script` has the kinds of answers, and each endpoint has a module of its own.
"""

from __future__ import annotations

import asyncio
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import replace
from types import TracebackType
from typing import Any, Self, cast

import msgspec
import uvicorn
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from uvicorn.protocols.http.h11_impl import H11Protocol

from recuerda.testing.openai_chat import CHAT_COMPLETIONS
from recuerda.testing.openai_conversations import ServiceThreads
from recuerda.testing.openai_embeddings import embed
from recuerda.testing.openai_rerank import rerank
from recuerda.testing.openai_responses import responses_dialect
from recuerda.testing.openai_script import (
    Answer,
    Dropped,
    Failure,
    JSONObject,
    RecordedRequest,
    Reply,
    ScriptEntry,
    ToolCall,
    Usage,
)
from recuerda.testing.openai_thread_endpoints import THREAD_ENDPOINTS, Endpoint, ThreadRequest
from recuerda.testing.openai_wire import CREATED, BadRequest, Dialect, Exchange, encode, error_body

__all__ = ["Dropped", "Failure", "RecordedRequest", "Reply", "ScriptedOpenAIServer", "ToolCall", "Usage"]

_MODEL = {"id": "scripted-model", "object": "model", "created": CREATED, "owned_by": "recuerda"}
_AZURE = "/openai/deployments/{deployment}"


class ScriptedOpenAIServer:
    """A server that answers each request for a chat completion or a response with the next entry of its script.

    Use it as a context manager, with `with` or `async with`; for example in a pytest fixture::

        @pytest.fixture
        def openai_server() -> Iterator[ScriptedOpenAIServer]:
            with ScriptedOpenAIServer() as server:
                yield server

    A test may add to `script` at any time. When the script is empty, `default` answers. Without a default, the server
    answers with an error that says so; the official client does not retry it. A request that the real service would
    refuse gets status 400 and takes no entry from the script. When the server stops, it closes all connections at once,
    even in the middle of an answer.

    Args:
        script: the first entries of the script. An entry is a text, a `Reply`, a `Failure`, a `Dropped` connection, or
            a function that gets the `RecordedRequest` and returns one of these.
        default: the entry for every request after the end of the script.

    Attributes:
        script: the entries that are left.
        default: the entry for every request after the end of the script; None for an error.
        requests: all requests in the order in which they came.
        threads: the conversations and the responses that the server keeps. They stay when the server is stopped and
            started again.
        outages: the failures for the next requests about conversations, items and stored responses. Each such request
            takes one entry. An entry of None lets the request through.
    """

    def __init__(self, *script: ScriptEntry, default: ScriptEntry | None = None) -> None:
        self.script: deque[ScriptEntry] = deque(script)
        self.default = default
        self.requests: list[RecordedRequest] = []
        self.threads: ServiceThreads = ServiceThreads()
        self.outages: deque[Failure | None] = deque()
        self._responses_dialect = responses_dialect(self.threads)
        self._running: _Running | None = None

    @property
    def azure_endpoint(self) -> str:
        """The address without a path, for Azure's clients. Raises `RuntimeError` while the server is not running."""
        if self._running is None:
            raise RuntimeError("the server is not running: use it as a context manager")
        return self._running.address

    @property
    def base_url(self) -> str:
        """The address with `/v1`, for OpenAI's clients. Raises `RuntimeError` while the server is not running."""
        return f"{self.azure_endpoint}/v1"

    def __enter__(self) -> Self:
        if self._running is not None:
            raise RuntimeError("the server is already running")
        self._running = _Running(self._application())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if running := self._stop():
            running.thread.join()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        running = self._stop()
        # `join` would block the caller's event loop, and a worker thread that joins would outlive the server.
        while running is not None and running.thread.is_alive():  # noqa: ASYNC110 - a thread sets no asyncio.Event
            await asyncio.sleep(0.005)

    def _stop(self) -> _Running | None:
        running, self._running = self._running, None
        if running is not None:
            running.server.stop()
        return running

    def _application(self) -> Starlette:
        routes = [
            Route("/v1/models", _models, methods=["GET"]),
            Route("/openai/v1/models", _models, methods=["GET"]),
        ]
        for prefix in ("/v1", "/openai/v1"):
            routes.append(Route(f"{prefix}/responses", self._responses, methods=["POST"]))
            routes.extend(
                Route(f"{prefix}{path}", self._about_threads(endpoint), methods=[method])
                for method, path, endpoint in THREAD_ENDPOINTS
            )
        for prefix in ("/v1", "/openai/v1", _AZURE):
            routes.append(Route(f"{prefix}/chat/completions", self._chat_completions, methods=["POST"]))
            routes.append(Route(f"{prefix}/embeddings", self._computed(embed), methods=["POST"]))
        routes.append(Route("/v1/rerank", self._computed(rerank), methods=["POST"]))
        return Starlette(routes=routes, exception_handlers={HTTPException: _unknown_path, ClientDisconnect: _nobody})

    async def _chat_completions(self, request: Request) -> Response:
        return await self._answer(request, CHAT_COMPLETIONS)

    async def _responses(self, request: Request) -> Response:
        return await self._answer(request, self._responses_dialect)

    def _about_threads(self, endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                recorded = await self._record(request)
                if self.outages and (outage := self.outages.popleft()) is not None:
                    return _error(outage)
                return _json(endpoint(self.threads, _thread_request(request, recorded, number=len(self.requests))))
            except BadRequest as error:
                return _error(error.failure)

        return answer

    def _computed(self, compute: Callable[[JSONObject], dict[str, object]]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                return _json(compute((await self._record(request)).body))
            except BadRequest as error:
                return _error(error.failure)

        return answer

    async def _answer(self, request: Request, dialect: Dialect) -> Response:
        try:
            recorded = await self._record(request)
            exchange = _exchange(request, recorded, number=len(self.requests))
            dialect.check(recorded.body)
        except BadRequest as error:
            return _error(error.failure)
        answer = self._next_answer(recorded)
        if isinstance(answer, Failure):
            return _error(answer)
        is_streamed = recorded.body.get("stream") is True
        dropped = answer if isinstance(answer, Dropped) else None
        reply = answer.reply if isinstance(answer, Dropped) else answer
        if await _gone(request, timeout_s=reply.delay_s):
            return Response()
        if dropped is not None and (dropped.after_chunks == 0 or not is_streamed):
            if dropped.is_kept:
                dialect.keep(reply, exchange)
            await self._hang_up(request)
            return Response()
        if not is_streamed:
            dialect.keep(reply, exchange)
            return _json(dialect.whole(reply, exchange))
        frames = self._stream(request, dialect, reply=reply, exchange=exchange, dropped=dropped)
        return StreamingResponse(frames, media_type="text/event-stream")

    async def _stream(
        self, request: Request, dialect: Dialect, *, reply: Reply, exchange: Exchange, dropped: Dropped | None
    ) -> AsyncIterator[str]:
        frames = list(dialect.frames(reply, exchange))
        end = len(frames) if dropped is None else min(dropped.after_chunks, len(frames) - 1)
        for place, frame in enumerate(frames[:end]):
            await asyncio.sleep(reply.chunk_delay_s)
            if place == len(frames) - 1:
                dialect.keep(reply, exchange)
            yield frame
        if dropped is not None:
            if dropped.is_kept:
                dialect.keep(reply, exchange)
            await self._hang_up(request)

    async def _record(self, request: Request) -> RecordedRequest:
        raw = await request.body()
        recorded = RecordedRequest(
            method=request.method,
            path=request.url.path,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body={},
        )
        try:
            if raw or request.method == "POST":
                recorded = replace(recorded, body=msgspec.json.decode(raw, type=dict[str, Any]))
        except msgspec.MsgspecError as error:
            raise BadRequest(f"We could not parse the JSON body of your request: {error}.") from error
        finally:
            self.requests.append(recorded)
        return recorded

    def _next_answer(self, request: RecordedRequest) -> Reply | Failure | Dropped:
        entry = self.script.popleft() if self.script else self.default
        if entry is None:
            return _not_retried(f"the script is exhausted: it has no answer for request {len(self.requests)}.")
        try:
            answer: Answer = entry(request) if callable(entry) else entry
        except Exception as error:  # noqa: BLE001 - a test's function may raise anything, and the test must see it
            return _not_retried(f"the script's function raised {error!r}")
        return Reply(answer) if isinstance(answer, str) else answer

    async def _hang_up(self, request: Request) -> None:
        """Close the request's connection after all earlier bytes have been sent, and wait until it is closed."""
        running = self._running
        for connection in list(running.server.server_state.connections) if running else ():
            if isinstance(connection, H11Protocol) and connection.client == request.scope["client"]:
                connection.transport.close()
        await _gone(request, timeout_s=None)


class _Server(uvicorn.Server):
    """A uvicorn server that reports when it listens, stops at once, and does not wait for its clients.

    A plain uvicorn server checks every 0.1 seconds whether it should stop, and then gives its clients 0.1 seconds more.
    That is too long for a server that lives for one test.
    """

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_settled = threading.Event()
        self._is_stopping = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def stop(self) -> None:
        """Ask the server to stop. Any thread may call this."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._is_stopping.set)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._loop = asyncio.get_running_loop()
        self.is_settled.set()

    async def main_loop(self) -> None:
        await self.on_tick(0)  # this sets the headers of all answers
        await self._is_stopping.wait()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        await asyncio.sleep(0.01)  # a connection that was just accepted is not yet among the connections
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)  # the running answers notice that their clients are gone
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)


class _Running:
    """A running server, with its thread and its address."""

    def __init__(self, application: Starlette) -> None:
        # asyncio turns Nagle's algorithm off only if the protocol is named. Otherwise each answer would wait 40 ms for
        # an ACK.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listener.bind(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self.server = _Server(_uvicorn_config(application))
        self.thread = threading.Thread(target=self._run, args=(listener,), name="scripted-openai-server", daemon=True)
        self.thread.start()
        self.server.is_settled.wait()
        if not self.server.started:
            raise RuntimeError("the server could not start: its thread printed the reason")

    def _run(self, listener: socket.socket) -> None:
        try:
            with listener:
                self.server.run(sockets=[listener])
        finally:
            self.server.is_settled.set()


def _uvicorn_config(application: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        http="h11",
        loop="asyncio",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        timeout_keep_alive=60,
    )


def _exchange(request: Request, recorded: RecordedRequest, *, number: int) -> Exchange:
    deployment = cast("str | None", request.path_params.get("deployment"))
    if deployment is not None and "api-version" not in recorded.query:
        raise BadRequest("Missing required query parameter: api-version.", param="api-version")
    model = deployment or recorded.body.get("model")
    if not isinstance(model, str) or not model:
        raise BadRequest("you must provide a model parameter", param="model")
    is_azure = recorded.path.startswith("/openai/")
    return Exchange(number=number, model=model, is_azure=is_azure, body=recorded.body)


def _thread_request(request: Request, recorded: RecordedRequest, *, number: int) -> ThreadRequest:
    included = [value for name, value in request.query_params.multi_items() if name in ("include", "include[]")]
    included.extend(cast("list[str]", recorded.body.get("include") or []))
    return ThreadRequest(
        ids=cast("dict[str, str]", request.path_params),
        query=recorded.query,
        included=included,
        body=recorded.body,
        number=number,
    )


async def _gone(request: Request, *, timeout_s: float | None) -> bool:
    """Wait until the client is gone, for at most `timeout_s` seconds (None: no limit). Return whether it is gone."""
    try:
        async with asyncio.timeout(timeout_s):
            while (await request.receive())["type"] != "http.disconnect":
                pass
    except TimeoutError:
        return False
    return True


async def _models(_request: Request) -> Response:
    return _json({"object": "list", "data": [_MODEL]})


async def _unknown_path(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    return _error(Failure(status, f"Invalid URL ({request.method} {request.url.path})"))


async def _nobody(_request: Request, _error: Exception) -> Response:
    """Answer a client that went away while it sent its request. Otherwise a traceback would be printed."""
    return Response()


def _not_retried(message: str) -> Failure:
    return Failure(500, message, code="script_error", headers={"x-should-retry": "false"})


def _json(body: Mapping[str, object]) -> Response:
    return Response(encode(body), media_type="application/json")


def _error(failure: Failure) -> Response:
    body = encode(error_body(failure))
    return Response(body, status_code=failure.status, headers=dict(failure.headers), media_type="application/json")
