"""Translation of azure's errors into this library's errors, which name the failure, the endpoint and the next step.

Azure's own messages are not passed on, because they quote ids, and some quote requests. The status is enough. See
https://learn.microsoft.com/rest/api/cosmos-db/http-status-codes-for-cosmosdb
"""

from __future__ import annotations

from aiohttp import ClientError
from azure.core.exceptions import AzureError, ClientAuthenticationError, DeserializationError, SerializationError
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosClientTimeoutError, CosmosHttpResponseError

from recuerda.cosmos.calls import ConnectionsClosed
from recuerda.cosmos.container import sub_status
from recuerda.errors import (
    EncodeError,
    RecuerdaError,
    StorageBusy,
    StorageError,
    StorageFull,
    StorageReadOnly,
    StorageUnavailable,
)

DRIVER_ERRORS: tuple[type[Exception], ...] = (
    AzureError,
    ClientError,
    OSError,
    ConnectionsClosed,
    DeserializationError,
    SerializationError,
    UnicodeError,
)

_PARTITION_IS_FULL = 1014  # a logical partition has reached its 20 GB


def translate(error: Exception, start: str, place: str) -> RecuerdaError:
    """Return the error to raise.

    Args:
        error: azure's error.
        start: the beginning of the text, such as "could not append".
        place: endpoint, database and container.
    """
    if not isinstance(error, CosmosHttpResponseError | CosmosBatchOperationError):
        if isinstance(error, ClientAuthenticationError):
            return StorageUnavailable(f"{start}: the credential gives no token for {place}; check the credential")
        if isinstance(error, CosmosClientTimeoutError):
            return StorageUnavailable(f"{start}: {place} did not answer in time; try again")
        if isinstance(error, ConnectionsClosed):
            return StorageUnavailable(
                f"{start}: the connections to {place} are closed or belong to another event loop; make a new storage"
            )
        return StorageUnavailable(
            f"{start}: {place} cannot be reached ({type(error).__name__}); check the endpoint and the network"
        )
    return _translate_status(error, f"{start}: {place} answered {error.status_code}")


def _translate_status(error: CosmosHttpResponseError | CosmosBatchOperationError, answered: str) -> RecuerdaError:
    match error.status_code:
        case 401:
            return StorageUnavailable(f"{answered}: the service does not accept the key or token; check the credential")
        case 403 if sub_status(error) == _PARTITION_IS_FULL:
            return StorageFull(f"{answered}: a partition has reached its limit of 20 GB; trim or delete threads")
        case 403:
            return StorageReadOnly(
                f"{answered}: the service does not allow this; check the credential's role (Cosmos DB Built-in Data "
                "Contributor), the account's firewall, and whether the account's write region has changed"
            )
        case 404:
            return StorageUnavailable(f"{answered}: the database or the container does not exist; make it again")
        case 408 | 410 | 449:
            return StorageBusy(f"{answered}: another writer was changing the same items; try again")
        case 413:
            return EncodeError("the item", "Cosmos DB takes at most 2 MB in one item")
        case 429:
            return StorageBusy(
                f"{answered}: the container's request units are used up; try again later, or give it more throughput"
            )
        case status if status is not None and status >= 500:
            return StorageUnavailable(f"{answered}: the service has a problem; try again")
        case _:
            return StorageError(f"{answered}, which is unexpected; the service's reason is in this error's __cause__")
