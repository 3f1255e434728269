"""The search for the container, and its creation if it is missing."""

from __future__ import annotations

from collections.abc import Awaitable

from azure.cosmos import PartitionKey
from azure.cosmos.exceptions import CosmosHttpResponseError

from recuerda.cosmos.calls import from_azure
from recuerda.cosmos.connections import AccountClient
from recuerda.cosmos.container import Proxy
from recuerda.cosmos.places import ContainerPlace
from recuerda.errors import ConfigurationError, StorageUnavailable

INDEXING_POLICY = {
    "indexingMode": "consistent",
    "automatic": True,
    "includedPaths": [
        {"path": f"/{path}"}
        for path in ("number/?", "record_id/?", "kind/?", "incarnation/?", "sort/?", "users/[]/?", "digests/[]/?")
    ],
    "excludedPaths": [{"path": "/*"}],
}
"""The index holds only the fields that queries use. The service's default would index bodies too, which multiplies the
cost."""


async def open_container(client: AccountClient, place: ContainerPlace, *, needs_ttl: bool) -> Proxy:
    """Return the container's proxy. A missing container is created.

    Raises:
        ConfigurationError: the container has another partition key, or does not let items expire.
        StorageUnavailable: the container is missing, and the credential may not make it.
    """
    proxy = client.get_database_client(place.database).get_container_client(place.container)
    try:
        properties = await from_azure(proxy.read())
    except CosmosHttpResponseError as error:
        if error.status_code != 404:
            raise
        await _make(client, place.database, place.container)
        properties = await from_azure(proxy.read())
    paths = properties.get("partitionKey", {}).get("paths")
    if paths != ["/partition"]:
        raise ConfigurationError(
            f"the container {place.container!r} is partitioned by {paths}, but recuerda needs ['/partition']; "
            "give the name of another container, which is created if it is missing"
        )
    if needs_ttl and properties.get("defaultTtl") is None:
        raise ConfigurationError(
            f"the container {place.container!r} does not let items expire, so ttl has no effect; set its time to live "
            "to 'On (no default)'"
        )
    return proxy


async def _make(client: AccountClient, database: str, container: str) -> None:
    try:
        await _unless_there(client.create_database(database))
        await _unless_there(
            client.get_database_client(database).create_container(
                container,
                PartitionKey(path="/partition"),
                indexing_policy=INDEXING_POLICY,
                default_ttl=-1,  # With -1, an item expires only if it has a ttl of its own.
            )
        )
    except CosmosHttpResponseError as error:
        if error.status_code not in (401, 403):
            raise
        raise StorageUnavailable(
            f"there is no container {container!r} in the database {database!r}, and the credential may not make it. "
            f"Make it once: az cosmosdb sql container create --name {container} --database-name {database} "
            "--partition-key-path /partition --ttl -1 --account-name … --resource-group …"
        ) from error


async def _unless_there(creation: Awaitable[object]) -> None:
    try:
        await creation
    except CosmosHttpResponseError as error:
        if error.status_code != 409:
            raise
