"""The routes for the people and programs that run the service: health, readiness, counts, and its description."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from recuerda.json_value import JsonObject
from recuerda.server.http import ApiCall, json_response
from recuerda.server.metrics import CONTENT_TYPE
from recuerda.server.readiness import Readiness


class Monitoring:
    """The handlers of the monitoring routes.

    Args:
        readiness: knows whether the process should get requests.
        counts: returns all counts in Prometheus' text format.
        description: the service's description as OpenAPI.
    """

    def __init__(self, readiness: Readiness, *, counts: Callable[[], str], description: JsonObject) -> None:
        self._readiness = readiness
        self._counts = counts
        self._description = description

    async def health(self, _call: ApiCall) -> Response:
        """Report that the process is alive."""
        return json_response({"status": "ok"})

    async def ready(self, _call: ApiCall) -> Response:
        """Report whether the process should get requests. If not, the status is 503, and the body says why."""
        obstacle = await self._readiness.obstacle()
        return json_response({"status": obstacle or "ok"}, status=200 if obstacle is None else 503)

    async def counts(self, _call: ApiCall) -> Response:
        """Return the counts for Prometheus."""
        return Response(self._counts(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def description(self, _call: ApiCall) -> Response:
        """Return the description of the service."""
        return json_response(self._description)
