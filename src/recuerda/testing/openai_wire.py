"""What the endpoints of the scripted OpenAI-compatible server have in common.

An endpoint that a script answers is a `Dialect`: how it checks a request, and how it writes a reply, whole and as a
stream. The server knows nothing else of it, so that another endpoint is another module with one `Dialect` in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from recuerda.testing.openai_script import Failure, JSONObject, Reply

__all__ = ["BadRequest", "Dialect", "Exchange", "encode", "error_body", "keep_nothing", "parse"]

T = TypeVar("T")

_AT_PATH = re.compile(r"^(?P<problem>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)


class BadRequest(Exception):
    """A request that the real service would refuse, with status 400 or what it says for things that it doesn't have."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.failure = Failure(status, message, code=code, type="invalid_request_error", param=param)


@dataclass(frozen=True)
class Exchange:
    """One request that is being answered. `number` counts the server's requests from 1."""

    number: int
    model: str
    is_azure: bool
    body: JSONObject


def keep_nothing(reply: Reply, exchange: Exchange) -> None:
    """Forget an answer once it is given, as services without threads do."""


@dataclass(frozen=True)
class Dialect:
    """How one endpoint speaks.

    `check` raises `BadRequest` for what the real service refuses. `whole` gives the body of a plain answer, `frames`
    the server-sent events of a streamed one, the end mark included. `keep` is called when an answer is complete, before
    its end is sent: a service that holds the conversation adds to it then.
    """

    check: Callable[[JSONObject], None]
    whole: Callable[[Reply, Exchange], dict[str, object]]
    frames: Callable[[Reply, Exchange], Iterator[str]]
    keep: Callable[[Reply, Exchange], None] = keep_nothing


def parse(body: JSONObject, shape: type[T]) -> T:
    """Convert a request's body to `shape`. Raises `BadRequest` with the path of the first value that doesn't fit."""
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        at_path = _AT_PATH.match(str(error))
        param = at_path["path"] if at_path else None
        problem = at_path["problem"] if at_path else str(error)
        where = f" for '{param}'" if param else ""
        raise BadRequest(f"Invalid value{where}: {problem}.", param=param, code="invalid_value") from error


def error_body(failure: Failure) -> dict[str, object]:
    """Give a failure OpenAI's error shape (https://platform.openai.com/docs/guides/error-codes)."""
    kind = failure.type or ("server_error" if failure.status >= 500 else "invalid_request_error")
    return {"error": {"message": failure.message, "type": kind, "param": failure.param, "code": failure.code}}


def encode(value: object) -> str:
    """Encode as JSON in ASCII: even a lone surrogate, which a model can produce, gets through."""
    return json.dumps(value, separators=(",", ":"))
