"""Documents from an index of Azure AI Search as context of a run. The index is only read.

`AzureAISearchProvider` searches an index that exists already. `settings.py` builds the queries, `index.py` reads the
index's definition, `hits.py` reads the results, `failures.py` translates errors, and `connections.py` manages the
clients.
"""

from recuerda.errors import MissingExtraError

try:
    import aiohttp as _aiohttp  # noqa: F401  # pyright: ignore[reportUnusedImport] - the asynchronous client's transport
    import azure.search.documents as _documents  # noqa: F401  # pyright: ignore[reportUnusedImport] - fail early
except ImportError:
    raise MissingExtraError(module="recuerda.azure_ai_search", extra="azure-ai-search") from None

from recuerda.azure_ai_search.hits import SearchHit
from recuerda.azure_ai_search.provider import AzureAISearchProvider
from recuerda.azure_ai_search.settings import SearchMode

__all__ = ["AzureAISearchProvider", "SearchHit", "SearchMode"]
