"""The ids of requests: `x-request-id` is on every answer, so that a client and the log can name the same request.

OpenAI's clients show `x-request-id` with each error. A client may send an id of its own in `X-Client-Request-Id`. It is
only for tracing: many clients send one id for a whole session, so it says nothing about which requests are the same. It
is sent back and logged, if it has the form that OpenAI asks for: up to 512 printable ASCII characters.
"""

from __future__ import annotations

import logging
import re
import secrets
from contextvars import ContextVar
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from recuerda._events import fields

REQUEST_ID = "x-request-id"
CLIENT_REQUEST_ID = "x-client-request-id"

_logger = logging.getLogger("recuerda.server.requests")
_current: ContextVar[str] = ContextVar("recuerda_request", default="-")
_TRACE_ID = re.compile(rb"[\x21-\x7e]{1,512}")


def new_request_id() -> str:
    """Return the id of a new request."""
    return f"req_{secrets.token_hex(16)}"


def request_id() -> str:
    """Return the id of the request that is being answered; "-" outside of a request."""
    return _current.get()


class RequestIds:
    """An ASGI application that gives each request an id, around another application.

    Args:
        app: the application that answers the requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, with its id in the head of the answer."""
        id = new_request_id()
        trace = _trace_id(scope)
        headers = [(REQUEST_ID.encode(), id.encode())]
        if trace is not None:
            headers.append((CLIENT_REQUEST_ID.encode(), trace))

        async def send_with_ids(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *headers]
                _log(scope, message["status"], id=id, trace=trace)
            await send(message)

        token = _current.set(id)
        try:
            await self._app(scope, receive, send_with_ids)
        finally:
            _current.reset(token)


def _trace_id(scope: Scope) -> bytes | None:
    """Return the client's own id of a request; None if there is none, or if it has another form."""
    for name, value in scope.get("headers", ()):
        if name == CLIENT_REQUEST_ID.encode():
            return value if _TRACE_ID.fullmatch(value) else None
    return None


def _log(scope: Scope, status: int, *, id: str, trace: bytes | None) -> None:
    """Log a request that is being answered. The path is left out, because it may hold the id of a conversation."""
    if _logger.isEnabledFor(logging.INFO):
        shown = "-" if trace is None else trace.decode("ascii")
        event = fields("request_answered", method=scope.get("method"), status=status, request_id=id)
        _logger.info(
            "%s answered with %d, request %s, client request %s", scope.get("method"), status, id, shown, extra=event
        )
