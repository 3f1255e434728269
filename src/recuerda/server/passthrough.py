"""The handlers of routes that pass a request to the model's server, and pass its answer back, unchanged."""

from __future__ import annotations

from contextlib import AsyncExitStack
from urllib.parse import quote

import msgspec
from starlette.responses import Response

from recuerda.server.faults import not_found
from recuerda.server.http import ApiCall, Stream
from recuerda.server.limits import InFlight
from recuerda.server.requests import ChatRequest, EmbeddingsRequest, parse_body
from recuerda.server.settings import ServerSettings
from recuerda.server.upstream import Upstream


class Passthrough:
    """The handlers of the routes for which the service keeps nothing."""

    def __init__(self, upstream: Upstream, settings: ServerSettings, *, in_flight: InFlight) -> None:
        self._upstream = upstream
        self._settings = settings
        self._in_flight = in_flight

    async def chat_completions(self, call: ApiCall) -> Response:
        """Pass a chat completion through, whole or as a stream."""
        request = await call.run(parse_body, call.body, ChatRequest)
        body = await call.run(_with_model, call.body, request, default=call.deployment or self._settings.model)
        async with AsyncExitStack() as held:
            held.enter_context(self._in_flight.one_more())
            answer = await held.enter_async_context(self._upstream.chat(body))
            if request.stream:
                return Stream(answer.pieces(), held=held.pop_all(), media_type=answer.content_type)
            return Response(await answer.read(), status_code=answer.status, media_type=answer.content_type)

    async def models(self, call: ApiCall) -> Response:
        """Pass the list of models through."""
        del call
        return Response(await self._upstream.fetch("GET", "/models"), media_type="application/json")

    async def model(self, call: ApiCall) -> Response:
        """Pass the description of a model through."""
        name = call.path("model")
        if any(part in ("", ".", "..") for part in name.split("/")):
            raise not_found("Model", name)
        name = quote(name, safe="/:@")
        return Response(await self._upstream.fetch("GET", f"/models/{name}"), media_type="application/json")

    async def embeddings(self, call: ApiCall) -> Response:
        """Pass a request for embeddings through."""
        request = await call.run(parse_body, call.body, EmbeddingsRequest)
        body = await call.run(_with_model, call.body, request, default=call.deployment or self._settings.model)
        with self._in_flight.one_more():
            answer = await self._upstream.fetch("POST", "/embeddings", body)
        return Response(answer, media_type="application/json")


def _with_model(body: bytes, request: ChatRequest | EmbeddingsRequest, *, default: str) -> bytes:
    """Return a request's JSON with a model: its own, or else the default one. The other bytes stay unchanged."""
    if request.model:
        return body
    if request.model is msgspec.UNSET:
        rest = memoryview(body)[body.index(b"{") + 1 :]
        return b"".join((b'{"model":', msgspec.json.encode(default), b",", rest))
    return msgspec.json.encode({**msgspec.json.decode(body, type=dict[str, msgspec.Raw]), "model": default})
