"""Threads in Azure Cosmos DB (for NoSQL): a partition per thread, an item per turn.

`CosmosStorage` is the public class. `items.py` defines the stored items and explains why a turn is never lost, split or
stored twice. `container.py` wraps the few calls of azure-cosmos that are needed, and `connections.py` manages the
clients.
"""

from recuerda.errors import MissingExtraError

try:
    import aiohttp as _aiohttp  # noqa: F401  # pyright: ignore[reportUnusedImport] - fail early
    import azure.cosmos as _cosmos  # noqa: F401  # pyright: ignore[reportUnusedImport] - as above
except ImportError as _error:
    raise MissingExtraError(module="recuerda.cosmos", extra="cosmos") from _error

from recuerda.cosmos.storage import CosmosStorage

__all__ = ["CosmosStorage"]
