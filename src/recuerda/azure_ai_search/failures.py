"""What the SDK raises, as a `ProviderError` that says the next step.

The service's own words may hold what a user asked, so they are not repeated, but for names of fields that the
application itself has given; the SDK's error is chained.
"""

from __future__ import annotations

import re

from azure.core import exceptions

from recuerda.azure_ai_search.settings import SearchSettings
from recuerda.errors import ProviderError

# What the SDK raises besides its own errors, when an answer is JSON but not what the service should send.
UNREADABLE = (TypeError, ValueError, KeyError, AttributeError)
SDK_ERRORS = (exceptions.AzureError, *UNREADABLE)

FORBIDDEN = (401, 403)

_QUOTED = re.compile(r"'(\w{1,128})'")
_WORD = re.compile(r"\w+")


def translate(error: Exception, settings: SearchSettings, *, host: str, timeout_s: float) -> ProviderError:
    """Return the error to raise."""
    start = f"could not search the index {settings.index_name!r} of {host}: "
    unreadable = f"{start}the answer cannot be read; is the endpoint a search service?"
    match error:
        case exceptions.DecodeError():
            return ProviderError(unreadable)
        case exceptions.HttpResponseError() if error.status_code is not None:
            return ProviderError(start + _refusal(error, error.status_code, settings))
        case exceptions.ServiceRequestTimeoutError() | exceptions.ServiceResponseTimeoutError():
            return ProviderError(f"{start}no answer within {timeout_s:g} s")
        case exceptions.ClientAuthenticationError():
            return ProviderError(f"{start}the credential gives no token; sign in, or give an api_key")
        case exceptions.ServiceRequestError():
            return ProviderError(f"{start}it cannot be reached; check the endpoint")
        case exceptions.ServiceResponseError() | exceptions.IncompleteReadError():
            return ProviderError(f"{start}the connection broke, or nothing came within {timeout_s:g} s")
        case exceptions.AzureError():
            return ProviderError(f"{start}{type(error).__name__}")
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
                "access is denied (403): check the api_key; for Entra ID, the role Search Index Data Reader, and that "
                "the service accepts roles besides keys"
            )
        case 404:
            return "there is no such index (404); check index_name and endpoint. This provider makes none"
        case 429:
            return "there are too many requests (429); try again later, or add replicas to the service"
        case 503:
            return "the service is overloaded or not available (503); try again later"
        case _:
            return f"the service refused ({status})"


def _bad_request(message: str, settings: SearchSettings) -> str:
    text = message.lower()
    field = _named_field(message, settings)
    if "semantic" in text:
        return (
            "no semantic configuration of the name (400); give semantic_configuration_name as the index has it, and "
            "check that the service has the semantic ranker on"
        )
    if "vectorizer" in text:
        return f"field {settings.vector_field_name} has no vectorizer (400): give an embedder, or add one to the index"
    if "dimension" in text or "length of the vector" in text:
        return (
            f"the embedder's vectors are not as long as those of field {settings.vector_field_name} (400); give the "
            "embedder that the index was filled with"
        )
    if "vector field" in text:
        return f"{settings.vector_field_name} is no vector field of the index (400); check vector_field_name"
    if "$filter" in text or "filter" in text:
        return f"the filter is refused (400): check filter and scope; field {field} may be unknown or not filterable"
    if "property" in text or "retrievable" in text:
        return f"field {field} is unknown or not retrievable (400); check content_fields, key_field and title_field"
    return "the request is refused (400); the service's reason is in the error that caused this one"


def _named_field(message: str, settings: SearchSettings) -> str:
    ours = {*settings.content_fields, settings.key_field, settings.title_field, settings.vector_field_name}
    ours.update(_WORD.findall(settings.filter or ""))
    return next((match[1] for match in _QUOTED.finditer(message) if match[1] in ours), "named in the request")
