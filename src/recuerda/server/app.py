"""The application: the routes, put together on one storage and one model's server."""

from __future__ import annotations

from importlib.metadata import version

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from recuerda.errors import RecuerdaError
from recuerda.server.conversations import Conversations
from recuerda.server.faults import ApiFault
from recuerda.server.http import Gate, json_response
from recuerda.server.keys import TenantKeys
from recuerda.server.limits import InFlight
from recuerda.server.metrics import CONTENT_TYPE, Metrics
from recuerda.server.openapi import describe
from recuerda.server.passthrough import Passthrough
from recuerda.server.responses import Responses
from recuerda.server.settings import ServerSettings
from recuerda.server.threads import Threads
from recuerda.server.upstream import Upstream
from recuerda.storage.contract import Storage

NOT_A_THREAD = "recuerda-server-is-ready"


class Application:
    """The service, as an ASGI application that knows when it is stopping.

    Args:
        storage: where the conversations live; the caller closes it.
        upstream: the model's server; the caller closes it.
        settings: how to answer.
        keys: whose requests are answered; None for everybody's on this machine.
    """

    def __init__(
        self, storage: Storage, upstream: Upstream, settings: ServerSettings, *, keys: TenantKeys | None = None
    ) -> None:
        self._storage = storage
        self._metrics = Metrics()
        self._in_flight = InFlight(settings.limits.max_in_flight)
        self._gate = Gate(settings, keys, self._metrics)
        threads = Threads(
            storage,
            last_messages=settings.window.last_messages,
            max_warm=settings.max_warm_threads,
            queue_s=settings.limits.queue_s,
        )
        self._description = describe(version("recuerda"), has_keys=keys is not None)
        responses = Responses(threads, upstream, settings, in_flight=self._in_flight, metrics=self._metrics)
        passthrough = Passthrough(upstream, settings, in_flight=self._in_flight)
        self.asgi = Starlette(
            routes=[
                *self._conversations(Conversations(threads)),
                *self._responses(responses),
                self._gate.route("/v1/chat/completions", passthrough.chat_completions, "POST"),
                self._gate.route("/v1/models", passthrough.models, "GET"),
                Route("/health", self._health),
                Route("/ready", self._ready),
                Route("/metrics", self._counts),
                Route("/openapi.json", self._openapi),
            ],
            exception_handlers={HTTPException: _unknown},
        )

    def stop_admitting(self) -> None:
        """Refuse new requests; those that run go on."""
        self._gate.is_stopping = True

    def _conversations(self, handlers: Conversations) -> list[Route]:
        one = "/v1/conversations/{conversation_id}"
        return [
            self._gate.route("/v1/conversations", handlers.create, "POST"),
            self._gate.route(one, handlers.retrieve, "GET"),
            self._gate.route(one, handlers.update, "POST"),
            self._gate.route(one, handlers.delete, "DELETE"),
            self._gate.route(f"{one}/items", handlers.create_items, "POST"),
            self._gate.route(f"{one}/items", handlers.list_items, "GET"),
            self._gate.route(f"{one}/items/{{item_id}}", handlers.retrieve_item, "GET"),
            self._gate.route(f"{one}/items/{{item_id}}", handlers.delete_item, "DELETE"),
        ]

    def _responses(self, handlers: Responses) -> list[Route]:
        one = "/v1/responses/{response_id}"
        return [
            self._gate.route("/v1/responses", handlers.create, "POST"),
            self._gate.route(one, handlers.retrieve, "GET"),
            self._gate.route(one, handlers.delete, "DELETE"),
            self._gate.route(f"{one}/input_items", handlers.input_items, "GET"),
        ]

    async def _health(self, _request: Request) -> Response:
        return json_response({"status": "ok"})

    async def _ready(self, _request: Request) -> Response:
        if self._gate.is_stopping:
            return json_response({"status": "stopping"}, status=503)
        try:
            await self._storage.head(NOT_A_THREAD)
        except RecuerdaError:
            return json_response({"status": "the storage cannot be used"}, status=503)
        return json_response({"status": "ok"})

    async def _counts(self, _request: Request) -> Response:
        text = self._metrics.text(model_calls=self._in_flight.count)
        return Response(text, media_type=None, headers={"content-type": CONTENT_TYPE})

    async def _openapi(self, _request: Request) -> Response:
        return json_response(self._description)


def create_app(
    storage: Storage, upstream: Upstream, settings: ServerSettings, *, keys: TenantKeys | None = None
) -> Starlette:
    """Return the service as an ASGI application, to be run by any ASGI server. The arguments are `Application`'s."""
    return Application(storage, upstream, settings, keys=keys).asgi


async def _unknown(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    fault = ApiFault(status, f"Invalid URL ({request.method} {request.url.path[:200]})")
    headers = {**fault.headers, **(dict(error.headers or {}) if isinstance(error, HTTPException) else {})}
    return json_response(fault.body, status=status, headers=headers)
