"""The handlers of routes that pass a request to the model's server, and pass its answer back, unchanged."""

from __future__ import annotations

from contextlib import AsyncExitStack

import msgspec
from starlette.responses import Response

from recuerda.server.http import ApiCall, Stream
from recuerda.server.limits import InFlight
from recuerda.server.requests import ChatRequest, parse_body
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
        body = await call.run(_with_model, call.body, request, default=self._settings.model)
        async with AsyncExitStack() as held:
            held.enter_context(self._in_flight.one_more())
            answer = await held.enter_async_context(self._upstream.chat(body))
            if request.stream:
                return Stream(answer.pieces(), held=held.pop_all(), media_type=answer.content_type)
            return Response(await answer.read(), status_code=answer.status, media_type=answer.content_type)

    async def models(self, call: ApiCall) -> Response:
        """Pass the list of models through."""
        del call
        return Response(await self._upstream.models(), media_type="application/json")


def _with_model(body: bytes, request: ChatRequest, *, default: str) -> bytes:
    """Return a request's JSON with a model: its own, or else the default one. The other bytes stay unchanged."""
    if request.model:
        return body
    if request.model is msgspec.UNSET:
        rest = memoryview(body)[body.index(b"{") + 1 :]
        return b"".join((b'{"model":', msgspec.json.encode(default), b",", rest))
    return msgspec.json.encode({**msgspec.json.decode(body, type=dict[str, msgspec.Raw]), "model": default})
