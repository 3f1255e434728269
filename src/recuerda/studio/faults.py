"""Refusals and failures: what happened, and the next step."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException

from recuerda._events import fields
from recuerda.errors import (
    ConfigurationError,
    CorruptTurn,
    DecryptionError,
    DraftConflict,
    RecuerdaError,
    StorageError,
    ThreadConflict,
    ThreadNotFound,
    ThreadOwnershipError,
    TurnPending,
)

NOT_FOUND = 404
UNAVAILABLE = 503

_STATUSES: Sequence[tuple[tuple[type[Exception], ...], int, str]] = (
    ((ThreadNotFound,), NOT_FOUND, "not_found"),
    ((ThreadConflict, DraftConflict, TurnPending), 409, "conflict"),
    ((DecryptionError,), 409, "sealed"),
    ((CorruptTurn,), 409, "damaged"),
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
    event = fields("page_failed", error=type(error).__name__)
    _logger.error("a page failed with %s", type(error).__name__, exc_info=error, extra=event)
    return Fault(500, "failed", f"The page failed with {type(error).__name__}.", "The log of the studio has more.")


def _of_route(error: HTTPException) -> Fault:
    if error.status_code == NOT_FOUND:
        return Fault(404, "not_found", "There is no page with this address.")
    return Fault(error.status_code, "refused", "This address does not take such a request.", headers=error.headers)
