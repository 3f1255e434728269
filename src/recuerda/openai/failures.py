"""Errors of calls, in texts that say what happened and what to do next.

The service's own text is left out, because some servers repeat the request in it. It is in the SDK's error, which is
chained to ours and from which the key is removed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import isfinite

from openai import APIConnectionError, APIError, APIStatusError, APITimeoutError

from recuerda.errors import ChatClientError

_IDENTIFIER = re.compile(r"[\w.\[\]-]{1,80}", re.ASCII)
_TOO_LONG = re.compile(r"context_length_exceeded|maximum context length|context (window|size|length)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCall:
    """A call that failed.

    Attributes:
        model_id: the model or the deployment that was called.
        url: the address, without credentials.
        timeout_s: the time limit of the call in seconds; None if it is not known.
        has_begun: True if part of a streamed answer had arrived.
    """

    model_id: str
    url: str
    timeout_s: float | None = None
    has_begun: bool = False


def failure_of(error: Exception, call: FailedCall) -> ChatClientError:
    """Return the error to raise, chained to `error`."""
    status = error.status_code if isinstance(error, APIStatusError) else None
    return ChatClientError(f"model {call.model_id!r} at {call.url}: {_what(error, call)}", status=status)


def remove_secret(error: Exception, secret: str) -> None:
    """Remove a secret from an error of the SDK, because some servers repeat the key that they refuse."""
    if not secret or not isinstance(error, APIError):
        return
    if secret in f"{error} {error.message} {error.body}":
        error.message = error.message.replace(secret, "***")
        error.args = tuple(str(argument).replace(secret, "***") for argument in error.args)
        error.body = None


def retry_after_of(error: Exception) -> float | None:
    """Return the seconds after which a service that gets too many requests wants to be asked again; None if unknown.

    The header `Retry-After` has seconds or a date (RFC 9110, section 10.2.3).
    """
    if not isinstance(error, APIStatusError) or error.status_code not in (429, 503):
        return None
    given = error.response.headers.get("retry-after", "")
    try:
        seconds = float(given)
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(given) - datetime.now(UTC)).total_seconds()
        except (TypeError, ValueError):
            return None
    return max(0.0, seconds) if isfinite(seconds) else None


def _what(error: Exception, call: FailedCall) -> str:
    match error:
        case APITimeoutError():
            limit = "" if call.timeout_s is None else f" within {call.timeout_s:g} s"
            return f"the service did not answer{limit}. Run again, or raise timeout_s."
        case APIConnectionError() if call.has_begun:
            return "the connection broke in the middle of the answer, and no part of the answer is kept. Run again."
        case APIConnectionError():
            return "the service cannot be reached. Check base_url (or the Azure endpoint) and the network."
        case APIError() if _is_too_long(error):
            return (
                "the conversation is longer than the model can read. "
                "Give the agent a window, such as ContextWindow(max_tokens=…)."
            )
        case APIStatusError():
            return f"{_refused(error)} (status {error.status_code}{_details(error)})"
        case APIError():
            return f"the service reported an error in the middle of its answer{_details(error)}. Run again."
        case RuntimeError():
            return "the client's HTTP connection is closed or belongs to another event loop. Create a new client."
        case _:
            return f"the call failed, or its answer could not be read ({type(error).__name__})."


def _refused(error: APIStatusError) -> str:
    match error.status_code:
        case 401:
            return "the service does not accept the key. Check api_key, and check that the key is for this address."
        case 403:
            return "the key has no permission for this. Check the key's project, its region and its models."
        case 404:
            return (
                "the service does not know this model or address. "
                "Check model_id (on Azure the deployment's name) and base_url (or the Azure endpoint)."
            )
        case 429 if error.code == "insufficient_quota":
            return "the account's quota is used up. Check its plan and billing."
        case 429:
            return f"too many requests{_wait(error)}. Slow down, or raise max_retries."
        case status if status >= 500 or status in (408, 409):
            return "the service failed, and the retries failed as well. Try again later."
        case _ if error.code == "content_filter":
            return "the service's content filter refused the request. Ask in another way."
        case _:
            return "the service refused the request. The service's own text is in this error's __cause__."


def _is_too_long(error: APIError) -> bool:
    is_refusal = not isinstance(error, APIStatusError) or error.status_code in (400, 413, 422)
    return is_refusal and bool(_TOO_LONG.search(f"{error.code} {error.message}"))


def _wait(error: APIStatusError) -> str:
    seconds = error.response.headers.get("retry-after")
    return f": wait {seconds} s" if seconds and seconds.isdecimal() else ""


def _details(error: APIError) -> str:
    """Return the code and the parameter that the service named, if they are plain identifiers."""
    named = [("code", error.code), ("parameter", error.param)]
    return "".join(f", {name} {value}" for name, value in named if value and _IDENTIFIER.fullmatch(str(value)))
