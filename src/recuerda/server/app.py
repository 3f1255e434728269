"""The application, which serves the table of routes from one storage and one model's server."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response

from recuerda.server.azure_paths import AzurePaths
from recuerda.server.background import Background
from recuerda.server.conversations import Conversations
from recuerda.server.faults import ApiFault
from recuerda.server.files import Files
from recuerda.server.http import Gate, json_response
from recuerda.server.keys import TenantKeys
from recuerda.server.limits import InFlight, RateLimit
from recuerda.server.memories import Memories
from recuerda.server.metrics import Metrics
from recuerda.server.monitoring import Monitoring
from recuerda.server.node import Node
from recuerda.server.once import Once
from recuerda.server.openapi import describe
from recuerda.server.passthrough import Passthrough
from recuerda.server.rates import SharedRate
from recuerda.server.readiness import Readiness
from recuerda.server.request_ids import CLIENT_REQUEST_ID, REQUEST_ID, RequestIds
from recuerda.server.responses import Responses
from recuerda.server.routes import ROUTES, Handlers
from recuerda.server.running_responses import RunningResponses
from recuerda.server.settings import ServerSettings
from recuerda.server.threads import Threads
from recuerda.server.uploads import Uploads
from recuerda.server.upstream import Upstream
from recuerda.storage.contract import Storage


class Application:
    """The service, as an ASGI application that can be told to stop.

    Args:
        storage: the storage of the conversations; the caller closes it.
        upstream: the model's server; the caller closes it.
        settings: how to answer.
        keys: the keys that clients must send. If None, every program on this machine is answered, and no other.
    """

    def __init__(
        self, storage: Storage, upstream: Upstream, settings: ServerSettings, *, keys: TenantKeys | None = None
    ) -> None:
        metrics = Metrics()
        in_flight = InFlight(settings.limits.max_in_flight)
        threads = Threads(
            storage,
            last_messages=settings.window.last_messages,
            warm_bytes=settings.warm_bytes,
            queue_s=settings.limits.queue_s,
        )
        once = Once(threads)
        node = Node(storage)
        self._rate = SharedRate(RateLimit(settings.limits.requests_per_minute), threads, node=node.id)
        self._gate = Gate(settings, keys, metrics, rate=self._rate)
        self._upstream = upstream
        self._readiness = Readiness(storage, in_flight)
        uploads = Uploads(threads)
        self._background = Background(RunningResponses(threads, node), upstream)
        self._memories = None if settings.recall is None else Memories(threads, settings.recall)
        responses = Responses(
            threads,
            upstream,
            settings,
            once=once,
            uploads=uploads,
            background=self._background,
            in_flight=in_flight,
            metrics=metrics,
            memories=self._memories,
        )
        handlers = Handlers(
            conversations=Conversations(threads, once, uploads),
            files=Files(uploads, once, settings.limits, storage),
            responses=responses,
            passthrough=Passthrough(upstream, settings, in_flight=in_flight),
            monitoring=Monitoring(
                self._readiness,
                counts=lambda: metrics.text(model_calls=in_flight.count),
                description=describe(version("recuerda"), has_keys=keys is not None),
            ),
        )
        self.asgi: Starlette = Starlette(
            routes=[
                self._gate.route(
                    route.method,
                    route.pattern,
                    route.handler(handlers),
                    is_open=route.is_open,
                    takes_file=route.takes_file,
                )
                for route in ROUTES
            ],
            lifespan=self._lifespan,
            middleware=[Middleware(RequestIds), *_cors(settings.cors_origins), Middleware(AzurePaths)],
            exception_handlers={HTTPException: _unknown},
        )

    def drain(self) -> None:
        """Report that this process should get no further requests. It serves those that it gets."""
        self._readiness.is_draining = True

    def end_calls(self) -> None:
        """End all calls of the model. The answers that wait for them end as failed."""
        self._upstream.end_calls()

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncGenerator[None]:
        """Keep the application for another ASGI server, and end its responses in the background with it."""
        yield
        await self.close()

    async def close(self, *, grace_s: float = 0.0) -> None:
        """End the responses in the background. They get some seconds to finish, and then they are noted as failed."""
        await self._background.close(grace_s=grace_s)
        await self._rate.close()
        if self._memories is not None:
            await self._memories.close()


def create_app(
    storage: Storage, upstream: Upstream, settings: ServerSettings, *, keys: TenantKeys | None = None
) -> Starlette:
    """Return the service as an ASGI application, which any ASGI server can run.

    Args:
        storage: the storage of the conversations; the caller closes it.
        upstream: the model's server; the caller closes it.
        settings: how to answer.
        keys: the keys that clients must send. If None, every program on this machine is answered, and no other.
    """
    return Application(storage, upstream, settings, keys=keys).asgi


def _cors(origins: Sequence[str]) -> list[Middleware]:
    """Return the middleware that lets web pages of some origins call the service; none without origins."""
    if not origins:
        return []
    exposed = [REQUEST_ID, CLIENT_REQUEST_ID, "retry-after"]
    methods = ["GET", "POST", "DELETE"]
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=list(origins),
            allow_methods=methods,
            allow_headers=["*"],
            expose_headers=exposed,
        )
    ]


_NOT_SERVED = {
    "/v1/vector_stores": "This server has no vector stores and no file search. Give a file to the model as "
    "'input_file', or search in your own program and give the model the text that you found.",
    "/v1/uploads": "This server takes no uploads in parts. Upload the whole file to /v1/files.",
}
"""The paths of OpenAI that clients may expect, and a text about each of them."""


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    path = request.url.path
    reason = next((text for start, text in _NOT_SERVED.items() if start in path), None)
    fault = ApiFault(status, reason or f"Invalid URL ({request.method} {path[:200]})", code=reason and "unsupported")
    headers = {**fault.headers, **(dict(error.headers or {}) if isinstance(error, HTTPException) else {})}
    return json_response(fault.body, status=status, headers=headers)
