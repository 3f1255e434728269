"""Answers to requests that are refused or fail: a page for people, and JSON for programs."""

from __future__ import annotations

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from recuerda.studio.faults import Fault, fault_of
from recuerda.studio.frames import frame_of
from recuerda.studio.preferences import preferences_of
from recuerda.studio.studio import studio_of

API = "/api/"
"""The beginning of the paths whose answers are JSON."""


class FaultPage(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not answered.

    Attributes:
        status: the HTTP status.
        kind: a word for programs, such as "not_found".
        message: what happened, for a program in English.
        next_step: what to do next; None if there is nothing to do.
    """

    status: int
    kind: str
    message: str
    next_step: str | None


def is_api(request: Request) -> bool:
    """Return whether the answer to a request is JSON."""
    path: str = request.scope["path"]
    return path.startswith(API)


def fault_response(request: Request, fault: Fault) -> Response:
    """Return the answer to a request that cannot be answered."""
    studio = studio_of(request)
    language = "en" if is_api(request) else preferences_of(request).language
    page = studio.redaction.value(
        FaultPage(
            status=fault.status, kind=fault.kind, message=fault.message(language), next_step=fault.next_step(language)
        )
    )
    if is_api(request):
        body = msgspec.json.encode({"error": page})
        return Response(body, fault.status, headers=fault.headers, media_type="application/json")
    html = studio.renderer.html("error.html", page, frame_of(request))
    return HTMLResponse(html, fault.status, headers=fault.headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request during which an error was raised."""
    return fault_response(request, fault_of(error, request.path_params.get("thread_id")))
