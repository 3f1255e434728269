"""Translation of Mem0's errors into an error that says what to do next.

Depending on its version, Mem0 raises an error of its own, an error of its HTTP library, or a bare ValueError. In each
case, the chain of errors contains the status. The service's own text stays in the chained error, because it may repeat
the conversation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from recuerda.errors import ProviderError, StorageUnavailable

_NETWORK = ("httpx", "httpcore", "requests", "urllib3")


def failure_of(error: BaseException, doing: str) -> ProviderError:
    """Return the error to raise; `doing` names the failed action, as in "cannot search"."""
    return ProviderError(f"Mem0 {doing}: {_what(error)}")


def erasure_failure_of(error: BaseException) -> ProviderError | StorageUnavailable:
    """Return the error to raise if memories could not be deleted: `StorageUnavailable` if Mem0 is not reachable now."""
    failure = failure_of(error, "cannot delete memories")
    status = next(filter(None, map(_status, _chain(error))), 0)
    is_away = status == 429 or status >= 500 or (not status and any(map(_is_network, _chain(error))))
    return StorageUnavailable(str(failure)) if is_away or isinstance(error, TimeoutError) else failure


def _what(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "it did not answer in time. Try again later, or allow more time."
    status = next(filter(None, map(_status, _chain(error))), None)
    if status in (401, 403):
        return (
            f"it does not accept a key (status {status}). Check api_key or MEM0_API_KEY; with the open-source library, "
            "check the keys of its models."
        )
    if status == 429:
        return f"it got too many requests (status 429){_wait(error)}. Send fewer, or check your plan's limits."
    if status == 404:
        return "its address has no such path (status 404). Check host, and the version of mem0ai."
    if status is not None and status >= 500:
        return f"the service failed (status {status}). Try again later."
    if status is not None:
        return f"it refused the request (status {status}). Its own message is in this error's __cause__."
    if any(_is_network(link) for link in _chain(error)):
        return "it cannot be reached. Check the network, and host if you gave one."
    if any(isinstance(link, ValueError) for link in _chain(error)):
        return f"it did not answer as Mem0 does ({type(error).__name__}). Check host, and the version of mem0ai."
    return f"{type(error).__name__}. Its own message is in this error's __cause__."


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _status(error: BaseException) -> int | None:
    details = _details(error)
    response = getattr(error, "response", None)
    for found in (details.get("status_code"), getattr(response, "status_code", None), getattr(error, "status_code", 0)):
        if isinstance(found, int) and found >= 400:
            return found
    return None


def _wait(error: BaseException) -> str:
    for link in _chain(error):
        headers = getattr(getattr(link, "response", None), "headers", None)
        seconds = _details(link).get("retry_after") or (headers.get("retry-after") if headers else None)
        if seconds is not None and str(seconds).isdecimal():
            return f": wait {seconds} s"
    return ""


def _details(error: BaseException) -> Mapping[str, object]:
    details = getattr(error, "debug_info", None)
    return cast("Mapping[str, object]", details) if isinstance(details, dict) else {}


def _is_network(error: BaseException) -> bool:
    is_library = type(error).__module__.partition(".")[0] in _NETWORK
    return is_library or isinstance(error, OSError) or type(error).__name__ in ("NetworkError", "APIConnectionError")
