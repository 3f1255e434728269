"""What the service answers when it cannot do what was asked, in OpenAI's error shape.

A client of OpenAI decides by the status whether to try again (409, 429 and 5xx are) and shows the message to a person,
so both have to be right: what the caller did wrong is 4xx and names the parameter, what the model's server did wrong
is 502 or 504, what the storage cannot do now is 503. The shape is that of
https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping

from recuerda.errors import (
    ConfigurationError,
    InvalidInput,
    StorageBusy,
    StorageError,
    ThreadConflict,
    ThreadNotFound,
    ThreadOwnershipError,
)
from recuerda.json_value import JsonObject

INVALID_REQUEST = "invalid_request_error"
RETRY_SOON_S = 1


class ApiFault(Exception):
    """An answer other than success.

    Args:
        status: the HTTP status.
        message: for people; without content of messages, and without credentials.
        kind: OpenAI's error type; by default what goes with the status.
        code: for programs, or None.
        param: the place in the request, such as `input[0].role`.
        retry_after_s: when a retry may succeed.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        kind: str | None = None,
        code: str | None = None,
        param: str | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.kind = kind or ("server_error" if status >= 500 else INVALID_REQUEST)
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> JsonObject:
        """The JSON of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers that go with it."""
        if self.retry_after_s is None:
            return {}
        return {"retry-after": str(max(1, round(self.retry_after_s + 0.499)))}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiFault:
    """Return the fault of a request that cannot be used."""
    return ApiFault(400, message, param=param, code=code)


def not_found(what: str, id: str) -> ApiFault:
    """Return the fault of something that is not there, or is another tenant's: nobody can tell which."""
    return ApiFault(404, f"{what} with id '{id[:100]}' not found.")


def locked() -> ApiFault:
    """Return the fault of a conversation that somebody else is adding to."""
    return ApiFault(
        409,
        "Another request is adding to this conversation. Nothing of this one was kept; retry in a few seconds.",
        code="conversation_locked",
        retry_after_s=RETRY_SOON_S,
    )


def fault_of(error: Exception) -> ApiFault | None:
    """Return the fault that an error of the library stands for; None for one that nobody expected."""
    match error:
        case ApiFault():
            return error
        case ThreadConflict():
            return locked()
        case ThreadNotFound() | ThreadOwnershipError():
            return ApiFault(404, "There is no such conversation.")
        case InvalidInput():
            return bad_request(str(error))
        case StorageBusy():
            return ApiFault(503, "The storage is busy; try again.", code="storage_busy", retry_after_s=RETRY_SOON_S)
        case StorageError() | ConfigurationError():
            return ApiFault(503, "The storage cannot do this now; the server's log says why.", code="storage_error")
        case _:
            return None
