"""Threads in Azure Cosmos DB (for NoSQL): a partition per thread, an item per turn.

`CosmosStorage` is what there is to use. `items.py` has what is kept, and why no turn can be lost, half or twice;
`container.py` the few calls of azure-cosmos that are needed for it, and `connections.py` the clients.
"""

from recuerda.errors import MissingExtraError

try:
    import aiohttp as _aiohttp  # noqa: F401  # pyright: ignore[reportUnusedImport] - to tell early what to install
    import azure.cosmos as _cosmos  # noqa: F401  # pyright: ignore[reportUnusedImport] - as above
except ImportError as error:
    raise MissingExtraError(module="recuerda.cosmos", extra="cosmos") from error

from recuerda.cosmos.storage import CosmosStorage

__all__ = ["CosmosStorage"]
