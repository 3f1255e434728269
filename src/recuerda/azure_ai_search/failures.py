"""Translation of the SDK's errors into a `ProviderError` that says the next step.

The service's own message may contain a user's question, so only names of fields that the application has given are
repeated from it. The SDK's error is chained.
"""

from __future__ import annotations

import re

from aiohttp import ClientError
from azure.core import exceptions

from recuerda.azure_ai_search.settings import SearchSettings
from recuerda.errors import ProviderError

# Errors that are not the SDK's own, which it raises if an answer is JSON of an unexpected form.
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)
SDK_ERRORS = (exceptions.AzureError, ClientError, OSError, RuntimeError, *UNREADABLE)

FORBIDDEN = (401, 403)

_QUOTED = re.compile(r"'(\w{1,128})'")
_WORD = re.compile(r"\w+")


def translate(error: Exception, settings: SearchSettings, *, host: str, timeout_s: float) -> ProviderError:
    """Return the error to raise."""
    start = f"could not search the index {settings.index_name!r} of {host}: "
    unreadable = f"{start}the answer cannot be read; check that the endpoint is a search service"
    match error:
        case exceptions.DecodeError():
            return ProviderError(unreadable)
        case exceptions.HttpResponseError() if error.status_code is not None:
            return ProviderError(start + _refusal(error, error.status_code, settings))
        case exceptions.ServiceRequestTimeoutError() | exceptions.ServiceResponseTimeoutError():
            return ProviderError(f"{start}there was no answer within {timeout_s:g} s; try again, or raise timeout_s")
        case exceptions.ClientAuthenticationError():
            return ProviderError(f"{start}the credential returned no token; sign in, or give an api_key")
        case RuntimeError():
            return ProviderError(
                f"{start}its connections are closed or belong to another event loop; make a new provider"
            )
        case exceptions.ServiceRequestError() | ClientError() | OSError():
            return ProviderError(f"{start}it cannot be reached; check the endpoint")
        case exceptions.ServiceResponseError() | exceptions.IncompleteReadError():
            return ProviderError(
                f"{start}the connection broke, or there was no answer within {timeout_s:g} s; try again"
            )
        case exceptions.AzureError():
            return ProviderError(f"{start}{type(error).__name__}; the SDK's message is in this error's __cause__")
        case _:
            return ProviderError(unreadable)


def _refusal(error: exceptions.HttpResponseError, status: int, settings: SearchSettings) -> str:
    match status:
        case 400:
            return _bad_request(str(error.message), settings)
        case 401:
            return "the credentials are refused (401); check the token's audience and tenant, or the api_key"
        case 403:
            return (
                "access is denied (403); check the api_key. With Entra ID, the credential needs the role Search "
                "Index Data Reader, and the service has to accept roles as well as keys"
            )
        case 404:
            return "there is no such index (404); check index_name and endpoint. This provider does not create one"
        case 429:
            return "the service got too many requests (429); try again later, or add replicas to the service"
        case 503:
            return "the service is overloaded or unavailable (503); try again later"
        case _:
            return f"the service refused the request ({status}); its message is in this error's __cause__"


def _bad_request(message: str, settings: SearchSettings) -> str:
    text = message.lower()
    field = _named_field(message, settings)
    if "semantic" in text:
        return (
            "the index has no semantic configuration, or none with this name (400); check "
            "semantic_configuration_name, and that the service's semantic ranker is on"
        )
    if "vectorizer" in text:
        return (
            f"field {settings.vector_field_name} has no vectorizer (400); give an embedder, or add a vectorizer to the "
            "index"
        )
    if "dimension" in text or "length of the vector" in text:
        return (
            f"the embedder's vectors do not have the dimensions of field {settings.vector_field_name} (400); give the "
            "embedder that the index was filled with"
        )
    if "vector field" in text:
        return f"{settings.vector_field_name} is not a vector field of the index (400); check vector_field_name"
    if "$filter" in text or "filter" in text:
        return f"the filter is refused (400); check filter and scope: field {field} may be unknown or not filterable"
    if "property" in text or "retrievable" in text:
        return f"field {field} is unknown or not retrievable (400); check content_fields, key_field and title_field"
    return "the service refused the request (400); its reason is in this error's __cause__"


def _named_field(message: str, settings: SearchSettings) -> str:
    ours = {*settings.content_fields, settings.key_field, settings.title_field, settings.vector_field_name}
    ours.update(_WORD.findall(settings.filter or ""))
    return next((match[1] for match in _QUOTED.finditer(message) if match[1] in ours), "named in the request")
