"""The errors with which the service answers, in OpenAI's error format.

A client of OpenAI decides by the status whether to retry (it retries 409, 429 and 5xx) and shows the message to a
person. So a mistake of the caller is 4xx and names the parameter, a failure of the model's server is 502 or 504, and a
failure of the storage is 503. The shape follows https://platform.openai.com/docs/guides/error-codes.
"""

from __future__ import annotations

from collections.abc import Mapping

from recuerda.errors import (
    ConfigurationError,
    EncodeError,
    InvalidInput,
    StorageBusy,
    StorageError,
    ThreadConflict,
    ThreadNotFound,
    ThreadOwnershipError,
    TurnDropped,
)
from recuerda.json_value import JsonObject

INVALID_REQUEST = "invalid_request_error"
RETRY_SOON_S = 1


class ApiFault(Exception):
    """An error that answers a request.

    Args:
        status: the HTTP status.
        message: a text for people, which holds no content of messages and no credentials.
        kind: OpenAI's error type; None for the type that goes with the status.
        code: a name of the error for programs; None for no name.
        param: the path of the wrong value, such as `input[0].role`; None if no single value is wrong.
        retry_after_s: the seconds after which a retry may succeed; None if it is unknown.
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
        self.kind: str = kind or ("server_error" if status >= 500 else INVALID_REQUEST)
        self.code = code
        self.param = param
        self.retry_after_s = retry_after_s

    @property
    def body(self) -> JsonObject:
        """The JSON of the answer."""
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer."""
        if self.retry_after_s is None:
            return {}
        return {"retry-after": str(max(1, round(self.retry_after_s + 0.499)))}


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> ApiFault:
    """Return the fault for a request that cannot be used."""
    return ApiFault(400, message, param=param, code=code)


def not_found(what: str, id: str) -> ApiFault:
    """Return the fault for a thing that does not exist or belongs to another tenant; the client cannot tell which."""
    return ApiFault(404, f"{what} with id '{id[:100]}' not found.")


def locked() -> ApiFault:
    """Return the fault for a conversation to which another request is adding."""
    return ApiFault(
        409,
        "Another request is adding to this conversation, so no part of this request was kept. Retry in a few seconds.",
        code="conversation_locked",
        retry_after_s=RETRY_SOON_S,
    )


def key_in_use() -> ApiFault:
    """Return the fault for an idempotency key under which another request is running."""
    return ApiFault(
        409,
        "Another request with this idempotency key is running. Retry in a few seconds to get its answer.",
        code="idempotency_key_in_use",
        retry_after_s=RETRY_SOON_S,
    )


def key_reused() -> ApiFault:
    """Return the fault for an idempotency key that stands for another request."""
    return ApiFault(
        422,
        "This idempotency key was used for another request. Send a new request with a new key.",
        code="idempotency_key_reused",
    )


def dropped() -> ApiFault:
    """Return the fault for a retry whose answer was committed and has been deleted since."""
    return ApiFault(
        422,
        "The answer to this idempotency key was given before and has been deleted since. Send a new request with a new "
        "key.",
        code="idempotency_key_reused",
    )


def fault_of(error: Exception) -> ApiFault | None:
    """Return the fault that answers an error of the library; None for an unexpected error."""
    match error:
        case ApiFault():
            return error
        case ThreadConflict():
            return locked()
        case TurnDropped():
            return dropped()
        case ThreadNotFound() | ThreadOwnershipError():
            return ApiFault(404, "There is no such conversation.")
        case InvalidInput():
            return bad_request(str(error))
        case EncodeError():
            return ApiFault(413, f"The storage cannot keep this: {error}", code="not_storable")
        case StorageBusy():
            return ApiFault(503, "The storage is busy; try again.", code="storage_busy", retry_after_s=RETRY_SOON_S)
        case StorageError() | ConfigurationError():
            return ApiFault(503, "The storage cannot do this now; the server's log says why.", code="storage_error")
        case _:
            return None
