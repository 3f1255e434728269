"""The parts that the endpoints of the scripted OpenAI-compatible server share.

Each endpoint with scripted answers is a `Dialect`, which checks a request and writes a reply, whole or as a stream. The
server needs nothing else, so a new endpoint is a new module with a `Dialect`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import msgspec

from recuerda.testing.openai_script import Failure, JSONObject, Reply, ToolCall

__all__ = [
    "CREATED",
    "BadRequest",
    "Dialect",
    "Exchange",
    "arguments_text",
    "cut",
    "encode",
    "error_body",
    "keep_nothing",
    "parse",
]

CREATED = 1_700_000_000
"""The creation time of every object that the server creates, in seconds since 1970."""

T = TypeVar("T")

_PIECE_LENGTH = 6
_AT_PATH = re.compile(r"^(?P<problem>.*) - at `\$\.?(?P<path>.*)`$", re.DOTALL)


class BadRequest(Exception):
    """Raised for a request that the real service would refuse: with status 400, or 404 for a missing object."""

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None, status: int = 400) -> None:
        super().__init__(message)
        self.failure: Failure = Failure(status, message, code=code, type="invalid_request_error", param=param)


@dataclass(frozen=True)
class Exchange:
    """A request that is being answered. `number` counts the server's requests from 1."""

    number: int
    model: str
    is_azure: bool
    body: JSONObject


def keep_nothing(reply: Reply, exchange: Exchange) -> None:
    """Keep no answer, as services without threads do."""


@dataclass(frozen=True)
class Dialect:
    """The behaviour of one endpoint.

    Attributes:
        check: raises `BadRequest` for a request that the real service refuses.
        whole: returns the body of a whole answer.
        frames: yields the server-sent events of a streamed answer, with the end mark.
        keep: called when an answer is complete, before its end is sent. A service that keeps the conversation then adds
            the answer to it.
    """

    check: Callable[[JSONObject], None]
    whole: Callable[[Reply, Exchange], dict[str, object]]
    frames: Callable[[Reply, Exchange], Iterator[str]]
    keep: Callable[[Reply, Exchange], None] = keep_nothing


def parse(body: JSONObject, shape: type[T]) -> T:
    """Return a request's body as a value of a type. Raises `BadRequest` with the path of the first wrong value."""
    try:
        return msgspec.convert(body, shape)
    except msgspec.ValidationError as error:
        at_path = _AT_PATH.match(str(error))
        param = at_path["path"] if at_path else None
        problem = at_path["problem"] if at_path else str(error)
        where = f" for '{param}'" if param else ""
        raise BadRequest(f"Invalid value{where}: {problem}.", param=param, code="invalid_value") from error


def cut(text: str) -> Iterator[str]:
    """Yield the pieces of a text in a stream. They are short, so that words and arguments are cut as well."""
    return (text[start : start + _PIECE_LENGTH] for start in range(0, len(text), _PIECE_LENGTH))


def arguments_text(call: ToolCall) -> str:
    """Return the arguments of a call as the text that is sent."""
    return call.arguments if isinstance(call.arguments, str) else encode(call.arguments)


def error_body(failure: Failure) -> dict[str, object]:
    """Return a failure in OpenAI's error shape (https://platform.openai.com/docs/guides/error-codes)."""
    kind = failure.type or ("server_error" if failure.status >= 500 else "invalid_request_error")
    return {"error": {"message": failure.message, "type": kind, "param": failure.param, "code": failure.code}}


def encode(value: object) -> str:
    """Return a value as JSON in ASCII. Even a lone surrogate, which a model can produce, is encoded."""
    return json.dumps(value, separators=(",", ":"))
