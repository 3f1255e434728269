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
from recuerda.studio.words import WORDS, Language, translate

NOT_FOUND = 404
UNAVAILABLE = 503

_STATUSES: Sequence[tuple[tuple[type[Exception], ...], int, str, str]] = (
    ((ThreadConflict, DraftConflict, TurnPending), 409, "conflict", "fault.conflict"),
    ((DecryptionError,), 409, "sealed", "fault.sealed"),
    ((CorruptTurn,), 409, "damaged", "fault.damaged"),
    ((StorageError,), UNAVAILABLE, "unavailable", "fault.unavailable"),
    ((ConfigurationError,), 400, "not_possible", "fault.not-possible"),
    ((RecuerdaError,), 400, "invalid", "fault.invalid"),
)
"""The statuses of errors, their words for programs, and their texts. The first kind that fits counts."""

_logger = logging.getLogger("recuerda.studio")


class Fault(Exception):
    """Raised when a request cannot be answered.

    Attributes:
        status: the HTTP status.
        kind: a word for programs, such as "not_found".
        key: the key of the text that says what happened; see `words/faults.py`.
        headers: further headers of the answer.
    """

    def __init__(
        self, status: int, kind: str, key: str, *, headers: Mapping[str, str] | None = None, **values: object
    ) -> None:
        self.status = status
        self.kind = kind
        self.key = key
        self.headers: dict[str, str] = dict(headers or {})
        self._values = values
        super().__init__(self.message("en"))

    def message(self, language: Language) -> str:
        """Return what happened, in one sentence or two."""
        return translate(language, self.key, **self._values)

    def next_step(self, language: Language) -> str | None:
        """Return what to do next; None if there is nothing to do, or if the message says it."""
        key = f"{self.key}.next"
        return translate(language, key, **self._values) if key in WORDS else None


def fault_of(error: Exception, thread_id: object = None) -> Fault:
    """Return the refusal that tells of an error. `thread_id` is the thread of the request, if it names one."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, HTTPException):
        return _of_route(error)
    if isinstance(error, (ThreadNotFound, ThreadOwnershipError)):
        # Nobody learns that another user has a thread with this id.
        found = error.thread_id if isinstance(error, ThreadNotFound) else thread_id
        return Fault(NOT_FOUND, "not_found", "fault.no-thread", thread="" if found is None else repr(found))
    for kinds, status, kind, key in _STATUSES:
        if isinstance(error, kinds):
            headers = {"retry-after": "5"} if status == UNAVAILABLE else None
            return Fault(status, kind, key, headers=headers, detail=str(error))
    # The text of an unknown error may hold anything, so the page does not show it.
    event = fields("page_failed", error=type(error).__name__)
    _logger.error("a page failed with %s", type(error).__name__, exc_info=error, extra=event)
    return Fault(500, "failed", "fault.failed", detail=type(error).__name__)


def _of_route(error: HTTPException) -> Fault:
    if error.status_code == NOT_FOUND:
        return Fault(NOT_FOUND, "not_found", "fault.no-page")
    return Fault(error.status_code, "refused", "fault.refused", headers=error.headers)
