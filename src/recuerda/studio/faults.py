"""Refusals and failures, as a page for people and as JSON for programs: what happened, and the next step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from recuerda.errors import (
    ConfigurationError,
    DecryptionError,
    DraftConflict,
    RecuerdaError,
    StorageError,
    ThreadConflict,
    ThreadNotFound,
    ThreadOwnershipError,
    TurnPending,
)
from recuerda.studio.frames import frame_of
from recuerda.studio.studio import studio_of

API = "/api/"
"""The beginning of the paths whose answers are JSON."""

NOT_FOUND = 404
UNAVAILABLE = 503

_STATUSES: Sequence[tuple[tuple[type[Exception], ...], int, str]] = (
    ((ThreadNotFound,), NOT_FOUND, "not_found"),
    ((ThreadConflict, DraftConflict, TurnPending), 409, "conflict"),
    ((DecryptionError,), 409, "sealed"),
    ((StorageError,), UNAVAILABLE, "unavailable"),
    ((ConfigurationError,), 400, "not_possible"),
    ((RecuerdaError,), 400, "invalid"),
)
"""The statuses of errors, and their words for programs. The first kind that fits counts."""

_logger = logging.getLogger("recuerda.studio")


class Fault(Exception):
    """Raised when a request cannot be answered.

    Attributes:
        status: the HTTP status.
        kind: a word for programs, such as "not_found".
        message: what happened, in one sentence.
        next_step: what to do next; None if there is nothing to do.
        headers: further headers of the answer.
    """

    def __init__(
        self,
        status: int,
        kind: str,
        message: str,
        next_step: str | None = None,
        *,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.message = message
        self.next_step = next_step
        self.headers: dict[str, str] = dict(headers or {})


class FaultPage(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was not answered.

    Attributes:
        status: the HTTP status.
        kind: a word for programs, such as "not_found".
        message: what happened.
        next_step: what to do next; None if there is nothing to do.
    """

    status: int
    kind: str
    message: str
    next_step: str | None


def is_api(request: Request) -> bool:
    """Return whether the answer to a request is JSON."""
    return request.url.path.startswith(API)


def fault_response(request: Request, fault: Fault) -> Response:
    """Return the answer to a request that cannot be answered."""
    studio = studio_of(request)
    page = studio.redaction.value(
        FaultPage(status=fault.status, kind=fault.kind, message=fault.message, next_step=fault.next_step)
    )
    if is_api(request):
        body = msgspec.json.encode({"error": page})
        return Response(body, fault.status, headers=fault.headers, media_type="application/json")
    html = studio.renderer.html("error.html", page, frame_of(request))
    return HTMLResponse(html, fault.status, headers=fault.headers)


async def on_error(request: Request, error: Exception) -> Response:
    """Return the answer to a request during which an error was raised."""
    return fault_response(request, fault_of(error))


def fault_of(error: Exception) -> Fault:
    """Return the refusal that tells of an error."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, HTTPException):
        return _of_route(error)
    if isinstance(error, ThreadOwnershipError):
        # Nobody learns that another user has a thread with this id.
        return Fault(404, "not_found", "There is no such thread.")
    for kinds, status, kind in _STATUSES:
        if isinstance(error, kinds):
            return Fault(status, kind, str(error), headers={"retry-after": "5"} if status == UNAVAILABLE else None)
    # The text of an unknown error may hold anything, so the page does not show it.
    _logger.error("a page failed with %s", type(error).__name__, exc_info=error)
    return Fault(500, "failed", f"The page failed with {type(error).__name__}.", "The log of the studio has more.")


def _of_route(error: HTTPException) -> Fault:
    if error.status_code == NOT_FOUND:
        return Fault(404, "not_found", "There is no page with this address.")
    return Fault(error.status_code, "refused", "This address does not take such a request.", headers=error.headers)
