"""The routes for the people and programs that run the service: health, readiness, counts, and its description."""

from __future__ import annotations

from collections.abc import Callable

from starlette.responses import Response

from recuerda.errors import RecuerdaError
from recuerda.json_value import JsonObject
from recuerda.server.http import ApiCall, Gate, json_response
from recuerda.server.metrics import CONTENT_TYPE
from recuerda.storage.contract import Storage

NOT_A_THREAD = "recuerda-server-is-ready"
"""The id of a thread that does not exist. Looking it up shows whether the storage can be used."""


class Monitoring:
    """The handlers of the monitoring routes.

    Args:
        storage: the storage whose state `ready` reports.
        gate: knows whether the server is stopping.
        counts: returns all counts in Prometheus' text format.
        description: the service's description as OpenAPI.
    """

    def __init__(self, storage: Storage, gate: Gate, *, counts: Callable[[], str], description: JsonObject) -> None:
        self._storage = storage
        self._gate = gate
        self._counts = counts
        self._description = description

    async def health(self, _call: ApiCall) -> Response:
        """Report that the process is alive."""
        return json_response({"status": "ok"})

    async def ready(self, _call: ApiCall) -> Response:
        """Report whether requests can be served.

        The status is 503 while the server stops or its storage cannot be used.
        """
        if self._gate.is_stopping:
            return json_response({"status": "stopping"}, status=503)
        try:
            await self._storage.head(NOT_A_THREAD)
        except RecuerdaError:
            return json_response({"status": "the storage cannot be used"}, status=503)
        return json_response({"status": "ok"})

    async def counts(self, _call: ApiCall) -> Response:
        """Return the counts for Prometheus."""
        return Response(self._counts(), media_type=None, headers={"content-type": CONTENT_TYPE})

    async def description(self, _call: ApiCall) -> Response:
        """Return the description of the service."""
        return json_response(self._description)
